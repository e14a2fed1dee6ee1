"""Hashtags, found in texts of any script and written in one form."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile

from streams.contracts.unicode import nfkc, visible

MAX_HASHTAGS = 100
"""Largest number of hashtags of a post; further ones are dropped."""
MAX_HASHTAG_CHARACTERS = 200
"""Largest length of a hashtag; longer ones are cut."""

_RUNS = 1_000
"""Number of candidates that are examined: most of what follows a # may not be a hashtag."""
_RUN_CHARACTERS = 1_000
"""Characters examined of each candidate; more than a hashtag may have, since invisible ones do not count."""

# ️⃣ behind the sign makes it a key of a telephone
_HASHTAG_START = re.compile(rf"(?<![\w&/#])[#\uff03](?!\ufe0f?\u20e3)([^\s#\uff03]{{1,{_RUN_CHARACTERS}}})")
_JOINERS = "_\u200c\u200d"


def find_hashtags(text: str) -> tuple[str, ...]:
    """The hashtags in a text of any script, as `normalise_hashtags` writes them; `#1` is no hashtag."""
    return normalise_hashtags(list(_found(_HASHTAG_START.findall(text))))


def _found(runs: Iterable[str]) -> Iterator[str]:
    for run in islice(dict.fromkeys(runs), _RUNS):
        tag = "".join(takewhile(_continues_hashtag, visible(run)))
        if any(map(str.isalpha, tag)):
            yield tag


def _continues_hashtag(character: str) -> bool:
    # Marks are no word characters to `re`, but many scripts write their vowels as marks: #हिन्दी, #ไทย.
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS


def normalise_hashtags(hashtags: Sequence[str]) -> tuple[str, ...]:
    """Without the sign, lower case and in Unicode's form NFKC, so that tags that look alike are equal strings.

    Invisible characters are left out. Each stands once, in order, and no more than the bounds of a post allow.
    """
    distinct = dict.fromkeys(tag[:_RUN_CHARACTERS] for tag in hashtags)
    cleaned = dict.fromkeys(tag for tag in map(_normalised, islice(distinct, _RUNS)) if tag)
    return bounded_hashtags(tuple(cleaned))


def _normalised(tag: str) -> str:
    stripped = nfkc(visible(tag)[:MAX_HASHTAG_CHARACTERS]).lower().strip(string.whitespace + "#")
    return stripped[:MAX_HASHTAG_CHARACTERS]


def bounded_hashtags(hashtags: tuple[str, ...]) -> tuple[str, ...]:
    """As many hashtags as a post may have, each as long as one may be."""
    if len(hashtags) <= MAX_HASHTAGS and len("".join(hashtags)) <= MAX_HASHTAG_CHARACTERS:  # nearly every post
        return hashtags
    return tuple(tag[:MAX_HASHTAG_CHARACTERS] for tag in hashtags[:MAX_HASHTAGS])
