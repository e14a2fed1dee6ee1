"""The bad records of the demo and the consumer of its results, with a real broker."""

from __future__ import annotations

import pytest

from streams.contracts import decode_raw, encode
from streams.demo.feed import BAD_RECORDS, BadRecordInjector, DemoConsumer
from streams.demo.tally import Tally
from streams.errors import BadMessage
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.sample_day import END, START
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.processes import wait_until
from tests.helpers.records import produce, read_all
from tests.streams.demo.day import dead_letter, enriched


@pytest.fixture
def settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    own = settings_for(embedded_broker)
    topics.create(own)
    return own


def test_each_bad_record_is_unreadable_for_a_different_reason() -> None:
    reasons = []
    for value, headers in BAD_RECORDS:
        with pytest.raises(BadMessage) as caught:
            decode_raw(value, tuple(headers))
        reasons.append(caught.value.reason)
    assert reasons == ["malformed", "invalid", "unknown_version"]


def test_the_bad_records_are_spread_over_the_day(settings: Settings) -> None:
    injector = BadRecordInjector(settings)
    sent = []
    for progress in (0.0, 0.24, 0.25, 0.49, 0.5, 0.5, 0.74, 0.75, 1.0):
        injector.send_until(progress)
        sent.append(injector.sent)
    injector.close()
    assert sent == [0, 0, 1, 1, 2, 2, 2, 3, 3]
    found = [(record.value, list(record.headers)) for record in read_all(settings.kafka, settings.topics.raw)]
    assert sorted(found) == sorted(BAD_RECORDS)


def test_at_the_end_of_the_day_all_are_sent_at_once(settings: Settings) -> None:
    injector = BadRecordInjector(settings)
    injector.send_until(1.0)
    injector.close()
    assert len(read_all(settings.kafka, settings.topics.raw)) == len(BAD_RECORDS)


def test_the_consumer_reads_all_three_topics_from_their_beginning(settings: Settings) -> None:
    posts = [enriched(number) for number in range(20)]
    raw = [(each.post.key, encode(each.post)) for each in posts]
    produce(settings.kafka, settings.topics.raw, [*raw, (b"bad", b"{")])
    produce(settings.kafka, settings.topics.enriched, [(each.post.key, encode(each)) for each in posts[:18]])
    produce(settings.kafka, settings.topics.dead, [(b"bad", encode(dead_letter(0)))])
    tally = Tally(START, END)
    consumer = DemoConsumer(settings, tally)

    def counts() -> tuple[int, int, int, int]:
        consumer.watch(0.1)
        return tally.produced, tally.enriched, tally.dead, tally.duplicates

    wait_until(lambda: counts() == (21, 18, 1, 0), 20, "everything is counted")
    assert len(tally.missing()) == 3, "the letter is that of a record of another topic"
    produce(settings.kafka, settings.topics.enriched, [(each.post.key, encode(each)) for each in posts])
    wait_until(lambda: counts() == (21, 20, 1, 18), 20, "what comes later is counted, and each post once")
    consumer.close()
