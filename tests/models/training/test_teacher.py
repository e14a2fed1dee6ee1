from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import TrainingDataError
from models.text import QUERY_PREFIX
from models.tokenizer import Tokenizer
from models.training import teacher
from models.training.data import TrainingRow
from models.training.encoder import EncoderConfig
from models.training.network import MultiHeadNetwork, Sizes
from models.training.teacher import mean_vectors, read, sample, write


def rows_of(counts: Mapping[str, int]) -> list[TrainingRow]:
    return [TrainingRow(source, f"{source} {number}") for source, count in counts.items() for number in range(count)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=st.lists(st.booleans(), min_size=1, max_size=20).filter(any), width=st.integers(1, 4))
def test_what_was_written_is_read(tmp_path: Path, known: list[bool], width: int) -> None:
    rows = rows_of({"set": len(known)})
    indices = np.flatnonzero(known)
    values = np.arange(len(indices) * width).reshape(-1, width) / 4
    write(tmp_path / "teacher.npz", [rows[index].text for index in indices], values)
    target = read(tmp_path / "teacher.npz", rows)
    assert target.known.tolist() == known
    assert target.values.shape == (len(rows), width)
    assert target.values[indices].tolist() == values.tolist()
    assert not target.values[~target.known].any()
    assert [path.name for path in tmp_path.iterdir()] == ["teacher.npz"]


def test_vectors_follow_their_texts_to_other_places(tmp_path: Path) -> None:
    path = tmp_path / "teacher.npz"
    write(path, ["one", "two"], np.array([[1.0], [2.0]]))
    rows = [TrainingRow(*row) for row in (("a", "new"), ("b", "two"), ("a", "one"), ("c", "two"))]
    target = read(path, rows)
    assert target.known.tolist() == [False, True, True, True]
    assert target.values[:, 0].tolist() == [0, 2, 1, 2]


def test_the_outputs_of_the_teacher_for_other_texts_are_refused(tmp_path: Path) -> None:
    rows, path = rows_of({"set": 20}), tmp_path / "teacher.npz"
    write(path, [row.text for row in rows], np.ones((20, 4)))
    assert read(path, rows[2:]).known.all(), "a few texts may be gone"
    with pytest.raises(TrainingDataError, match=r"teacher\.npz was made from other texts: delete it and run the step"):
        read(path, rows[3:])


def test_small_sets_are_used_completely_and_large_ones_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "SAMPLES", {"lingua": 7, "semeval-2016": 5, "afrisenti-train": 3, "brighter": 2})
    rows = rows_of({"lingua": 40, "crisis": 6, "semeval-2016": 4, "emosent": 9, "afrisenti-train": 10, "x_topic": 4})
    indices = sample(rows, 0)
    assert indices.tolist() == sorted(set(indices.tolist()))
    chosen = [rows[index].source for index in indices]
    assert {source: chosen.count(source) for source in set(chosen)} == {
        "lingua": 7,
        "crisis": 6,
        "semeval-2016": 4,
        "afrisenti-train": 3,
        "x_topic": 4,
    }
    assert sample(rows, 0).tolist() == indices.tolist() != sample(rows, 1).tolist()


def test_the_vector_of_a_text_is_the_mean_of_its_tokens_in_the_last_layer(shipped_tokenizer: Path) -> None:
    tokenizer = Tokenizer(shipped_tokenizer)
    torch.manual_seed(0)
    config = EncoderConfig(32, 6, 2, 48, tokenizer.size, 130, 2, 1e-12, 1)
    encoder = MultiHeadNetwork(config, Sizes({"sentiment": 3}, exits=(6,))).train()
    texts = [" ".join(["word"] * (number % 7 * 5)) + f" {number}" for number in range(70)]
    found = mean_vectors(encoder, shipped_tokenizer, texts)
    assert found.shape == (70, 32)
    assert found.dtype == np.float16
    for index in (0, 6, 69):
        ids = torch.tensor(tokenizer.encode([QUERY_PREFIX + texts[index]]))
        with torch.inference_mode():
            last = encoder.hidden(ids, torch.ones_like(ids))[-1]
        np.testing.assert_allclose(found[index], last[0].mean(0), atol=0.05)
    apart = np.abs(found[0] - found[6].astype(np.float32)).max()
    assert apart > 0.2, "the tolerance above is larger than the difference between texts"
