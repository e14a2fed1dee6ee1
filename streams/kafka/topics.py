"""The Kafka topics: their shape from the settings, made and checked by a command, never by accident."""

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
    """The shape that a topic should have."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]
    """Kafka's own names and values, e.g. `retention.ms`: `-1`."""


@dataclass(frozen=True, kw_only=True)
class Created:
    """What `create` did, by name of topic."""

    made: tuple[str, ...]
    stood: tuple[str, ...]
    """They were there before, and were left as they are: `check` says whether they differ."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Partitions of a topic before and after `grow`."""

    topic: str
    before: int
    now: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something about a topic that is not as the settings want it."""

    topic: str
    what: str
    """`topic` (it is missing), `partitions`, `replication`, `in-sync replicas` or the name of a configuration."""
    wanted: str
    found: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """What `check` found."""

    differences: tuple[Difference, ...]
    without_configs: tuple[str, ...]
    """Topics of a broker that tells no configurations (the embedded one can be so): theirs were not compared."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A topic as the cluster has it."""

    name: str
    role: str
    """`raw`, `enriched`, `dead`, `minutes`, `alerts` or `gaps` for those of the settings, else empty."""
    partitions: int
    replication: int
    records: int | None
    """Kept now; None for a topic that is not of the settings."""


ONE_PARTITION = ("minutes", "alerts", "gaps")
"""Minutes of a whole day are few, and a detector that sees all of them in one order gives the same spikes every time."""

_KEPT = ("dead", "alerts", "gaps")
"""Few records, that somebody may ask for much later."""


def planned(settings: Settings) -> tuple[Topic, ...]:
    """The topics of the settings, in the order of `ROLES`."""
    topics = settings.topics
    hours = topics.retention_hours
    common = {
        "cleanup.policy": "delete",
        "compression.type": "producer",  # as the client compressed it: the broker need not do it again
        "message.timestamp.type": "CreateTime",  # retention and replays work on event times
        "min.insync.replicas": str(topics.min_insync_replicas),
        "retention.ms": "-1" if hours < 0 else str(int(hours * _MS_PER_HOUR)),
    }

    def topic(role: str, name: str) -> Topic:
        size = topics.dead_retention_bytes if role in _KEPT else topics.retention_bytes
        limits = {"retention.bytes": str(size), "max.message.bytes": str(topics.limits[name])}
        return Topic(
            name=name,
            partitions=1 if role in ONE_PARTITION else topics.partitions,
            replication=topics.replication,
            configs=dict(sorted((common | limits).items())),
        )

    return tuple(topic(role, name) for role, name in topics.names.items())


def create(settings: Settings) -> Created:
    """Makes the topics that are missing and waits until they can be used; those that stand are left as they are.

    Raises SettingsError when the cluster cannot make such a topic, Refused or Unavailable.
    """
    wanted = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication,
            "configs": dict(topic.configs),
        }
        for topic in planned(settings)
    }
    made, stood, faults = [], [], []
    with _admin(settings.kafka) as admin:
        for answer in admin.create_topics(wanted, raise_errors=False)["topics"]:
            match kafka_errors.for_code(answer["error_code"]):
                case kafka_errors.NoError:
                    made.append(answer["name"])
                case kafka_errors.TopicAlreadyExistsError:
                    stood.append(answer["name"])
                case kind:
                    faults.append(_fault(kind, f"topic {answer['name']}: {answer['error_message'] or kind.__name__}"))
        if faults:
            raise faults[0]
        admin.wait_for_topics(list(wanted), timeout_ms=_TIMEOUT_MS)
    return Created(made=tuple(made), stood=tuple(stood))


def grow(settings: Settings) -> list[Growth]:
    """Gives topics that have fewer partitions than the settings want the ones that are missing; nothing else changes.

    Raises SettingsError when the cluster cannot do that, Refused or Unavailable.
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
                    raise _fault(kind, f"topic {result.name}: {result.error_message or kind.__name__}")
    return grown


def check(settings: Settings) -> Check:
    """Compares the topics of the cluster with the settings. Raises Refused or Unavailable."""
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
    """The topics of the settings that the cluster does not have. Raises Refused or Unavailable."""
    names = [topic.name for topic in planned(settings)]
    with _admin(settings.kafka) as admin:
        there = {topic["name"] for topic in admin.describe_topics(names) if _exists(topic)}
    return [name for name in names if name not in there]


def names(kafka: KafkaSettings) -> set[str]:
    """The topics of the cluster but Kafka's own. Raises Refused or Unavailable."""
    with _admin(kafka) as admin:
        return {state["name"] for state in admin.describe_topics() if not state["is_internal"] and _exists(state)}


def delete(settings: Settings) -> list[str]:
    """Deletes the topics of a replay and what its groups committed. Raises Refused, Unavailable, SettingsError."""
    if settings.run == LIVE:
        raise SettingsError("the topics of the live day are not deleted by tagpulse")
    prefix = f"{settings.kafka.group_prefix}."
    with _admin(settings.kafka) as admin:
        wanted = [topic.name for topic in planned(settings)]
        standing = [state["name"] for state in admin.describe_topics(wanted) if _exists(state)]
        if standing:
            admin.delete_topics(standing)
        groups = [group["group_id"] for group in admin.list_groups() if group["group_id"].startswith(prefix)]
        if groups:
            admin.delete_groups(groups)
    return standing


def listing(settings: Settings) -> list[Listing]:
    """Every topic of the cluster but Kafka's own, in the order of their names. Raises Refused or Unavailable."""
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
        raise Unavailable(f"{kafka.bootstrap_servers}: {error}: `tagpulse doctor` says why") from error
    try:
        yield admin
    except kafka_errors.KafkaError as error:
        raise _fault(type(error), f"{kafka.bootstrap_servers}: {error or type(error).__name__}") from error
    finally:
        admin.close()


def _fault(kind: type[Exception], text: str) -> TagpulseError:
    if issubclass(kind, _REFUSALS):
        return Refused(f"{text}: ask for the rights, or let who has them run `tagpulse topics create`")
    if issubclass(kind, _WRONG_SETTINGS):
        return SettingsError(f"{text}: mend the settings TAGPULSE_TOPICS__…")
    return Unavailable(f"{text}: try again, and see the broker's log")


def _exists(state: Mapping[str, Any]) -> bool:
    kind = kafka_errors.for_code(state["error_code"])
    if issubclass(kind, _REFUSALS):
        raise _fault(kind, f"topic {state['name']}: {kind.__name__}")
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
    # all of them: the embedded broker hangs up on a request for some by name
    described = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
    return {name: str(config["value"]) for name, config in described.get("topic", {}).get(topic, {}).items()}
