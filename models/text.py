"""Text preparation, identical in training and serving.

Links and mentions become placeholders, as in the published training data. Reposts that differ only in a shortened link
are therefore the same text for the model and its cache.
"""

import html
import re
import unicodedata

QUERY_PREFIX = "query: "
"""Prefix that the E5 encoders expect before a text (Wang et al., 2024, "Multilingual E5 Text Embeddings")."""

MAX_TOKENS = 128
"""Maximum number of tokens that a model reads, including special tokens; a post of 280 characters has about 30.

Training writes it into the graph, and a back end refuses a graph of another length.
"""

PREPARED_CHARACTERS = 8 * MAX_TOKENS
"""Maximum number of characters after preparation; in running text always more than `MAX_TOKENS` tokens."""

RAW_CHARACTERS = 8 * PREPARED_CHARACTERS
"""Maximum number of characters read from a text; bounds the work for texts of any length."""

_URL = re.compile(r"(?:https?://|www\.)\S+|\bhttps?\b(?=\s|$)", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@])@\w+(?:[.-]\w+)*(?:@\w+(?:[.-]\w+)+)?")
_NO_WORDS = re.compile(r"@user|http|\bRT\b")
_HASHTAG = re.compile("[#\uff03][^\\s#\uff03]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_KEPT_FORMATS = "\u200c\u200d"  # joiners: Persian and Indic spelling, emoji sequences
_TAG_CHARACTERS = range(0xE0020, 0xE0080)  # used in flags of regions, such as Scotland's


def _clean_up_table() -> dict[int, str | None]:
    """Map control characters to a space and delete invisible format characters (bidi, BOM, zero-width space)."""
    table: dict[int, str | None] = {}
    for code in (*range(0x20000), *range(0xE0000, 0xE0100)):  # the planes in between have no such characters
        category = unicodedata.category(chr(code))
        if category in {"Cc", "Zl", "Zp"}:
            table[code] = " "
        elif category == "Cf" and chr(code) not in _KEPT_FORMATS and code not in _TAG_CHARACTERS:
            table[code] = None
    return table


_CLEAN_UP = _clean_up_table()


def prepare(text: str) -> str:
    """Return `text` as the model reads it. Accepts any string; the result can always be encoded as UTF-8."""
    text = text[:RAW_CHARACTERS]
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "&" in text:
        text = html.unescape(text)
    text = text.translate(_CLEAN_UP)
    text = _URL.sub("http", text)
    text = _MENTION.sub("@user", text)
    return " ".join(text.split())[:PREPARED_CHARACTERS].rstrip()


def has_words(prepared: str) -> bool:
    """Return whether a prepared text has a letter outside placeholders and `RT`; without one it has no language."""
    return any(character.isalpha() for character in _NO_WORDS.sub(" ", prepared))


def has_running_text(prepared: str) -> bool:
    """Return whether a prepared text has words outside hashtags, which are often English or names in any language."""
    return has_words(_HASHTAG.sub(" ", prepared))
