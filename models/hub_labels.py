"""What the labels of models by others mean in ours."""

import re
from collections.abc import Sequence

from models.languages import language_of

_MOODS = {"negative": 0, "neg": 0, "neutral": 1, "neu": 1, "positive": 2, "pos": 2}
_STARS = re.compile(r"([1-5]) stars?")
_NUMBERED: dict[tuple[str, ...], tuple[int, ...]] = {
    ("label 0", "label 1", "label 2"): (0, 1, 2),
    ("label 0", "label 1"): (0, 2),
}


def moods_of(labels: Sequence[str]) -> tuple[int, ...] | None:
    """Return for each label its mood (0 negative, 1 neutral, 2 positive); None where one is unknown or most are missing.

    Understood are names in any case, also shortened (NEG) or strengthened (very negative), stars from 1 to 5, and
    LABEL_0, LABEL_1, LABEL_2, which rise; without a neutral label nothing is neutral.
    """
    names = tuple(re.sub(r"[\s_-]+", " ", label.lower()).strip() for label in labels)
    moods: tuple[int | None, ...] = _NUMBERED.get(names) or tuple(map(_mood, names))
    known = tuple(mood for mood in moods if mood is not None)
    return known if len(known) == len(labels) and {0, 2} <= set(known) else None


def languages_of(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return for each label its BCP-47 code, and which labels name no language that is known."""
    codes = [language_of(label) for label in labels]
    unknown = tuple(label for label, code in zip(labels, codes, strict=True) if code is None)
    return tuple(code or "" for code in codes), unknown


def _mood(name: str) -> int | None:
    if stars := _STARS.fullmatch(name):
        return (0, 0, 1, 2, 2)[int(stars[1]) - 1]
    return _MOODS.get(name.removeprefix("very "))
