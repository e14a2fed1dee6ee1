"""How a post becomes model input: one preparation, used in training and in serving alike.

Links and mentions become placeholders (the training data were published that way), so that two reposts which differ
only in a shortened link are one text for the model and for its cache.
"""

import html
import re
import unicodedata

QUERY_PREFIX = "query: "
"""What the E5 encoders expect before a text (Wang et al., 2024, "Multilingual E5 Text Embeddings")."""

MAX_TOKENS = 128
"""Tokens the model reads, special ones included; a post of 280 characters has about 30."""

RAW_CHARACTERS = 8_192
"""Characters of a text that are looked at: bounds the work for a text of any length."""

PREPARED_CHARACTERS = 1_024
"""Characters kept after preparation: always more than `MAX_TOKENS` tokens in running text."""

_URL = re.compile(r"(?:https?://|www\.)\S+|\bhttps?\b(?=\s|$)", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@])@\w+(?:[.-]\w+)*(?:@\w+(?:[.-]\w+)+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_KEPT_FORMATS = "\u200c\u200d"  # joiners: Persian and Indic spelling, emoji sequences
_TAG_CHARACTERS = range(0xE0020, 0xE0080)  # flags of regions, such as Scotland's, are spelt with them


def _harmless() -> dict[int, str | None]:
    """Map control characters to a space and invisible format characters (bidi, BOM, zero width space) to nothing."""
    table: dict[int, str | None] = {}
    for code in (*range(0x20000), *range(0xE0000, 0xE0100)):  # no plane between holds such characters
        category = unicodedata.category(chr(code))
        if category in {"Cc", "Zl", "Zp"}:
            table[code] = " "
        elif category == "Cf" and chr(code) not in _KEPT_FORMATS and code not in _TAG_CHARACTERS:
            table[code] = None
    return table


_HARMLESS = _harmless()


def prepare(text: str) -> str:
    """Return `text` as the model reads it; any string is accepted and the result is always valid UTF-8."""
    text = text[:RAW_CHARACTERS]
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "&" in text:
        text = html.unescape(text)
    text = text.translate(_HARMLESS)
    text = _URL.sub("http", text)
    text = _MENTION.sub("@user", text)
    return " ".join(text.split())[:PREPARED_CHARACTERS].rstrip()


def has_words(prepared: str) -> bool:
    """Tell whether a prepared text holds any letter outside placeholders: without one it has no language."""
    rest = prepared.replace("@user", " ").replace("http", " ")
    return any(character.isalpha() for character in rest)
