"""Outputs of the teachers: vectors of the frozen encoder, to be preserved, and sentiments from an earlier model."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.errors import TrainingDataError
from models.text import QUERY_PREFIX
from models.tokenizer import Tokenizer
from models.training.data import TrainingRow
from models.training.mixture import pad
from models.training.network import MultiHeadNetwork, mean

SAMPLES = {"lingua": 6_000, "semeval": 5_000, "afrisenti-train": 3_000}
"""Number of rows sampled from the large data sets; those in `WHOLE` are used completely."""

WHOLE = frozenset({"x_topic", "crisis", "sib200", "umsab-train"})
_POSTS = frozenset({"umsab-train", "semeval", "afrisenti-train", "x_topic", "crisis"})
_AT_ONCE = 64


class Target(NamedTuple):
    """What a teacher or the data sets say about rows (rows x columns), and a mask of the rows that have a value."""

    values: npt.NDArray[np.floating]
    known: npt.NDArray[np.bool_]


def nothing(rows: Sequence[TrainingRow], width: int = 0) -> Target:
    """Return outputs without a value for any row."""
    return Target(np.zeros((len(rows), width), np.float16), np.zeros(len(rows), np.bool_))


def write(
    path: Path, rows: Sequence[TrainingRow], indices: npt.NDArray[np.int64], values: npt.NDArray[np.floating]
) -> None:
    """Write a teacher's outputs for the rows at `indices` to a file for `read`."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        np.savez(file, places=indices, values=values.astype(np.float16), rows=_checksum(rows))
    fresh.replace(path)


def read(path: Path, rows: Sequence[TrainingRow]) -> Target:
    """Read the outputs for these rows from a file written by `write`.

    Raises:
        TrainingDataError: If the file was written for other rows.
    """
    stored = np.load(path)
    if "rows" not in stored or stored["rows"] != _checksum(rows):
        raise TrainingDataError(f"{path} was made from other texts: delete it and run the step `{path.stem}` again")
    outputs = nothing(rows, stored["values"].shape[1])
    outputs.values[stored["places"]], outputs.known[stored["places"]] = stored["values"], True
    return outputs


def _checksum(rows: Sequence[TrainingRow]) -> int:
    return zlib.crc32("\0".join(row.text for row in rows).encode("utf-8", "surrogatepass"))


def sample(rows: Sequence[TrainingRow], seed: int) -> npt.NDArray[np.int64]:
    """Return the indices of the rows whose vectors are learned."""
    rng = np.random.default_rng(seed)
    sources = np.array([row.source for row in rows])
    parts = [np.flatnonzero(np.isin(sources, list(WHOLE)))]
    parts += [rng.choice(np.flatnonzero(sources == name), size, replace=False) for name, size in SAMPLES.items()]
    return np.sort(np.concatenate(parts))


def posts(rows: Sequence[TrainingRow]) -> npt.NDArray[np.int64]:
    """Return the indices of the rows that an earlier model labels with a sentiment."""
    return np.flatnonzero([row.source in _POSTS for row in rows])


def mean_vectors(encoder: MultiHeadNetwork, tokenizer: Path, texts: Sequence[str]) -> npt.NDArray[np.float16]:
    """Return the means over tokens of the last layer of the frozen encoder (texts x width)."""
    encoder.eval()
    tokens = [np.array(ids, np.int32) for ids in Tokenizer(tokenizer).encode([QUERY_PREFIX + text for text in texts])]
    order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    vectors = np.empty((len(texts), encoder.positions.shape[1]), np.float16)
    for start in range(0, len(order), _AT_ONCE):
        indices = np.array(order[start : start + _AT_ONCE])
        batch = pad(indices, [tokens[index] for index in indices])
        ids, mask = torch.from_numpy(batch.ids), torch.from_numpy(batch.mask)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            last = encoder.hidden(ids, mask)[-1]
            vectors[indices] = mean(last.float(), mask).numpy()
    return vectors
