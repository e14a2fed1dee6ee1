"""What the frozen encoder says of a sample of the texts: the vectors that the network learns to keep."""

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
from models.training.data import Row
from models.training.mixture import pad
from models.training.network import Network, mask_penalty, mean

_SAMPLES = {"lingua": 6_000, "semeval": 5_000, "afrisenti-train": 3_000}
"""Rows of the large sets; of the others, every one."""

_WHOLE = frozenset({"x_topic", "crisis", "sib200", "umsab-train"})
_AT_ONCE = 64


class Said(NamedTuple):
    """What the teacher said of rows: unit vectors (rows x width), and which rows have one."""

    vector: npt.NDArray[np.float16]
    has_vector: npt.NDArray[np.bool_]


def nothing(rows: Sequence[Row]) -> Said:
    """Return what a teacher that was never asked has said."""
    return Said(np.zeros((len(rows), 0), np.float16), np.zeros(len(rows), np.bool_))


def write(path: Path, rows: Sequence[Row], places: npt.NDArray[np.int64], vectors: npt.NDArray[np.float16]) -> None:
    """Write the vectors of the rows at `places` to a file that `read` reads."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        np.savez(file, places=places, vectors=vectors, rows=_checksum(rows))
    fresh.replace(path)


def read(path: Path, rows: Sequence[Row]) -> Said:
    """Read what `write` wrote of the same rows.

    Raises:
        TrainingDataError: the rows are others.
    """
    kept = np.load(path)
    if "rows" not in kept or kept["rows"] != _checksum(rows):
        raise TrainingDataError(f"{path} was made from other texts: delete it and run the step `teacher` again")
    vector = np.zeros((len(rows), kept["vectors"].shape[1]), np.float16)
    has_vector = np.zeros(len(rows), np.bool_)
    vector[kept["places"]], has_vector[kept["places"]] = kept["vectors"], True
    return Said(vector, has_vector)


def _checksum(rows: Sequence[Row]) -> int:
    return zlib.crc32("\0".join(row.text for row in rows).encode("utf-8", "surrogatepass"))


def sample(rows: Sequence[Row], seed: int) -> npt.NDArray[np.int64]:
    """Return the places of the rows whose vectors are learnt."""
    rng = np.random.default_rng(seed)
    sources = np.array([row.source for row in rows])
    parts = [np.flatnonzero(np.isin(sources, list(_WHOLE)))]
    parts += [rng.choice(np.flatnonzero(sources == name), size, replace=False) for name, size in _SAMPLES.items()]
    return np.sort(np.concatenate(parts))


def mean_vectors(encoder: Network, tokenizer: Path, texts: Sequence[str]) -> npt.NDArray[np.float16]:
    """Return the mean over tokens of the frozen encoder's last layer (texts x width)."""
    encoder.eval()
    tokens = [np.array(ids, np.int32) for ids in Tokenizer(tokenizer).encode([QUERY_PREFIX + text for text in texts])]
    order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
    vectors = np.empty((len(texts), encoder.positions.shape[1]), np.float16)
    for start in range(0, len(order), _AT_ONCE):
        places = np.array(order[start : start + _AT_ONCE])
        batch = pad(places, [tokens[place] for place in places])
        ids, mask = torch.from_numpy(batch.ids), torch.from_numpy(batch.mask)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            last = encoder.hidden(ids, mask_penalty(mask))[-1]
            vectors[places] = mean(last.float(), mask).numpy()
    return vectors
