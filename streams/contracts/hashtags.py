"""Finding hashtags in text of any script, and normalising them."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile

from streams.contracts.unicode import nfkc, visible

MAX_HASHTAGS = 100
"""Maximum number of hashtags per post; any more are dropped."""
MAX_HASHTAG_CHARACTERS = 200
"""Maximum length of a hashtag; longer ones are truncated."""

_RUNS = 1_000
"""Number of candidates to examine: much of what follows a # may not be a hashtag."""
_RUN_CHARACTERS = 1_000
"""Characters to examine per candidate: more than the maximum length, because invisible ones do not count."""

# ️⃣ after the sign makes it a keycap emoji (#️⃣)
_HASHTAG_START = re.compile(rf"(?<![\w&/#])[#\uff03](?!\ufe0f?\u20e3)([^\s#\uff03]{{1,{_RUN_CHARACTERS}}})")
_JOINERS = "_\u200c\u200d"


def find_hashtags(text: str) -> tuple[str, ...]:
    """Return the hashtags in a text of any script, normalised by `normalise_hashtags`; `#1` is not a hashtag."""
    return normalise_hashtags(list(_found(_HASHTAG_START.findall(text))))


def _found(runs: Iterable[str]) -> Iterator[str]:
    for run in islice(dict.fromkeys(runs), _RUNS):
        tag = "".join(takewhile(_continues_hashtag, visible(run)))
        if any(map(str.isalpha, tag)):
            yield tag


def _continues_hashtag(character: str) -> bool:
    # To `re`, marks are not word characters, but many scripts write vowels as marks: #हिन्दी, #ไทย.
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS


def normalise_hashtags(hashtags: Sequence[str]) -> tuple[str, ...]:
    """Normalise hashtags so that tags that look alike are equal strings: no sign, lower case, Unicode form NFKC.

    Invisible characters and duplicates are removed, the order is kept, and the result is limited to `MAX_HASHTAGS` and
    `MAX_HASHTAG_CHARACTERS`.
    """
    distinct = dict.fromkeys(tag[:_RUN_CHARACTERS] for tag in hashtags)
    cleaned = dict.fromkeys(tag for tag in map(_normalised, islice(distinct, _RUNS)) if tag)
    return bounded_hashtags(tuple(cleaned))


def _normalised(tag: str) -> str:
    stripped = nfkc(visible(tag)[:MAX_HASHTAG_CHARACTERS]).lower().strip(string.whitespace + "#")
    return stripped[:MAX_HASHTAG_CHARACTERS]


def bounded_hashtags(hashtags: tuple[str, ...]) -> tuple[str, ...]:
    """Limit hashtags to the maximum number per post and the maximum length of each."""
    if len(hashtags) <= MAX_HASHTAGS and len("".join(hashtags)) <= MAX_HASHTAG_CHARACTERS:  # nearly every post
        return hashtags
    return tuple(tag[:MAX_HASHTAG_CHARACTERS] for tag in hashtags[:MAX_HASHTAGS])
