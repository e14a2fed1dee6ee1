"""Prune the vocabulary: most of the encoder's weights are embeddings of pieces that posts never use."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from models.text import MAX_TOKENS

_BATCH = 4096


def count_pieces(tokenizer: Path, texts: Iterable[tuple[str, str]]) -> dict[str, Counter[int]]:
    """Count the pieces of (group, text) pairs, by group; a group is a language."""
    encoder = Tokenizer.from_file(str(tokenizer))
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    pairs = list(texts)
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        encodings = encoder.encode_batch([text for _, text in batch], add_special_tokens=False)
        for (group, _), encoding in zip(batch, encodings, strict=True):
            counts[group].update(encoding.ids)
    return dict(counts)


def choose(tokenizer: Path, counts: dict[str, Counter[int]], size: int) -> npt.NDArray[np.int64]:
    """Return the ids to keep, ascending: special pieces, single characters, then the most frequent ones.

    A piece's weight is the sum over groups of its count by the square root of the group's size, so that small languages
    keep their words; pieces never seen fill what is left in the order of the tokenizer's own frequencies.
    """
    document = json.loads(tokenizer.read_text("utf-8"))
    vocabulary = document["model"]["vocab"]
    weight = np.array([1e-9 * score for _, score in vocabulary])
    for counter in counts.values():
        scale = counter.total() ** -0.5
        for identifier, count in counter.items():
            weight[identifier] += count * scale
    for identifier, (piece, _) in enumerate(vocabulary):
        if len(piece.removeprefix("\u2581")) <= 1:
            weight[identifier] = np.inf
    for token in document["added_tokens"]:
        weight[token["id"]] = np.inf
    if np.isinf(weight).sum() > size:
        raise ValueError(f"{size} pieces cannot hold the {np.isinf(weight).sum()} special and single-character ones")
    return np.sort(np.argsort(-weight, kind="stable")[:size])


def write_tokenizer(tokenizer: Path, keep: npt.NDArray[np.int64], out: Path) -> None:
    """Write the tokenizer with only the pieces `keep`, renumbered in that order, and truncation to `MAX_TOKENS`."""
    document: dict[str, Any] = json.loads(tokenizer.read_text("utf-8"))
    number = {int(old): new for new, old in enumerate(keep)}
    model = document["model"]
    model["vocab"] = [[piece, round(score, 4)] for piece, score in (model["vocab"][int(old)] for old in keep)]
    model["unk_id"] = number[model["unk_id"]]
    for token in document["added_tokens"]:
        token["id"] = number[token["id"]]
    for special in document["post_processor"]["special_tokens"].values():
        special["ids"] = [number[old] for old in special["ids"]]
    document["truncation"] = {
        "direction": "Right",
        "max_length": MAX_TOKENS,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    document["padding"] = None
    out.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), "utf-8")
