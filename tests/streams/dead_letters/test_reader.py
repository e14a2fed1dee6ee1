"""Which letters a filter matches, and how they are read."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import DeadLetterOutcome, encode
from streams.dead_letters.reader import FoundLetter, LetterFilter, open_dead_letters
from streams.errors import BadInput
from streams.kafka import topics
from streams.settings import Settings
from tests.helpers.letters import FAILED_AT, found_letter, send_letters
from tests.helpers.records import produce

times = st.integers(0, 2_000).map(lambda minutes: FAILED_AT + timedelta(minutes=minutes))
letters = st.builds(
    found_letter,
    st.integers(0, 5),
    failed_at=times,
    reason=st.sampled_from(["malformed", "invalid", "oversize"]),
    topic=st.sampled_from(["raw", "enriched"]),
    partition=st.integers(0, 2),
)
filters = st.builds(
    LetterFilter,
    reasons=st.frozensets(st.sampled_from(["malformed", "invalid"])),
    since=st.none() | times,
    until=st.none() | times,
    from_topic=st.none() | st.just("raw"),
    partition=st.none() | st.integers(0, 2),
    places=st.frozensets(st.sampled_from(["dead[0]@101", "raw[1]@2"])),
)


@given(letters)
def test_an_empty_filter_matches_every_letter(letter: FoundLetter) -> None:
    assert LetterFilter().matches(letter)


@given(letters, filters)
def test_a_letter_must_meet_every_condition(letter: FoundLetter, wanted: LetterFilter) -> None:
    conditions = [
        LetterFilter(reasons=wanted.reasons),
        LetterFilter(since=wanted.since),
        LetterFilter(until=wanted.until),
        LetterFilter(from_topic=wanted.from_topic),
        LetterFilter(partition=wanted.partition),
        LetterFilter(places=wanted.places),
    ]
    assert wanted.matches(letter) == all(condition.matches(letter) for condition in conditions)


@given(letters, times)
def test_a_time_divides_the_letters(letter: FoundLetter, time: datetime) -> None:
    assert LetterFilter(since=time).matches(letter) != LetterFilter(until=time).matches(letter)


def test_a_place_matches_a_letter_or_its_record() -> None:
    assert LetterFilter(places=frozenset(["dead[0]@107"])).matches(found_letter(7))
    assert LetterFilter(places=frozenset(["raw[1]@7"])).matches(found_letter(7))
    assert not LetterFilter(places=frozenset(["raw[1]@8"])).matches(found_letter(7))


def test_letters_are_read_with_their_outcomes_up_to_the_end(settings: Settings) -> None:
    with (
        pytest.raises(BadInput, match=f"there is no topic {settings.topics.dead}"),
        open_dead_letters(settings, LetterFilter()),
    ):
        pass
    topics.create(settings)
    send_letters(settings, 3)
    with open_dead_letters(settings, LetterFilter()) as letters:
        assert not letters.is_empty
        every = list(letters.walk())
        assert len(every) == 3
        first = every[0]
        outcome = DeadLetterOutcome(
            partition=first.partition, offset=first.offset, outcome="dropped", attempts=1, at=FAILED_AT
        )
        records: list[tuple[bytes | None, bytes | None]] = [(None, encode(outcome)), (None, b"not a message")]
        produce(settings.kafka, settings.topics.dead, records, partition=first.partition)
        assert list(letters.walk()) == every, "what comes later belongs to the next reader"
    with open_dead_letters(settings, LetterFilter()) as letters:
        assert {each.place for each in letters.walk()} == {each.place for each in every[1:]}
        assert letters.unreadable == 1
        settled = {each.place: each.outcome for each in letters.walk(settled=True)}
        assert settled == {each.place: outcome if each is first else None for each in every}
    with open_dead_letters(settings, LetterFilter(places=frozenset([every[1].place]))) as letters:
        assert [each.place for each in letters.walk(settled=True)] == [every[1].place]
