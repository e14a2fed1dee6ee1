"""What the frozen encoder says of a sample of the texts: the vectors that the network learns to keep."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.text import QUERY_PREFIX
from models.tokenizer import Tokenizer
from models.training.data import Row
from models.training.mixture import pad
from models.training.network import Network, mask_penalty, mean

_SAMPLES = {"lingua": 6_000, "semeval": 5_000, "afrisenti-train": 3_000}
"""Rows of the large sets; of the others, every one."""

_WHOLE = frozenset({"x_topic", "crisis", "sib200", "umsab-train"})
_AT_ONCE = 64


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
