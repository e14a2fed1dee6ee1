"""Topics: created once, compared with the settings, and listed."""

from __future__ import annotations

import pytest
from kafka import KafkaAdminClient

from streams.contracts import DeadLetter, encode, utc_now
from streams.errors import SettingsError
from streams.kafka import connection, topics
from streams.kafka.topics import Difference
from streams.processes.broker import Broker
from streams.settings import Settings, TopicsSettings
from tests.conftest import SettingsFactory
from tests.helpers.processes import wait_until
from tests.helpers.records import end_offsets, produce


def _with_topics(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"topics": TopicsSettings(**(settings.topics.model_dump() | changes))})


def _properties(settings: Settings) -> dict[tuple[str, str], str]:
    """Return the planned values, keyed by topic and property."""
    return {
        (topic.name, name): value
        for topic in topics.planned(settings)
        for name, value in {"partitions": str(topic.partitions), **topic.configs}.items()
    }


def test_create_makes_what_is_missing_once(settings: Settings) -> None:
    names = tuple(settings.topics.names.values())

    first, second = topics.create(settings), topics.create(settings)

    assert set(first.created) == set(names)
    assert first.existing == ()
    assert second.created == ()
    assert set(second.existing) == set(names)
    assert topics.check(settings).differences == ()
    partitions = {
        name: 1 if role in topics.ONE_PARTITION else settings.topics.partitions
        for role, name in settings.topics.names.items()
    }
    assert {name: len(end_offsets(settings.kafka, name)) for name in names} == partitions


def test_create_fills_a_gap(settings: Settings) -> None:
    topics.create(settings)
    admin = KafkaAdminClient(**connection.kafka_python(settings.kafka))
    admin.delete_topics([settings.topics.dead])
    admin.close()

    missing = Difference(topic=settings.topics.dead, what="topic", wanted="present", found="missing")
    wait_until(lambda: topics.check(settings).differences == (missing,), 20, "the topic to be gone")
    assert topics.create(settings).created == (settings.topics.dead,)
    assert topics.check(settings).differences == ()


def test_check_says_what_differs(apache_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(apache_broker)
    topics.create(settings)
    changed = _with_topics(settings, partitions=6, retention_hours=1.5, retention_bytes=-1, max_message_bytes=2_000_000)

    differences = {(d.topic, d.what): (d.wanted, d.found) for d in topics.check(changed).differences}

    raw, dead = settings.topics.raw, settings.topics.dead
    assert differences[raw, "partitions"] == ("6", "4")
    assert differences[raw, "retention.ms"] == ("5400000", "-1")
    assert differences[raw, "retention.bytes"] == ("-1", str(20 * 2**30))
    assert differences[raw, "max.message.bytes"] == ("2000000", "1048576")
    assert differences[dead, "max.message.bytes"] == ("4000000", "2097152")
    assert (dead, "retention.bytes") not in differences
    assert (settings.topics.minutes, "partitions") not in differences, "always one"
    before, after = _properties(settings), _properties(changed)
    assert differences == {key: (after[key], before[key]) for key in before if after[key] != before[key]}
    assert topics.check(changed).without_configs == ()


def test_an_impossible_replication_factor_is_a_wrong_setting(
    apache_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(apache_broker, topics={"replication": 3, "min_insync_replicas": 2})
    with pytest.raises(SettingsError, match=r"replication factor of 3 cannot be reached.*TAGPULSE_TOPICS__"):
        topics.create(settings)


def test_replicas_that_differ_are_found(apache_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(apache_broker)
    topics.create(settings)
    wanted = {
        d.what: (d.wanted, d.found)
        for d in topics.check(_with_topics(settings, replication=3, min_insync_replicas=2)).differences
    }
    assert wanted["replication"] == ("3", "1")
    assert wanted["in-sync replicas"] == ("at least 2", "1")
    assert wanted["min.insync.replicas"] == ("2", "1")


def test_a_broker_without_configurations_is_named(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    names = tuple(settings.topics.names.values())
    admin = KafkaAdminClient(**connection.kafka_python(settings.kafka))
    admin.create_topics(
        {
            topic.name: {"num_partitions": topic.partitions, "replication_factor": 1}
            for topic in topics.planned(settings)
        }
    )
    admin.close()

    found = topics.check(settings)

    assert found.differences == ()
    assert found.without_configs == names


def test_check_makes_no_topic(settings: Settings) -> None:
    assert {difference.found for difference in topics.check(settings).differences} == {"missing"}
    assert {difference.found for difference in topics.check(settings).differences} == {"missing"}
    assert settings.topics.raw not in {topic.name for topic in topics.listing(settings)}


def test_the_dead_letter_of_the_largest_record_fits(settings: Settings) -> None:
    value = bytes(range(256)) * (settings.topics.max_message_bytes // 256)
    letter = DeadLetter(
        topic=settings.topics.raw, partition=0, offset=0, timestamp_ms=0, key=b"k" * 1_000, value=value, headers=(),
        reason="malformed", error="e" * 1_000, attempts=1, failed_at=utc_now(),
    )  # fmt: skip
    assert len(encode(letter)) < int(_properties(settings)[settings.topics.dead, "max.message.bytes"])


def test_listing_counts_what_is_kept(settings: Settings) -> None:
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, [(b"%d" % number, b"value") for number in range(25)])

    found = {topic.name: topic for topic in topics.listing(settings)}

    raw, dead = found[settings.topics.raw], found[settings.topics.dead]
    assert (raw.role, raw.partitions, raw.replication, raw.records) == ("raw", settings.topics.partitions, 1, 25)
    assert (dead.role, dead.records) == ("dead", 0)
    assert not any(name.startswith("__") for name in found)
