"""The Kafka topics: configured by the settings, and created and checked only by explicit commands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource

from streams.errors import Refused, SettingsError, TagpulseError, Unavailable
from streams.kafka import connection
from streams.kafka.reader import end_offsets, open_reader, partitions_of
from streams.settings import LIVE, KafkaSettings, Settings

_TIMEOUT_MS = 10_000
_MS_PER_HOUR = 3_600_000

_OK = 0
_REFUSALS = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.PolicyViolationError,
)
_WRONG_SETTINGS = (
    kafka_errors.InvalidReplicationFactorError,
    kafka_errors.InvalidPartitionsError,
    kafka_errors.InvalidConfigurationError,
    kafka_errors.InvalidTopicError,
)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """The wanted configuration of a topic."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]
    """Kafka configuration by name, e.g. `retention.ms`: `-1`."""


@dataclass(frozen=True, kw_only=True)
class Created:
    """The result of `create`: names of topics."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    """Topics that existed already and were left unchanged; `check` reports how they differ."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The number of partitions of a topic before and after `grow`."""

    topic: str
    before: int
    now: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference between a topic and the settings."""

    topic: str
    what: str
    """`topic` (if it is missing), `partitions`, `replication`, `in-sync replicas` or the name of a topic setting."""
    wanted: str
    found: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of `check`."""

    differences: tuple[Difference, ...]
    without_configs: tuple[str, ...]
    """Topics whose configuration the broker does not report (the embedded one may not), so it was not compared."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A topic of the cluster."""

    name: str
    role: str
    """`raw`, `enriched`, `dead`, `minutes`, `alerts` or `gaps` for a topic of the settings, otherwise empty."""
    partitions: int
    replication: int
    records: int | None
    """Number of records currently retained; None for a topic that is not in the settings."""


ONE_PARTITION = ("minutes", "alerts", "gaps")
"""Roles whose topic has one partition.

There are few records in a day, and a detector that sees all minutes in one order finds the same spikes every time.
"""

_RETAINED = ("dead", "alerts", "gaps")
"""Roles whose topic has few records that may be needed much later."""


def planned(settings: Settings) -> tuple[Topic, ...]:
    """Return the topics of the settings, in the order of `ROLES`."""
    topics = settings.topics
    hours = topics.retention_hours
    common = {
        "cleanup.policy": "delete",
        "compression.type": "producer",  # keeps the compression of the client, so the broker does not recompress
        "message.timestamp.type": "CreateTime",  # retention and replays rely on event times
        "min.insync.replicas": str(topics.min_insync_replicas),
        "retention.ms": "-1" if hours < 0 else str(int(hours * _MS_PER_HOUR)),
    }

    def topic(role: str, name: str) -> Topic:
        size = topics.dead_retention_bytes if role in _RETAINED else topics.retention_bytes
        limits = {"retention.bytes": str(size), "max.message.bytes": str(topics.limits[name])}
        return Topic(
            name=name,
            partitions=1 if role in ONE_PARTITION else topics.partitions,
            replication=topics.replication,
            configs=dict(sorted((common | limits).items())),
        )

    return tuple(topic(role, name) for role, name in topics.names.items())


def create(settings: Settings) -> Created:
    """Create missing topics and wait until they can be used; existing topics are left unchanged.

    Raises:
        SettingsError: The cluster cannot create such a topic.
        Refused: Access rights are missing.
        Unavailable: The cluster does not answer.
    """
    wanted = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication,
            "configs": dict(topic.configs),
        }
        for topic in planned(settings)
    }
    created, existing, errors = [], [], []
    with _admin(settings.kafka) as admin:
        for answer in admin.create_topics(wanted, raise_errors=False)["topics"]:
            match kafka_errors.for_code(answer["error_code"]):
                case kafka_errors.NoError:
                    created.append(answer["name"])
                case kafka_errors.TopicAlreadyExistsError:
                    existing.append(answer["name"])
                case kind:
                    errors.append(_error(kind, f"topic {answer['name']}: {answer['error_message'] or kind.__name__}"))
        if errors:
            raise errors[0]
        admin.wait_for_topics(list(wanted), timeout_ms=_TIMEOUT_MS)
    return Created(created=tuple(created), existing=tuple(existing))


def grow(settings: Settings) -> list[Growth]:
    """Add partitions to topics that have fewer than the settings ask for; change nothing else.

    Raises:
        SettingsError: The cluster cannot add the partitions.
        Refused: Access rights are missing.
        Unavailable: The cluster does not answer.
    """
    wanted = {topic.name: topic.partitions for topic in planned(settings)}
    with _admin(settings.kafka) as admin:
        found = {
            state["name"]: len(state["partitions"]) for state in admin.describe_topics(list(wanted)) if _exists(state)
        }
        grown = [
            Growth(topic=name, before=found[name], now=count)
            for name, count in wanted.items()
            if found.get(name, count) < count
        ]
        if grown:
            answer = admin.create_partitions({growth.topic: growth.now for growth in grown}, raise_errors=False)
            for result in answer.results:
                kind = kafka_errors.for_code(result.error_code)
                if kind is not kafka_errors.NoError:
                    raise _error(kind, f"topic {result.name}: {result.error_message or kind.__name__}")
    return grown


def check(settings: Settings) -> Check:
    """Compare the topics of the cluster with the settings. Raises Refused or Unavailable."""
    wanted = planned(settings)
    differences: list[Difference] = []
    without_configs = []
    with _admin(settings.kafka) as admin:
        found = {topic["name"]: topic for topic in admin.describe_topics([topic.name for topic in wanted])}
        for topic in wanted:
            state = found.get(topic.name)
            if state is None or not _exists(state):
                differences.append(Difference(topic=topic.name, what="topic", wanted="present", found="missing"))
                continue
            differences += _compare_shape(topic, state, settings.topics.min_insync_replicas)
            configs = _configs(admin, topic.name)
            if configs:
                differences += _compare_configs(topic, configs)
            else:
                without_configs.append(topic.name)
    return Check(differences=tuple(differences), without_configs=tuple(without_configs))


def missing(settings: Settings) -> list[str]:
    """Return the topics of the settings that do not exist. Raises Refused or Unavailable."""
    names = [topic.name for topic in planned(settings)]
    with _admin(settings.kafka) as admin:
        existing = {topic["name"] for topic in admin.describe_topics(names) if _exists(topic)}
    return [name for name in names if name not in existing]


def names(kafka: KafkaSettings) -> set[str]:
    """Return the topics of the cluster, except internal ones. Raises Refused or Unavailable."""
    with _admin(kafka) as admin:
        return {state["name"] for state in admin.describe_topics() if not state["is_internal"] and _exists(state)}


def delete(settings: Settings) -> list[str]:
    """Delete the topics and consumer groups of a replay, and return the deleted topics.

    Raises:
        SettingsError: The run is the live run, whose topics are never deleted.
        Refused: Access rights are missing.
        Unavailable: The cluster does not answer.
    """
    if settings.run == LIVE:
        raise SettingsError("tagpulse does not delete the topics of the live run: use the tools of Kafka for that")
    prefix = f"{settings.kafka.group_prefix}."
    with _admin(settings.kafka) as admin:
        wanted = [topic.name for topic in planned(settings)]
        existing = [state["name"] for state in admin.describe_topics(wanted) if _exists(state)]
        if existing:
            admin.delete_topics(existing)
        groups = [group["group_id"] for group in admin.list_groups() if group["group_id"].startswith(prefix)]
        if groups:
            admin.delete_groups(groups)
    return existing


def listing(settings: Settings) -> list[Listing]:
    """Return every topic of the cluster, except internal ones, sorted by name. Raises Refused or Unavailable."""
    topics = settings.topics
    roles = {name: role for role, name in topics.names.items()}
    with _admin(settings.kafka) as admin:
        states = [state for state in admin.describe_topics() if not state["is_internal"] and _exists(state)]
    counts = _count_records(settings.kafka, [state["name"] for state in states if state["name"] in roles])
    return [
        Listing(
            name=state["name"],
            role=roles.get(state["name"], ""),
            partitions=len(state["partitions"]),
            replication=_replication(state),
            records=counts.get(state["name"]),
        )
        for state in sorted(states, key=lambda state: str(state["name"]))
    ]


def _count_records(kafka: KafkaSettings, names: Sequence[str]) -> dict[str, int]:
    counts = dict.fromkeys(names, 0)
    if names:
        with open_reader(kafka) as consumer:
            partitions = partitions_of(consumer, *names)
            starts = consumer.beginning_offsets(partitions)
            for at, end in end_offsets(consumer, partitions).items():
                counts[at.topic] += end - starts[at]
    return counts


@contextlib.contextmanager
def _admin(kafka: KafkaSettings) -> Iterator[KafkaAdminClient]:
    try:
        admin = connection.open_client(
            KafkaAdminClient, kafka, request_timeout_ms=_TIMEOUT_MS, bootstrap_timeout_ms=_TIMEOUT_MS
        )
    except kafka_errors.KafkaError as error:
        raise Unavailable(f"{kafka.bootstrap_servers}: {error}: run `tagpulse doctor` to find out why") from error
    try:
        yield admin
    except kafka_errors.KafkaError as error:
        raise _error(type(error), f"{kafka.bootstrap_servers}: {error or type(error).__name__}") from error
    finally:
        admin.close()


def _error(kind: type[Exception], text: str) -> TagpulseError:
    if issubclass(kind, _REFUSALS):
        return Refused(f"{text}: obtain the access rights, or ask someone who has them to run `tagpulse topics create`")
    if issubclass(kind, _WRONG_SETTINGS):
        return SettingsError(f"{text}: correct the TAGPULSE_TOPICS__… settings")
    return Unavailable(f"{text}: try again, and check the log of the broker")


def _exists(state: Mapping[str, Any]) -> bool:
    kind = kafka_errors.for_code(state["error_code"])
    if issubclass(kind, _REFUSALS):
        raise _error(kind, f"topic {state['name']}: {kind.__name__}")
    return bool(state["error_code"] == _OK)


def _replication(state: Mapping[str, Any]) -> int:
    return min(len(partition["replica_nodes"]) for partition in state["partitions"])


def _compare_shape(topic: Topic, state: Mapping[str, Any], min_in_sync: int) -> Iterator[Difference]:
    counts = {
        "partitions": (topic.partitions, len(state["partitions"])),
        "replication": (topic.replication, _replication(state)),
    }
    for what, (wanted, found) in counts.items():
        if wanted != found:
            yield Difference(topic=topic.name, what=what, wanted=str(wanted), found=str(found))
    in_sync = min(len(partition["isr_nodes"]) for partition in state["partitions"])
    if in_sync < min_in_sync:
        yield Difference(
            topic=topic.name, what="in-sync replicas", wanted=f"at least {min_in_sync}", found=str(in_sync)
        )


def _compare_configs(topic: Topic, found: Mapping[str, str]) -> Iterator[Difference]:
    for name, wanted in topic.configs.items():
        if found.get(name) != wanted:
            yield Difference(topic=topic.name, what=name, wanted=wanted, found=found.get(name, "not set"))


def _configs(admin: KafkaAdminClient, topic: str) -> dict[str, str]:
    # all of them, because the embedded broker closes the connection on a request for specific names
    described = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
    return {name: str(config["value"]) for name, config in described.get("topic", {}).get(topic, {}).items()}
