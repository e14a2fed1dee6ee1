"""Synthetic texts for the language head: texts without a language, and short fragments of texts with one."""

import random
import string
from collections.abc import Sequence

_EMOJI_RANGES = ((0x1F300, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F900, 0x1F9FF), (0x2600, 0x27BF))
_PUNCTUATION = "!?.,;:-_/()[]*+=&%$#~\u2026\u2013\u00bf\u00a1\u3002\uff01\uff1f"


def without_language(count: int, seed: int) -> list[str]:
    """Return texts of emoji, placeholders, numbers, punctuation or random letters, alone or combined."""
    rng = random.Random(seed)
    makers = (_emoji, _placeholders, _number, _punctuation, _random_letters)
    mixed = [" ".join(rng.choice(makers)(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))) for _ in range(count)]
    return ["", *mixed[1:]]


def has_emoji(text: str) -> bool:
    """Return whether a text from `without_language` has an emoji, which may express a sentiment."""
    return any(low <= ord(character) <= high for character in text for low, high in _EMOJI_RANGES)


def fragments(texts: Sequence[str], seed: int) -> list[str]:
    """Return a fragment of each text: up to six words, or up to twelve characters in scripts without spaces."""
    rng = random.Random(seed)
    return [_fragment(text, rng) for text in texts]


def _fragment(text: str, rng: random.Random) -> str:
    words = text.split()
    if len(words) * 12 > len(text):
        length = rng.randint(2, 6)
        start = rng.randrange(max(1, len(words) - length + 1))
        return " ".join(words[start : start + length])
    length = rng.randint(4, 12)
    start = rng.randrange(max(1, len(text) - length + 1))
    return text[start : start + length].strip()


def _emoji(rng: random.Random) -> str:
    low, high = rng.choice(_EMOJI_RANGES)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6)))


def _placeholders(rng: random.Random) -> str:
    return " ".join(rng.choices(("@user", "http"), k=rng.randint(1, 4)))


def _number(rng: random.Random) -> str:
    return rng.choice(("{}", "{}%", "{}:00", "#{}", "+{}", "{}/7", "{},5")).format(rng.randint(0, 99_999))


def _punctuation(rng: random.Random) -> str:
    return "".join(rng.choices(_PUNCTUATION, k=rng.randint(1, 8)))


def _random_letters(rng: random.Random) -> str:
    alphabet = rng.choice((string.ascii_lowercase, string.ascii_letters + string.digits, "asdfghjkl"))
    return "".join(rng.choices(alphabet, k=rng.randint(6, 16)))
