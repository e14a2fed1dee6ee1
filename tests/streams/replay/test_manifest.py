"""The account of a replay whose topics are in the states that kills, retries and faults leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from streams.contracts import (
    HEADERS,
    ORIGIN_HEADER,
    DeadLetter,
    Deletion,
    EnrichedPost,
    Post,
    encode,
    record_location,
)
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.replay.manifest import Account, Manifest
from streams.settings import Settings, for_run
from tests.conftest import SettingsFactory
from tests.helpers.records import produce
from tests.helpers.rows import enriched

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)


@pytest.fixture
def settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    own = for_run(settings_for(embedded_broker, topics={"partitions": 1}), "again")
    topics.create(own)
    return own


def send(settings: Settings, topic: str, value: bytes, origin: str | None) -> None:
    headers = [*HEADERS, (ORIGIN_HEADER, origin.encode())] if origin else list(HEADERS)
    produce(settings.kafka, topic, [(b"k", value)], headers=headers)


def raw(settings: Settings, messages: Sequence[Post | Deletion], first: int = 0) -> None:
    for number, message in enumerate(messages, first):
        send(settings, settings.topics.raw, encode(message), record_location("posts.raw", 2, number))


def answer(settings: Settings, message: EnrichedPost | Deletion, offset: int) -> None:
    send(settings, settings.topics.enriched, encode(message), record_location(settings.topics.raw, 0, offset))


def send_to_dead_letters(settings: Settings, topic: str, offset: int, reason: str = "invalid") -> None:
    letter = DeadLetter(
        topic=topic,
        partition=0,
        offset=offset,
        timestamp_ms=0,
        key=None,
        value=b"?",
        headers=(),
        reason=reason,
        error="",
        attempts=1,
        failed_at=NOW,
    )
    send(settings, settings.topics.dead, encode(letter), None)


def account(settings: Settings) -> Manifest:
    return Account(settings).manifest()


def test_every_record_counts_once_however_often_it_was_answered(settings: Settings) -> None:
    one, two = enriched("a"), enriched("b")
    gone = Deletion(source="test", id="a", deleted_at=NOW)
    raw(settings, [one.post, two.post, gone])
    answers: list[EnrichedPost | Deletion] = [one, two, gone]
    for offset, message in enumerate(answers):
        answer(settings, message, offset)
    first = account(settings)
    assert (first.read, first.enriched, first.dead, first.deletions, first.reconciled) == (3, 3, 0, 1, True)
    assert msgspec.to_builtins(first.partitions) == {"posts.raw[2]": {"read": 3, "enriched": 3, "dead": 0}}
    # a worker that was killed answers again at another time
    answer(settings, msgspec.structs.replace(one, enriched_at=NOW), 0)
    again = account(settings)
    assert (again.enriched, again.reconciled, again.checksum) == (3, True, first.checksum)


def test_another_answer_has_another_checksum_and_two_answers_do_not_add_up(settings: Settings) -> None:
    one = enriched("a")
    raw(settings, [one.post])
    answer(settings, one, 0)
    first = account(settings)
    assert first.reconciled
    other = msgspec.structs.replace(one, sentiment=msgspec.structs.replace(one.sentiment, negative=0.11))
    answer(settings, other, 0)
    assert not account(settings).reconciled


def test_the_checksum_covers_the_final_posts(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    kept, edited, gone, back = enriched("kept"), enriched("edited"), enriched("gone"), enriched("back")
    newer = enriched("edited", text="newer", edited_at=NOW + timedelta(minutes=2))
    older = enriched("edited", text="older", edited_at=NOW + timedelta(minutes=1))
    again = enriched("back", text="again", edited_at=NOW + timedelta(minutes=1))
    deletions = [Deletion(source="test", id=name, deleted_at=NOW) for name in ("gone", "back")]

    live = settings_for(embedded_broker, topics={"partitions": 1})

    def read(run: str, messages: Sequence[EnrichedPost | Deletion]) -> str:
        settings = for_run(live, run)
        topics.create(settings)
        raw(settings, [message.post if isinstance(message, EnrichedPost) else message for message in messages])
        for offset, message in enumerate(messages):
            answer(settings, message, offset)
        return account(settings).checksum

    final = read("final", [kept, newer, again])
    assert read("whole", [kept, edited, gone, back, newer, older, *deletions, again]) == final
    assert read("other", [kept, older, again]) != final


def test_what_is_missing_does_not_add_up(settings: Settings) -> None:
    one, two = enriched("a"), enriched("b")
    raw(settings, [one.post, two.post])
    answer(settings, one, 0)
    missing = account(settings)
    assert (missing.read, missing.enriched, missing.dead, missing.reconciled) == (2, 1, 0, False)
    send_to_dead_letters(settings, settings.topics.raw, 1)
    with_dead_letter = account(settings)
    assert (with_dead_letter.enriched, with_dead_letter.dead, with_dead_letter.reconciled) == (1, 1, True)
    # retried from the dead letters, and enriched this time
    raw(settings, [two.post], first=1)
    answer(settings, two, 2)
    retried = account(settings)
    assert (retried.read, retried.enriched, retried.dead, retried.reconciled) == (2, 2, 0, True)


def test_a_post_that_a_sink_refused_still_counts_as_enriched(settings: Settings) -> None:
    one = enriched("a")
    raw(settings, [one.post])
    answer(settings, one, 0)
    send_to_dead_letters(settings, settings.topics.enriched, 0, "sink_refused")
    found: dict[str, Any] = msgspec.to_builtins(account(settings))
    assert (found["dead"], found["refused"], found["reconciled"]) == (0, {"sink_refused": 1}, True)


def test_posts_that_share_an_id_do_not_add_up(settings: Settings) -> None:
    one, other = enriched("3.96E+17", text="first"), enriched("3.96E+17", text="second")
    raw(settings, [one.post, other.post])
    answer(settings, one, 0)
    answer(settings, one, 0)
    answer(settings, other, 1)
    found = account(settings)
    assert (found.read, found.enriched, found.repeated_ids, found.reconciled) == (2, 2, 1, False)
