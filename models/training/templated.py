"""Expands the texts by template to training rows."""

import random
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Literal

from models.enrichment import SENTIMENTS
from models.text import prepare
from models.training.data import TrainingRow
from models.training.templates import ANY_LANGUAGE, Group, read

SLOT = re.compile(r"\{(\w+)\}")

LEARNED_FORMS = 12
TESTED_FORMS = 2
"""Maximum number of texts per template."""

_TURKISH_LETTERS = str.maketrans("I\u0130", "\u0131i")


def learned(seed: int) -> Iterator[TrainingRow]:
    """Yield the texts to train on, with the source `template`."""
    return _rows("learn", "template", LEARNED_FORMS, seed)


def tested(seed: int) -> Iterator[TrainingRow]:
    """Yield the texts to evaluate, with the source `template-held`."""
    return _rows("test", "template-held", TESTED_FORMS, seed)


def _rows(part: Literal["learn", "test"], source: str, forms: int, seed: int) -> Iterator[TrainingRow]:
    for name, templates in read().items():
        language = None if name == ANY_LANGUAGE else name
        groups: tuple[Group, ...] = getattr(templates, part)
        slots: dict[str, tuple[str, ...]] = getattr(templates.slots, part)
        for group in groups:
            sentiment = SENTIMENTS.index(group.sentiment) if group.sentiment else None
            for template in group.templates:
                rng = random.Random(f"{seed} {name} {template}")
                for text in _fill(template, slots, forms, rng):
                    casual = prepare(_casual(text, name, rng))
                    yield TrainingRow(source, casual, language, sentiment, emotions=group.emotions, acts=group.acts)


def _fill(template: str, slots: Mapping[str, tuple[str, ...]], forms: int, rng: random.Random) -> list[str]:
    """Return texts with different values in the slots; a slot that occurs twice has the same value."""
    names = sorted(set(SLOT.findall(template)))
    choices = list(product(*(slots[name] for name in names)))
    chosen = rng.sample(choices, min(forms, len(choices)))
    texts = [template.format(**dict(zip(names, choice, strict=True))) for choice in chosen]
    return [text[:1].upper() + text[1:] for text in texts] if template.startswith("{") else texts


def _casual(text: str, language: str, rng: random.Random) -> str:
    """Sometimes write a text as hurried people do: in lower case, without a full stop, with a mention or a link."""
    if rng.random() < 0.25:
        text = (text.translate(_TURKISH_LETTERS) if language == "tr" else text).lower()
    if rng.random() < 0.2 and text.endswith(".") and not text.endswith(".."):
        text = text[:-1]
    if rng.random() < 0.12 and not text.startswith("@user"):
        text = f"@user {text}"
    return f"{text} http" if rng.random() < 0.1 else text
