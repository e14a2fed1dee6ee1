"""Converts prepared texts to token ids."""

from collections.abc import Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from models.text import MAX_TOKENS

_PLACEHOLDER_PIECES = ("\u2581@", "@", "\u2581(@", "user", "\u2581http", "http", "\u2581RT")
"""The pieces of the placeholders `@user` and `http`, and of the mark of a repost."""


class Tokenizer:
    """A SentencePiece tokenizer (Kudo and Richardson, 2018) of the XLM-R family: `<s>` before a text, `</s>` after it.

    Special tokens are never parsed from a text: a post that contains `</s>` contains just these characters.
    """

    def __init__(self, model: Path) -> None:
        self._processor = SentencePieceProcessor(model_file=str(model))

    @property
    def size(self) -> int:
        """Number of pieces in the vocabulary."""
        return int(self._processor.vocab_size())

    @property
    def placeholders(self) -> tuple[int, ...]:
        """Ids of the pieces of mentions, links and the mark of a repost, which are no evidence of a language."""
        found = (self._processor.piece_to_id(piece) for piece in _PLACEHOLDER_PIECES)
        return tuple(each for each in found if each != self._processor.unk_id())

    def encode(self, texts: Sequence[str], most: int = MAX_TOKENS) -> list[list[int]]:
        """Return the token ids of each text, truncated to `most` ids including the special tokens."""
        encoded = self._processor.encode(list(texts), add_bos=True, add_eos=True, num_threads=1)
        return [ids if len(ids) <= most else [*ids[: most - 1], ids[-1]] for ids in encoded]
