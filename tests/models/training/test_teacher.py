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
from models.training.teacher import mean_vectors, nothing, posts, read, sample, write


def rows_of(counts: Mapping[str, int]) -> list[TrainingRow]:
    return [TrainingRow(source, f"{source} {number}") for source, count in counts.items() for number in range(count)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=st.lists(st.booleans(), min_size=1, max_size=20), width=st.integers(1, 4))
def test_what_was_written_is_read(tmp_path: Path, known: list[bool], width: int) -> None:
    rows = rows_of({"set": len(known)})
    indices = np.flatnonzero(known)
    values = np.arange(len(indices) * width).reshape(-1, width) / 4
    write(tmp_path / "teacher.npz", rows, indices, values)
    target = read(tmp_path / "teacher.npz", rows)
    assert target.known.tolist() == known
    assert target.values.shape == (len(rows), width)
    assert target.values[indices].tolist() == values.tolist()
    assert not target.values[~target.known].any()
    assert [path.name for path in tmp_path.iterdir()] == ["teacher.npz"]


def test_the_outputs_of_the_teacher_for_other_texts_are_refused(tmp_path: Path) -> None:
    rows = [TrainingRow("set", text) for text in ("one", "two", "three")]
    path = tmp_path / "teacher.npz"
    teacher.write(path, rows, np.array([0, 2]), np.ones((2, 4), np.float16))
    outputs = teacher.read(path, rows)
    assert outputs.known.tolist() == [True, False, True]
    assert outputs.values[:, 0].tolist() == [1, 0, 1]
    with pytest.raises(TrainingDataError, match=r"teacher\.npz was made from other texts"):
        teacher.read(path, rows[::-1])


def test_a_file_without_a_checksum_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "pseudo-labels.npz", places=np.array([0]), values=np.ones((1, 3)))
    with pytest.raises(TrainingDataError, match=r"delete it and run the step `pseudo-labels` again"):
        read(tmp_path / "pseudo-labels.npz", rows_of({"set": 1}))


def test_without_a_teacher_no_target_is_known() -> None:
    target = nothing(rows_of({"set": 3}), 2)
    assert target.values.shape == (3, 2)
    assert target.known.tolist() == [False] * 3


def test_small_sets_are_used_completely_and_large_ones_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "SAMPLES", {"lingua": 7, "semeval": 5, "afrisenti-train": 3})
    rows = rows_of({"lingua": 40, "crisis": 6, "semeval": 5, "emosent": 9, "afrisenti-train": 10, "x_topic": 4})
    indices = sample(rows, 0)
    assert indices.tolist() == sorted(set(indices.tolist()))
    chosen = [rows[index].source for index in indices]
    assert {source: chosen.count(source) for source in set(chosen)} == {
        "lingua": 7,
        "crisis": 6,
        "semeval": 5,
        "afrisenti-train": 3,
        "x_topic": 4,
    }
    assert sample(rows, 0).tolist() == indices.tolist() != sample(rows, 1).tolist()


def test_only_posts_have_a_mood() -> None:
    posted = ["umsab-train", "semeval", "afrisenti-train", "x_topic", "crisis"]
    rows = rows_of(dict.fromkeys(["lingua", *posted[:3], "sib200", *posted[3:], "umsab-val"], 1))
    assert [rows[index].source for index in posts(rows)] == posted


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
