import re
from collections import Counter, defaultdict

import pytest

from models.enrichment import ACTS, EMOTIONS
from models.text import prepare
from models.training import templated
from models.training.corpus import fingerprint, is_held_out, text_key
from models.training.templated import SLOT
from models.training.templates import ANY_LANGUAGE, Group, Templates, read

PARTS = ("learn", "test")
WORD = r"[\w{}\u0900-\u0963]+"  # `\w` lacks the vowel signs of Devanagari
TEMPLATES = read()

RESERVED = (
    "This new track is sick, I can't stop playing it",
    "That burger was the bomb",
    "Never had a better burger in my life",
    "I proved them wrong. Proud!",
    "Gute Besserung an die verletzte Kollegin! Wir denken an dich.",
    "Gute Besserung auch von unserer Schulklasse 4b!",
    "Heartfelt wishes to the officer hurt today. You are not alone.",
    "Lane closed, a lorry has lost its potatoes",
    "Wet nose, muddy paws: Chase found a stolen bag",
    "The officer is called Sad Johnson",
    "Meeting point: Hate Street 5",
    "Nothing happened",
    "Nothing happened, nobody hurt",
    "Great, another delay. Just what I needed.",
    "Great, no delay today",
    "Yeah right, best service ever, two hours on hold",
    "Thanks for nothing",
    "Thanks for everything",
    "Could be better",
    "Could not be better",
    "Not bad at all",
    "You will regret this, we know where you live",
    "Why has nobody answered my call for two hours?",
    "Arrest made after criminal damage",
    "Two more days to go",
    "Good night from the control room",
    "See you at the market tomorrow",
    "Bus is late again",
    "No way",
    "Very nice",
    "Good morning.",
    "@transit Good morning.",
)
"""Texts that models are tried on elsewhere."""


def groups(each: Templates, part: str) -> tuple[Group, ...]:
    chosen: tuple[Group, ...] = getattr(each, part)
    return chosen


def values(each: Templates, part: str) -> dict[str, tuple[str, ...]]:
    chosen: dict[str, tuple[str, ...]] = getattr(each.slots, part)
    return chosen


def texts(each: Templates, part: str) -> list[str]:
    return [text for group in groups(each, part) for text in group.templates]


def four_words(text: str) -> set[tuple[str, ...]]:
    words = re.findall(WORD, text.lower())
    return {tuple(words[start : start + 4]) for start in range(len(words) - 3)}


def test_the_same_seed_gives_the_same_rows() -> None:
    assert list(templated.learned(3)) == list(templated.learned(3)) != list(templated.learned(4))
    assert list(templated.tested(3)) == list(templated.tested(3)) != list(templated.tested(4))


def test_rows_are_prepared_and_named() -> None:
    for rows, source, held in (
        (list(templated.learned(0)), "template", False),
        (list(templated.tested(0)), "template-held", True),
    ):
        assert {(row.source, is_held_out(row)) for row in rows} == {(source, held)}
        assert [
            row.text for row in rows if prepare(row.text) != row.text or not row.text or SLOT.search(row.text)
        ] == []
        assert {row.language for row in rows} == {None, *TEMPLATES} - {ANY_LANGUAGE}


def test_there_are_enough_rows() -> None:
    assert 5_000 <= sum(1 for _ in templated.learned(0)) <= 24_000
    assert 1_200 <= sum(1 for _ in templated.tested(0)) <= 2_500


def test_rows_differ_from_each_other() -> None:
    for rows in (list(templated.learned(0)), list(templated.tested(0))):
        assert [key for key, count in Counter((row.language, text_key(row)) for row in rows).items() if count > 1] == []


@pytest.mark.parametrize("language", TEMPLATES)
def test_labels_are_known(language: str) -> None:
    for part in PARTS:
        for group in groups(TEMPLATES[language], part):
            assert set(group.emotions or ()) <= set(EMOTIONS)
            assert set(group.acts or ()) <= set(ACTS)
            assert group.acts != ()


@pytest.mark.parametrize("language", TEMPLATES)
def test_every_slot_has_values_and_every_value_a_use(language: str) -> None:
    for part in PARTS:
        used = {slot for text in texts(TEMPLATES[language], part) for slot in SLOT.findall(text)}
        assert used == set(values(TEMPLATES[language], part))


@pytest.mark.parametrize("language", TEMPLATES)
def test_learned_and_tested_slots_have_no_value_in_common(language: str) -> None:
    learn, test = (
        {value.lower() for each in values(TEMPLATES[language], part).values() for value in each} for part in PARTS
    )
    assert learn & test == set()


def test_learned_and_tested_templates_have_no_four_words_in_common() -> None:
    learn = {words for each in TEMPLATES.values() for text in texts(each, "learn") for words in four_words(text)}
    shared = {text for each in TEMPLATES.values() for text in texts(each, "test") if four_words(text) & learn}
    assert shared == set()


def test_learned_and_tested_texts_have_no_sentence_in_common() -> None:
    learn, test = (
        {
            fingerprint(sentence)
            for each in TEMPLATES.values()
            for text in texts(each, part)
            for sentence in re.split(r"[.!?…।؟。！？]+", text)
            if fingerprint(sentence)
        }
        for part in PARTS
    )
    assert learn & test == set()
    assert {text_key(row) for row in templated.learned(0)} & {text_key(row) for row in templated.tested(0)} == set()


def test_texts_that_models_are_tried_on_are_not_learned() -> None:
    reserved = {fingerprint(prepare(text)) for text in RESERVED}
    for seed in range(3):
        assert [row.text for row in templated.learned(seed) if text_key(row) in reserved] == []
    assert [row.text for row in templated.tested(0) if text_key(row) in reserved] == []


@pytest.mark.parametrize("language", sorted(TEMPLATES.keys() - {ANY_LANGUAGE}))
def test_each_language_has_enough_of_everything(language: str) -> None:
    labelled, short = ({"learn": 150, "test": 80}, 120) if language == "en" else ({"learn": 45, "test": 25}, 40)
    for part, least in labelled.items():
        chosen = groups(TEMPLATES[language], part)
        assert sum(len(group.templates) for group in chosen if group.sentiment) >= least
        assert {emotion for group in chosen for emotion in group.emotions or ()} == set(EMOTIONS)
        assert {act for group in chosen for act in group.acts or ()} == set(ACTS)
    assert sum(len(group.templates) for group in TEMPLATES[language].learn if group.sentiment is None) >= short


def test_sentiments_are_balanced_in_each_language() -> None:
    for rows in (list(templated.learned(0)), list(templated.tested(0))):
        counts: dict[str | None, Counter[int]] = defaultdict(Counter)
        for row in rows:
            if row.sentiment is not None and row.language:
                counts[row.language][row.sentiment] += 1
        shares = {language: [count[label] / count.total() for label in range(3)] for language, count in counts.items()}
        assert {language: each for language, each in shares.items() if min(each) < 0.2 or max(each) > 0.5} == {}
