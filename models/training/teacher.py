"""The vectors of the frozen encoder, which the network learns to preserve."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.errors import TrainingDataError
from models.text import QUERY_PREFIX
from models.tokenizer import Tokenizer
from models.training.data import TrainingRow
from models.training.mixture import pad
from models.training.network import MultiHeadNetwork, mean
from models.training.processor import autocast, device
from models.training.targets import Target

SAMPLES = {"lingua": 6_000, "semeval-2016": 5_000, "afrisenti-train": 3_000, "brighter": 4_000}
"""Maximum number of rows sampled from the large data sets; those in `WHOLE` are used completely."""

WHOLE = frozenset({"x_topic", "crisis", "sib200", "umsab-train"})
_AT_ONCE = 64
_LEAST_KNOWN = 0.9
"""Share of the texts in a file that must be among the rows: a set that was added may repeat a few texts."""


def write(path: Path, texts: Sequence[str], values: npt.NDArray[np.floating]) -> None:
    """Write the vectors of texts (texts x width) to a file for `read`."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        np.savez(file, keys=_keys(texts), values=values.astype(np.float16))
    fresh.replace(path)


def read(path: Path, rows: Sequence[TrainingRow]) -> Target:
    """Read the vectors of these rows from a file written by `write`; rows whose text is not in it have none.

    Raises:
        TrainingDataError: If the file was written for other texts.
    """
    stored = np.load(path)
    places = {key: place for place, key in enumerate(stored["keys"].tolist())}
    found = np.array([places.get(key, -1) for key in _keys([row.text for row in rows]).tolist()])
    known = found >= 0
    if known.sum() < _LEAST_KNOWN * len(places):
        raise TrainingDataError(f"{path} was made from other texts: delete it and run the step `{path.stem}` again")
    values = np.zeros((len(rows), stored["values"].shape[1]), np.float16)
    values[known] = stored["values"][found[known]]
    return Target(values=values, known=known)


def _keys(texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    hashes = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(hashes), np.uint64)


def sample(rows: Sequence[TrainingRow], seed: int) -> npt.NDArray[np.int64]:
    """Return the indices of the rows whose vectors are learned."""
    rng = np.random.default_rng(seed)
    sources = np.array([row.source for row in rows])
    parts = [np.flatnonzero(np.isin(sources, list(WHOLE)))]
    for name, size in SAMPLES.items():
        found = np.flatnonzero(sources == name)
        parts.append(rng.choice(found, min(size, len(found)), replace=False))
    return np.sort(np.concatenate(parts))


def mean_vectors(encoder: MultiHeadNetwork, tokenizer: Path, texts: Sequence[str]) -> npt.NDArray[np.float16]:
    """Return the means over tokens of the last layer of the frozen encoder (texts x width)."""
    encoder.eval().to(device())
    tokens = [np.array(ids, np.int32) for ids in Tokenizer(tokenizer).encode([QUERY_PREFIX + text for text in texts])]
    order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    vectors = np.empty((len(texts), encoder.positions.shape[1]), np.float16)
    for start in range(0, len(order), _AT_ONCE):
        indices = np.array(order[start : start + _AT_ONCE])
        batch = pad(indices, [tokens[index] for index in indices])
        ids, mask = (torch.from_numpy(each).to(device()) for each in (batch.ids, batch.mask))
        with torch.inference_mode(), autocast():
            last = encoder.hidden(ids, mask)[-1]
            vectors[indices] = mean(last.float(), mask).cpu().numpy()
    return vectors
