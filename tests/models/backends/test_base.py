from pathlib import Path

import pytest

from models.backends.base import Runtime, check_length
from models.errors import ArtefactError
from models.text import MAX_TOKENS

MODEL = Path("weights") / "model.onnx"


def test_a_runtime_is_shown_with_the_reason_for_the_choice() -> None:
    assert str(Runtime("onnx", "int8", "the processor has VNNI")) == "onnx int8 (the processor has VNNI)"


def test_a_model_reads_as_many_tokens_as_texts_are_cut_to() -> None:
    check_length(MODEL, MAX_TOKENS)


@pytest.mark.parametrize(
    ("positions", "read"),
    [(MAX_TOKENS - 1, "127"), (512, "512"), (0, "an unknown number of"), (None, "an unknown number")],
)
def test_a_model_of_another_length_is_refused(positions: int | None, read: str) -> None:
    with pytest.raises(ArtefactError, match=rf"{MODEL} reads {read}.* tokens of a text, but texts are cut to 128: use"):
        check_length(MODEL, positions)
