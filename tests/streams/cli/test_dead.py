"""`tagpulse dead` against real brokers: output, locations, exit codes, and that records are retried byte for byte."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from streams.contracts import ATTEMPTS_HEADER, HEADERS, DeadLetter, encode
from streams.errors import BadInput
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings, for_run
from tests.conftest import SettingsFactory
from tests.helpers.commands import invoke, objects
from tests.helpers.letters import send_letters
from tests.helpers.processes import run_tagpulse
from tests.helpers.records import count, produce, read_all

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
HOSTILE = b"\xff{not json\x1b[2J\nnext"


def letter(settings: Settings, number: int, **fields: Any) -> DeadLetter:
    given: dict[str, Any] = {
        "topic": settings.topics.raw,
        "partition": number % 2,
        "offset": 100 + number,
        "timestamp_ms": 1_750_000_000_000 + number,
        "key": f"test:{number}".encode(),
        "value": HOSTILE,
        "headers": HEADERS,
        "reason": "malformed",
        "error": "JSON is malformed",
        "attempts": 1,
        "failed_at": NOON + timedelta(minutes=number),
    }
    return DeadLetter(**given | fields)


def send_dead_letters(settings: Settings, letters: Sequence[DeadLetter]) -> None:
    produce(settings.kafka, settings.topics.dead, [(each.key, encode(each)) for each in letters], partition=0)


@pytest.fixture
def settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    made = settings_for(embedded_broker, topics={"partitions": 2})
    topics.create(made)
    return made


def test_an_empty_topic_says_so(settings: Settings) -> None:
    assert invoke("dead", "list", settings=settings).stdout == f"{settings.topics.dead} is empty\n"
    assert objects("dead", "list", settings=settings) == []


def test_a_missing_topic_is_named(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    missing = settings_for(embedded_broker)
    with pytest.raises(BadInput, match=f"there is no topic {missing.topics.dead}"):
        invoke("dead", "list", settings=missing)


def test_a_dead_letter_as_json(settings: Settings) -> None:
    send_dead_letters(settings, [letter(settings, 7, cut=True)])
    location = f"{settings.topics.dead}[0]@0"
    listed = {
        "letter": location,
        "origin": f"{settings.topics.raw}[1]@107",
        "reason": "malformed",
        "error": "JSON is malformed",
        "attempts": 1,
        "failed_at": "2026-06-20T12:07:00Z",
        "key": "test:7",
        "size": len(HOSTILE),
        "cut": True,
        "outcome": None,
    }
    assert objects("dead", "list", settings=settings) == [listed]
    whole = {
        "timestamp_ms": 1_750_000_000_007,
        "headers": [["tagpulse-schema", "1"]],
        "value_base64": base64.b64encode(HOSTILE).decode(),
    }
    assert objects("dead", "show", location, settings=settings) == [listed | whole]


def test_filters_select_dead_letters(settings: Settings) -> None:
    send_dead_letters(
        settings,
        [letter(settings, number, reason=("malformed", "invalid", "empty")[number % 3]) for number in range(12)]
        + [letter(settings, 12, topic=settings.topics.enriched)],
    )
    produce(settings.kafka, settings.topics.dead, [(b"x", b"not a dead letter")], partition=0)

    def numbers(*arguments: str) -> list[int]:
        return [
            int(each["key"].removeprefix("test:")) for each in objects("dead", "list", *arguments, settings=settings)
        ]

    assert numbers() == list(range(13))
    assert numbers("--reason", "invalid", "--reason", "empty") == [1, 2, 4, 5, 7, 8, 10, 11]
    assert numbers("--since", "2026-06-20T12:10:00Z") == [10, 11, 12]
    assert numbers("--until", "2026-06-20T14:02:00+02:00") == [0, 1]
    assert numbers("--partition", "1", "--from-topic", settings.topics.raw) == [1, 3, 5, 7, 9, 11]
    assert numbers("--limit", "2") == [0, 1]
    assert numbers("--since", "1h ago") == []
    shown = invoke("dead", "list", "--limit", "3", settings=settings)
    assert "13 dead letters: malformed 5, invalid 4, empty 4" in shown.stdout
    assert "only the first 3 dead letters are shown" in shown.stdout
    assert "skipped 1 records that are not dead letters" in shown.stderr
    assert "no matching dead letters" in invoke("dead", "list", "--reason", "sink_refused", settings=settings).stdout


def test_show_is_safe_for_terminals_and_raw_prints_the_record(settings: Settings) -> None:
    send_dead_letters(
        settings, [letter(settings, 1, error="\x1b[31mred", headers=(("x\x07", b"\x1b]0;owned"), ("none", None)))]
    )
    location = f"{settings.topics.raw}[1]@101"
    shown = invoke("dead", "show", location, settings=settings).stdout
    assert r"\xff{not json\x1b[2J next" in shown
    assert r"header x\x07: \x1b]0;owned" in shown
    assert f"{len(HOSTILE)} bytes" in shown
    assert "\x1b" not in shown + invoke("dead", "list", settings=settings).stdout
    assert invoke("dead", "show", location, "--raw", settings=settings).stdout_bytes == HOSTILE
    with pytest.raises(BadInput, match="has no dead letter at"):
        invoke("dead", "show", f"{settings.topics.dead}[0]@99", settings=settings)


def test_raw_with_several_different_dead_letters_asks_to_choose_one(settings: Settings) -> None:
    send_dead_letters(settings, [letter(settings, 1), letter(settings, 1, value=b"other")])
    location = f"{settings.topics.raw}[1]@101"
    assert len(objects("dead", "show", location, settings=settings)) == 2
    with pytest.raises(BadInput, match="choose one"):
        invoke("dead", "show", location, "--raw", settings=settings)


@pytest.mark.parametrize(
    "arguments",
    [("list", "--reason", "bad"), ("list", "--since", "soon"), ("show", "nowhere"), ("retry", "--rate", "0")],
)
def test_wrong_usage_is_reported(settings: Settings, arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        invoke("dead", *arguments, settings=settings)


def test_a_record_is_retried_byte_for_byte(broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(broker, topics={"partitions": 4})
    topics.create(settings)
    keys = [f"test:{number}".encode() for number in range(20)]
    produce(settings.kafka, settings.topics.raw, [(key, b"before") for key in keys])
    odd = [("a", b"\x00\xff"), ("a", b"again"), (ATTEMPTS_HEADER, b"2")]
    letters = [letter(settings, number, key=key, headers=tuple(odd), attempts=3) for number, key in enumerate(keys)]
    letters += [letter(settings, 50, key=None, partition=2), letter(settings, 51, value=None)]
    letters += [letter(settings, 52, key=None, value=None, partition=3, headers=(("none", None),))]
    send_dead_letters(settings, letters)

    _, *done = objects("dead", "retry", "--execute", settings=settings)

    assert [each["result"] for each in done] == ["retried"] * len(letters)
    records = read_all(settings.kafka, settings.topics.raw)
    by_location = {f"{each.topic}[{each.partition}]@{each.offset}": each for each in records}
    partitions = {each.key: each.partition for each in records if each.value == b"before"}
    for original, result in zip(letters, done, strict=True):
        retried = by_location[result["sent_to"]]
        assert (retried.key, retried.value, retried.timestamp) == (original.key, original.value, original.timestamp_ms)
        wanted = [pair for pair in original.headers if pair[0] != ATTEMPTS_HEADER]
        assert list(retried.headers) == [*wanted, (ATTEMPTS_HEADER, str(original.attempts).encode())]
        partition = original.partition if original.key is None else partitions.get(original.key, retried.partition)
        assert retried.partition == partition
    assert objects("dead", "list", settings=settings) == []
    outcomes = [each["outcome"] for each in objects("dead", "list", "--all", settings=settings)]
    assert [outcome["sent_to"] for outcome in outcomes] == [result["sent_to"] for result in done]


def test_only_dead_letters_that_can_be_retried_are_planned_and_sent(settings: Settings) -> None:
    send_dead_letters(
        settings,
        [
            letter(settings, 0),
            letter(settings, 1, cut=True),
            letter(settings, 2, attempts=5),
            letter(settings, 3, topic="file:day.jsonl"),
        ],
    )
    planned = invoke("dead", "retry", settings=settings).stdout
    assert f"1 dead letters of {settings.topics.dead} to retry" in planned
    assert "left out: 1: its record was cut and is incomplete" in planned
    assert "left out: 1: it failed 5 times, the limit is 5" in planned
    assert "left out: 1: it came from file:day.jsonl" in planned
    assert "add --execute" in planned
    assert count(settings.kafka, settings.topics.raw) == 0

    done = invoke("dead", "retry", "--execute", settings=settings).stdout
    assert f"{settings.topics.dead}[0]@0 (malformed, from {settings.topics.raw}[0]@100): retried as" in done
    assert count(settings.kafka, settings.topics.raw) == 1
    invoke("dead", "retry", "--execute", settings=settings)
    assert count(settings.kafka, settings.topics.raw) == 1, "a retried record is not sent again"


def test_locations_that_cannot_be_processed_set_the_exit_code(settings: Settings) -> None:
    send_dead_letters(settings, [letter(settings, 0), letter(settings, 1), letter(settings, 2, cut=True)])
    dead, raw = settings.topics.dead, settings.topics.raw
    _, dropped = objects("dead", "drop", f"{raw}[0]@100", "--execute", settings=settings)
    assert (dropped["letter"], dropped["result"]) == (f"{dead}[0]@0", "dropped")
    (plan,) = objects("dead", "drop", f"{dead}[0]@0", f"{dead}[0]@77", "--execute", settings=settings, code=1)
    assert plan["plan"]["missing"] == [f"{dead}[0]@0", f"{dead}[0]@77"]
    assert plan["plan"]["left_out"] == {"already dropped": 1}
    _, *done = objects("dead", "retry", f"{dead}[0]@0", f"{dead}[0]@2", "--execute", settings=settings, code=1)
    assert [each["result"] for each in done] == ["retried", "left out"]
    assert [each["key"] for each in objects("dead", "list", settings=settings)] == ["test:1", "test:2"]


def test_many_dead_letters_are_dropped(settings: Settings) -> None:
    send_letters(settings, 3_000)
    _, *done = objects("dead", "drop", "--execute", settings=settings)
    assert [each["result"] for each in done] == ["dropped"] * 3_000
    assert objects("dead", "list", settings=settings) == []


def test_a_missing_target_topic_is_reported(settings: Settings) -> None:
    send_dead_letters(settings, [letter(settings, 0, topic=settings.topics.enriched)])
    update = {"enriched": f"{settings.topics.enriched}-gone"}
    gone = settings.model_copy(update={"topics": settings.topics.model_copy(update=update)})
    send_dead_letters(settings, [letter(settings, 1, topic=gone.topics.enriched)])
    (plan,) = objects("dead", "retry", "--execute", settings=gone)
    assert plan["plan"]["letters"] == 0
    assert plan["plan"]["left_out"] == {
        f"the topic {gone.topics.enriched} no longer exists": 1,
        f"it came from {settings.topics.enriched}, which is not a topic that this run's workers read": 1,
    }


def test_a_timestamp_refused_by_kafka_is_reported_and_the_rest_is_sent(
    apache_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(apache_broker, topics={"partitions": 1})
    topics.create(settings)
    ahead = int((datetime.now(UTC) + timedelta(days=2)).timestamp() * 1000)
    send_dead_letters(settings, [letter(settings, 0), letter(settings, 1, timestamp_ms=ahead), letter(settings, 2)])
    _, *done = objects("dead", "retry", "--execute", settings=settings, code=1)
    assert [each["result"] for each in done] == ["retried", "failed", "retried"]
    assert "InvalidTimestampError" in done[1]["error"]
    assert [each["key"] for each in objects("dead", "list", settings=settings)] == ["test:1"]


def test_a_run_has_its_own_dead_letters(settings: Settings) -> None:
    replay = for_run(settings, "friday")
    topics.create(replay)
    send_dead_letters(settings, [letter(settings, 0)])
    send_dead_letters(replay, [letter(replay, 1), letter(replay, 2, topic=settings.topics.raw)])
    assert [each["key"] for each in objects("dead", "list", "--run", "friday", settings=settings)] == [
        "test:1",
        "test:2",
    ]
    _, *done = objects("dead", "retry", "--run", "friday", "--execute", settings=settings)
    assert [each["result"] for each in done] == ["retried", "left out"], "a replay never touches the live day"
    assert count(settings.kafka, settings.topics.raw) == 0
    assert count(settings.kafka, replay.topics.raw) == 1


def test_exit_codes_as_a_subprocess(settings: Settings) -> None:
    send_dead_letters(settings, [letter(settings, 0)])
    ended = run_tagpulse("dead", "retry", f"{settings.topics.dead}[0]@0", "--execute", settings=settings)
    assert (ended.returncode, ended.stderr) == (0, "")
    ended = run_tagpulse("dead", "retry", f"{settings.topics.dead}[0]@0", "--execute", settings=settings)
    assert ended.returncode == 1
    ended = run_tagpulse("dead", "show", "posts[0]@1", settings=settings)
    assert ended.returncode == BadInput.exit_code
