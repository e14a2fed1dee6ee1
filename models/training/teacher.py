"""What the frozen encoder and an earlier model say of texts: vectors that the network learns to keep, and sentiment."""

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
from models.training.network import Network, mask_penalty, mean

_SAMPLES = {"lingua": 6_000, "semeval": 5_000, "afrisenti-train": 3_000}
"""Rows of the large sets; of the others, every one."""

_WHOLE = frozenset({"x_topic", "crisis", "sib200", "umsab-train"})
_POSTS = frozenset({"umsab-train", "semeval", "afrisenti-train", "x_topic", "crisis"})
_AT_ONCE = 64


class Said(NamedTuple):
    """What a teacher said of rows (rows x width), and of which."""

    values: npt.NDArray[np.float16]
    known: npt.NDArray[np.bool_]


def nothing(rows: Sequence[TrainingRow], width: int = 0) -> Said:
    """Return what a teacher that was never asked has said."""
    return Said(np.zeros((len(rows), width), np.float16), np.zeros(len(rows), np.bool_))


def write(
    path: Path, rows: Sequence[TrainingRow], places: npt.NDArray[np.int64], values: npt.NDArray[np.floating]
) -> None:
    """Write what was said of the rows at `places` to a file that `read` reads."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        np.savez(file, places=places, values=values.astype(np.float16), rows=_checksum(rows))
    fresh.replace(path)


def read(path: Path, rows: Sequence[TrainingRow]) -> Said:
    """Read what `write` wrote of the same rows.

    Raises:
        TrainingDataError: the rows are others.
    """
    kept = np.load(path)
    if "rows" not in kept or kept["rows"] != _checksum(rows):
        raise TrainingDataError(f"{path} was made from other texts: delete it and run the step `{path.stem}` again")
    said = nothing(rows, kept["values"].shape[1])
    said.values[kept["places"]], said.known[kept["places"]] = kept["values"], True
    return said


def _checksum(rows: Sequence[TrainingRow]) -> int:
    return zlib.crc32("\0".join(row.text for row in rows).encode("utf-8", "surrogatepass"))


def sample(rows: Sequence[TrainingRow], seed: int) -> npt.NDArray[np.int64]:
    """Return the places of the rows whose vectors are learnt."""
    rng = np.random.default_rng(seed)
    sources = np.array([row.source for row in rows])
    parts = [np.flatnonzero(np.isin(sources, list(_WHOLE)))]
    parts += [rng.choice(np.flatnonzero(sources == name), size, replace=False) for name, size in _SAMPLES.items()]
    return np.sort(np.concatenate(parts))


def posts(rows: Sequence[TrainingRow]) -> npt.NDArray[np.int64]:
    """Return the places of the rows whose sentiment an earlier model is asked for."""
    return np.flatnonzero([row.source in _POSTS for row in rows])


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
