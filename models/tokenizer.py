"""From prepared texts to token ids."""

from collections.abc import Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from models.text import MAX_TOKENS


class Tokenizer:
    """A SentencePiece model (Kudo and Richardson, 2018) of the XLM-R family: `<s>` before a text, `</s>` after it.

    Special pieces are never read out of a text: a post that spells `</s>` is a post with five characters more.
    """

    def __init__(self, model: Path) -> None:
        self._processor = SentencePieceProcessor(model_file=str(model))

    @property
    def size(self) -> int:
        """Number of pieces."""
        return int(self._processor.vocab_size())

    def encode(self, texts: Sequence[str], most: int = MAX_TOKENS) -> list[list[int]]:
        """Return the ids of every text, at most `most` of each, special ones included."""
        encoded = self._processor.encode(list(texts), add_bos=True, add_eos=True, num_threads=1)
        return [ids if len(ids) <= most else [*ids[: most - 1], ids[-1]] for ids in encoded]
