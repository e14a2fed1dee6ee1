"""`kill -9` of watch workers while a day is played: the minutes and spikes stay the same, each published once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import pytest

from streams.agents.detect import SpikeWatch
from streams.contracts import EnrichedMessage, PulseMinute, Spike, decode_spike, encode
from streams.kafka import topics
from streams.minutes.counted_hashtags import CountedHashtags
from streams.minutes.partition import PartitionMinutes
from streams.minutes.resume_state import ResumeState
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.minutes import Item, content, deletion, enriched, fold, last_parts, parts_of, topic_items
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import count, end_offsets, produce, reached, read_all

HOURS = 4
A_MINUTE = 12
KILLS = 6
SPIKE_MINUTES = range(150, 175)
LATENESS = 300.0


def day(dice: random.Random) -> list[EnrichedMessage]:
    """Return posts of some hours with a wave of anger; some are late or repeated, and some are edited or deleted."""
    messages: list[tuple[float, EnrichedMessage]] = []
    for number in range(HOURS * 60 * A_MINUTE):
        seconds = number * 60 / A_MINUTE
        angry = seconds // 60 in SPIKE_MINUTES and dice.random() < 0.7
        label = "negative" if angry or dice.random() < 0.1 else "neutral"
        text = f"shame on you {number}" if angry else f"fine day {number}"
        late = dice.choice([0.0] * 8 + [20.0, 90.0, 400.0])
        messages.append((seconds + late, enriched(number, seconds, label, text=text)))  # type: ignore[arg-type]
        match dice.randrange(40):
            case 0:
                messages.append((seconds + 100, deletion(number, seconds + 100)))
            case 1:
                edit = enriched(number, seconds, "positive", text="changed", edited=seconds + 100)
                messages.append((seconds + 100, edit))
            case 2:
                messages.append((seconds + dice.uniform(0, 200), enriched(number, seconds, label, text=text)))  # type: ignore[arg-type]
    return [message for _, message in sorted(messages, key=lambda item: item[0])]


def undisturbed(records: dict[int, list[Item]]) -> list[PulseMinute]:
    """Return the parts that workers publish if they are never killed, one partition after the other."""
    parts = []
    for partition, each in records.items():
        minutes = PartitionMinutes(
            partition, CountedHashtags((), 20, {}), ResumeState(), lateness_seconds=LATENESS, settle_seconds=10.0
        )
        for item in each:
            parts += [published.part for published in minutes.add(item.message, item.record_ms, item.offset)[1]]
    return parts


def expected_spikes(parts: Sequence[PulseMinute], partitions: int) -> list[Spike]:
    watch = SpikeWatch(range(partitions), "middle")
    return [watch.explained(turn) for part in parts for turn in watch.add(part)]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_kills_change_neither_minutes_nor_spikes(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(
        broker,
        topics={"partitions": 2},
        watch={"lateness_seconds": LATENESS, "idle_seconds": 3_600, "batch_size": 100},
    )
    topics.create(settings)
    dice = random.Random(20_260_620)
    messages = day(dice)
    # posts much later in each partition, so that everything before them is final
    closing: list[EnrichedMessage] = [enriched(f"end {number}", (HOURS + 1) * 3_600) for number in range(8)]
    workers = [_worker(settings, tmp_path) for _ in range(2)]
    share = len(messages) // KILLS + 1
    try:
        for start in range(0, len(messages), share):
            before = count(settings.kafka, settings.topics.minutes)
            _send(settings, messages[start : start + share])
            wait_until(partial(reached, settings.kafka, settings.topics.minutes, before + 1), 60, "more minutes")
            time.sleep(dice.uniform(0, 1.0))  # a random moment for the kill, not a wait for something
            victim = dice.randrange(2)
            workers[victim].kill()
            workers[victim] = _worker(settings, tmp_path)
        _send(settings, closing)
        assert all(end_offsets(settings.kafka, settings.topics.enriched).values())
        records = topic_items(settings)
        parts = undisturbed(records)
        wanted = {key: part for key, part in last_parts(parts).items() if part.final}
        spikes = expected_spikes(parts, 2)
        assert {spike.kind for spike in spikes} >= {"negative"}
        wait_until(lambda: _final(settings).keys() >= wanted.keys(), 90, "the final minutes")
        wait_until(lambda: len(_spikes(settings)) >= len(spikes), 90, "the spikes")
        for worker in workers:
            worker.terminate()
        assert [worker.wait() for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.__exit__(None, None, None)
    whole = content(fold(records, lateness_seconds=LATENESS))
    assert wanted == {key: part for key, part in whole.items() if key in wanted}
    assert sum(part.sentiments.posts for part in wanted.values()) > HOURS * 60 * A_MINUTE * 0.8
    assert _final(settings) == wanted
    found = _spikes(settings)
    repeated = [key for key, times in Counter((s.id, s.state, s.at) for s in found).items() if times > 1]
    assert not repeated, "published twice"
    assert sorted(found, key=_order) == sorted(spikes, key=_order)
    with capsys.disabled():
        click.echo(
            f"\n  {type(broker).__name__}: {KILLS} kills, {len(wanted)} parts of minutes and {len(found)} spike "
            "messages, the same as without kills"
        )


def _worker(settings: Settings, folder: Path) -> Tagpulse:
    return Tagpulse("worker", "watch", settings=settings, folder=folder)


def _send(settings: Settings, messages: Sequence[EnrichedMessage]) -> None:
    produce(settings.kafka, settings.topics.enriched, [(message.key, encode(message)) for message in messages])


def _final(settings: Settings) -> dict[object, PulseMinute]:
    parts = last_parts(parts_of(read_all(settings.kafka, settings.topics.minutes)))
    return {key: part for key, part in parts.items() if part.final}


def _spikes(settings: Settings) -> list[Spike]:
    return [decode_spike(record.value) for record in read_all(settings.kafka, settings.topics.alerts)]


def _order(spike: Spike) -> tuple[object, ...]:
    return spike.at, spike.id, spike.state
