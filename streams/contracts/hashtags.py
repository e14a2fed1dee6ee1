"""Hashtags, found in texts of any script and written in one form."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from itertools import takewhile

_HASHTAG_START = re.compile(r"(?<![\w&/#])[#\uff03]([^\s#\uff03]+)")
_JOINERS = "_\u200c\u200d"


def find_hashtags(text: str) -> tuple[str, ...]:
    """The hashtags in a text of any script, as `normalise_hashtags` writes them; `#1` is no hashtag."""
    runs = ("".join(takewhile(_continues_hashtag, run)) for run in _HASHTAG_START.findall(text))
    return normalise_hashtags([run for run in runs if any(map(str.isalpha, run))])


def _continues_hashtag(character: str) -> bool:
    # Marks are no word characters to `re`, but many scripts write their vowels as marks: #हिन्दी, #ไทย.
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS


def normalise_hashtags(hashtags: Sequence[str]) -> tuple[str, ...]:
    """Without the sign, lower case and in Unicode's form NFKC, so that equal tags are equal strings; each once, in order."""
    cleaned = (unicodedata.normalize("NFKC", tag).lower().strip(string.whitespace + "#") for tag in hashtags)
    return tuple(dict.fromkeys(tag for tag in cleaned if tag))
