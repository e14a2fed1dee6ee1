"""Retries of dead letters: fixed poison is enriched, and other poison counts its attempts up to the limit."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from streams.contracts import ATTEMPTS_HEADER
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.commands import objects
from tests.helpers.letters import send_letters
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import count, produce, reached, read_all

_LARGE = 20
_BROKEN = 5


def _dead(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    return objects("dead", *arguments, settings=settings)


def test_poison_is_retried_until_it_is_fixed_or_has_failed_too_often(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(
        apache_broker, model={"backend": "constant"}, enrich={"max_post_bytes": 20_000}, topics={"partitions": 3}
    )
    fixed = settings.model_copy(update={"enrich": settings.enrich.model_copy(update={"max_post_bytes": 200_000})})
    topics.create(settings)
    good = raw_posts(range(200))
    large = [(key, (value or b"") + b" " * 30_000) for key, value in raw_posts(range(1000, 1000 + _LARGE))]
    broken = [(f"test:broken-{number}".encode(), b"\xff{") for number in range(_BROKEN)]
    produce(settings.kafka, settings.topics.raw, [*good, *large, *broken], timestamp_ms=1_700_000_000_123)
    bad = _LARGE + _BROKEN

    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: count(settings.kafka, settings.topics.dead) >= bad, 60, "the first letters")
        first = _dead(settings, "list")
        assert Counter(letter["reason"] for letter in first) == {"oversize": _LARGE, "malformed": _BROKEN}
        assert {letter["attempts"] for letter in first} == {1}

        (plan,) = _dead(settings, "retry")
        assert plan["plan"]["by_origin"] == {settings.topics.raw: bad}
        assert count(settings.kafka, settings.topics.dead) == bad, "a plan changes nothing"

        planned, *done = _dead(settings, "retry", "--execute", "--rate", "1000")
        assert planned == plan
        assert {each["result"] for each in done} == {"retried"}
        assert {each["letter"] for each in done} == {letter["letter"] for letter in first}
        wait_until(lambda: len(_dead(settings, "list")) >= bad, 60, "they failed once more")
        again = _dead(settings, "list")
        assert {letter["attempts"] for letter in again} == {2}
        assert {letter["origin"] for letter in again} == {each["sent_to"] for each in done}

        (limited,) = _dead(settings, "retry", "--max-attempts", "2", "--execute")
        assert limited["plan"]["letters"] == 0
        assert limited["plan"]["left_out"]["it failed 2 times, the limit is 2"] == bad
        worker.terminate()
        assert worker.wait() == 0

    sent = read_all(settings.kafka, settings.topics.raw)
    originals = {record.key: record for record in sent if ATTEMPTS_HEADER not in dict(record.headers)}
    for record in sent:
        original = originals[record.key]
        assert (record.value, record.timestamp, record.partition) == (
            original.value,
            original.timestamp,
            original.partition,
        )
        assert dict(record.headers).get(ATTEMPTS_HEADER) in (None, b"1")

    with Tagpulse("worker", "enrich", settings=fixed, folder=tmp_path):
        _, *done = _dead(fixed, "retry", "--reason", "oversize", "--execute")
        assert Counter(each["result"] for each in done) == {"retried": _LARGE}
        wait_until(lambda: len(outcome(fixed).enriched) >= len(good) + _LARGE, 60, "all posts that could be fixed")
    assert set(outcome(fixed).enriched) == {key for key, _ in [*good, *large]}
    assert {letter["reason"] for letter in _dead(fixed, "list")} == {"malformed"}

    _, *dropped = _dead(fixed, "drop", "--reason", "malformed", "--execute")
    assert Counter(each["result"] for each in dropped) == {"dropped": _BROKEN}
    assert _dead(fixed, "list") == []
    everything = Counter(letter["outcome"]["outcome"] for letter in _dead(fixed, "list", "--all"))
    assert everything == {"retried": bad + _LARGE, "dropped": _BROKEN}


def test_a_killed_retry_can_be_repeated_and_nothing_is_lost(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker, topics={"partitions": 2})
    topics.create(settings)
    keys = send_letters(settings, 60)
    for at in (5, 20, 35):
        with Tagpulse("dead", "retry", "--execute", "--rate", "40", settings=settings, folder=tmp_path) as retrying:
            wait_until(partial(reached, settings.kafka, settings.topics.raw, at), 60, "some were sent")
            retrying.kill()
    left = len(_dead(settings, "list"))
    assert 0 < left < len(keys), "letters with a recorded outcome are not sent again"
    _, *done = _dead(settings, "retry", "--execute", "--rate", "1000")
    assert len(done) == left
    assert _dead(settings, "list") == []
    sent = [record.key for record in read_all(settings.kafka, settings.topics.raw)]
    assert set(sent) == set(keys)
    assert len(sent) <= len(keys) + 3, "each kill repeats at most one record"


def test_a_retry_ends_when_the_broker_disappears_and_reports_what_is_left(
    fresh_embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(
        fresh_embedded_broker, topics={"partitions": 1}, kafka={"request_timeout_seconds": 2}, log={"level": "ERROR"}
    )
    topics.create(settings)
    send_letters(settings, 50)
    with Tagpulse("dead", "retry", "--execute", "--rate", "20", settings=settings, folder=tmp_path) as retrying:
        wait_until(lambda: count(settings.kafka, settings.topics.raw) >= 3, 60, "some were sent")
        fresh_embedded_broker.kill()
        assert retrying.wait(60) == 1
        *lines, last = retrying.stdout.splitlines()
        assert ": failed: " in last
        retried = [line for line in lines if ": retried as " in line]
        assert f"{50 - len(retried)} of 50 dead letters were left unchanged" in retrying.stderr
