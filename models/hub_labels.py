"""Maps the labels of third-party models to ours."""

import re
from collections.abc import Sequence

from models.languages import language_of

_SENTIMENTS = {"negative": 0, "neg": 0, "neutral": 1, "neu": 1, "positive": 2, "pos": 2}
_STARS = re.compile(r"([1-5]) stars?")
_NUMBERED: dict[tuple[str, ...], tuple[int, ...]] = {
    ("label 0", "label 1", "label 2"): (0, 1, 2),
    ("label 0", "label 1"): (0, 2),
}


def moods_of(labels: Sequence[str]) -> tuple[int, ...] | None:
    """Return the sentiment of each label (0 negative, 1 neutral, 2 positive), or None if the labels are not recognised.

    Every label must be recognised, and negative and positive must both occur. Recognised are names in any case, also
    abbreviated (NEG) or intensified (very negative), 1 to 5 stars, and LABEL_0 and LABEL_1 or LABEL_0 to LABEL_2, from
    negative to positive. Without a neutral label, no post is neutral.
    """
    names = tuple(re.sub(r"[\s_-]+", " ", label.lower()).strip() for label in labels)
    sentiments: tuple[int | None, ...] = _NUMBERED.get(names) or tuple(map(_sentiment, names))
    known = tuple(each for each in sentiments if each is not None)
    return known if len(known) == len(labels) and {0, 2} <= set(known) else None


def languages_of(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the BCP-47 code of each label (empty if not recognised), and the labels that are not recognised."""
    codes = [language_of(label) for label in labels]
    unknown = tuple(label for label, code in zip(labels, codes, strict=True) if code is None)
    return tuple(code or "" for code in codes), unknown


def _sentiment(name: str) -> int | None:
    if stars := _STARS.fullmatch(name):
        return (0, 0, 1, 2, 2)[int(stars[1]) - 1]
    return _SENTIMENTS.get(name.removeprefix("very "))
