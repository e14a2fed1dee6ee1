"""Prunes the vocabulary: most of the encoder's weights are embeddings of pieces that posts never use."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto

_BATCH = 4096


def count_pieces(tokenizer: Path, texts: Iterable[tuple[str, str]]) -> dict[str, Counter[int]]:
    """Return the counts of pieces in (group, text) pairs, by group; a group is a language."""
    processor = SentencePieceProcessor(model_file=str(tokenizer))
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    pairs = list(texts)
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        for (group, _), ids in zip(batch, processor.encode([text for _, text in batch]), strict=True):
            counts[group].update(ids)
    return dict(counts)


def choose(tokenizer: Path, counts: dict[str, Counter[int]], size: int) -> npt.NDArray[np.int64]:
    """Return the ids of the pieces to keep, in ascending order.

    Special pieces and single characters are always kept, then those with the highest weight. The weight of a piece is the
    sum over groups of its count divided by the square root of the group's size, so that small languages keep their
    words. Pieces that do not occur fill the remaining places in the order of the tokenizer's own frequencies.

    Raises:
        ValueError: If `size` is too small for the special and single-character pieces.
    """
    pieces = _read(tokenizer).pieces
    weight = np.array([1e-9 * piece.score for piece in pieces])
    for counter in counts.values():
        scale = counter.total() ** -0.5
        for identifier, count in counter.items():
            weight[identifier] += count * scale
    for identifier, piece in enumerate(pieces):
        if piece.type != piece.NORMAL or len(piece.piece.removeprefix("\u2581")) <= 1:
            weight[identifier] = np.inf
    if np.isinf(weight).sum() > size:
        raise ValueError(
            f"{size} pieces are too few: there are {np.isinf(weight).sum()} special and single-character pieces"
        )
    return np.sort(np.argsort(-weight, kind="stable")[:size])


def write_tokenizer(tokenizer: Path, keep: npt.NDArray[np.int64], out: Path) -> None:
    """Write the tokenizer with only the pieces in `keep`, renumbered in that order."""
    model = _read(tokenizer)
    kept = [model.pieces[identifier] for identifier in keep.tolist()]
    del model.pieces[:]
    model.pieces.extend(kept)
    out.write_bytes(model.SerializeToString())


def _read(tokenizer: Path) -> ModelProto:
    return ModelProto.FromString(tokenizer.read_bytes())
