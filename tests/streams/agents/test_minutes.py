"""The watch worker as a process: minutes and spikes of a live topic and of a replay, on both brokers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from streams.contracts import EnrichedMessage, decode_spike, encode
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings, for_run
from tests.conftest import SettingsFactory
from tests.helpers.minutes import content, deletion, enriched, fold, last_parts, parts_of, topic_items
from tests.helpers.posts import raw_posts
from tests.helpers.processes import Tagpulse, run_tagpulse, wait_until
from tests.helpers.records import count, produce, read_all

FINAL_UNTIL = 8
"""The last post of each partition is in the eleventh minute."""


def send(settings: Settings, messages: list[EnrichedMessage]) -> None:
    produce(settings.kafka, settings.topics.enriched, [(message.key, encode(message)) for message in messages])


def final(settings: Settings) -> int:
    return sum(
        part.final and part.sentiments.posts > 0 for part in parts_of(read_all(settings.kafka, settings.topics.minutes))
    )


def test_live_minutes_match_the_fold(broker: Broker, settings_for: SettingsFactory, tmp_path: Path) -> None:
    settings = settings_for(broker, topics={"partitions": 2}, watch={"lateness_seconds": 120})
    topics.create(settings)
    messages: list[EnrichedMessage] = [
        enriched(number, number * 5 + (40 if number % 7 == 0 else 0), "negative" if number % 3 == 0 else "neutral")
        for number in range(120)
    ]
    messages.insert(30, deletion(20, 110))
    with Tagpulse("worker", "watch", "--concurrency", "2", settings=settings, folder=tmp_path) as worker:
        send(settings, messages)
        records = topic_items(settings)
        wanted = content(fold(records, lateness_seconds=120))
        done = {key: part for key, part in wanted.items() if key[0].minute < FINAL_UNTIL}
        wait_until(lambda: final(settings) >= len(done), 60, "the final minutes")
        found = last_parts(parts_of(read_all(settings.kafka, settings.topics.minutes)))
        assert {key: part for key, part in found.items() if part.final} == done
        closed = {key: part.sentiments for key, part in found.items()}
        assert closed.items() <= {key: part.sentiments for key, part in wanted.items()}.items()
        worker.terminate()
        assert worker.wait() == 0, worker.stderr


def test_a_replay_ends_with_all_minutes_final(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker, model={"backend": "constant"}, lake={"flush_seconds": 0.5})
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, raw_posts(range(1_000)))
    done = run_tagpulse("replay", "--from", "raw", "--run", "again", settings=settings, timeout=120)
    assert done.returncode == 0, done.stderr
    run = for_run(settings, "again")
    parts = parts_of(read_all(run.kafka, run.topics.minutes))
    assert last_parts(parts) == content(fold(topic_items(run)))
    assert sum(part.sentiments.posts for part in parts if part.final) == 1_000
    assert count(settings.kafka, settings.topics.minutes) == 0, "the live topic was written to"
    assert run_tagpulse("runs", "drop", "again", "--execute", settings=settings).returncode == 0
    assert not set(run.topics.names.values()) & set(topics.names(settings.kafka))


def test_a_spike_is_published_once_and_explained(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    campaign = tmp_path / "campaign.toml"
    campaign.write_text('hashtags = ["poltwt"]\nsensitivity = "low"\n')
    settings = settings_for(embedded_broker, watch={"lateness_seconds": 60}).model_copy(update={"campaign": campaign})
    topics.create(settings)
    messages: list[EnrichedMessage] = []
    for number in range(3_600):
        seconds = number * 3.0
        angry = 7_200 <= seconds < 8_400 and number % 5
        text = f"shame on the police dogs {number}" if angry else f"fine day {number}"
        messages.append(enriched(number, seconds, "negative" if angry or number % 9 == 0 else "neutral", text=text))
    with Tagpulse("worker", "watch", settings=settings, folder=tmp_path) as worker:
        send(settings, messages)
        wait_until(lambda: count(settings.kafka, settings.topics.alerts) >= 2, 60, "the spike")
        wait_until(lambda: final(settings) > 650, 60, "the whole day")
        worker.terminate()
        assert worker.wait() == 0, worker.stderr
    spikes = [decode_spike(record.value) for record in read_all(settings.kafka, settings.topics.alerts)]
    negative = [spike for spike in spikes if spike.kind == "negative"]
    assert Counter(spike.state for spike in negative)["open"] == 1
    assert negative[-1].state == "closed"
    assert {spike.sensitivity for spike in spikes} == {"low"}, "as the campaign says"
    (term,) = negative[-1].explanation.terms
    assert term.name in {"shame", "police", "dogs"}, "one word represents the whole text"
    with Tagpulse("worker", "watch", settings=settings, folder=tmp_path) as worker:
        before = count(settings.kafka, settings.topics.minutes)
        send(settings, [enriched(number, 10_900 + number, "neutral") for number in range(4_000, 4_400)])
        wait_until(lambda: count(settings.kafka, settings.topics.minutes) > before, 60, "more minutes")
        worker.terminate()
        assert worker.wait() == 0, worker.stderr
    again = [decode_spike(record.value) for record in read_all(settings.kafka, settings.topics.alerts)]
    keys = [(spike.id, spike.state, spike.at) for spike in again]
    assert len(set(keys)) == len(keys)
    assert [
        spike for spike in again if spike.opened_at == negative[0].opened_at and spike.kind == "negative"
    ] == negative
