"""The Faust application, configured so that no record is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faust
from mode.supervisors import CrashingSupervisor

from streams.files import own_temporary_folder
from streams.kafka import connection
from streams.runtime.faust_consumer import ReportExpired, use_lossless_consumer
from streams.runtime.lossless import BatchPolicy, Lossless
from streams.runtime.offset_gaps import gap_reader
from streams.settings import KafkaSettings

_BUFFERED_BATCHES = 4
# after a kill, everything acknowledged since the last commit is processed again
_COMMIT_SECONDS = 0.3
_UNLIMITED_SECONDS = 10 * 365 * 24 * 3_600.0


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A topic and how its records are processed."""

    topic: str
    lossless: Lossless[Any]
    policy: BatchPolicy


def build_app(
    group: str,
    topic: str,
    lossless: Lossless[Any],
    policy: BatchPolicy,
    kafka: KafkaSettings,
    report: ReportExpired,
    beside: Sequence[Subscription] = (),
) -> faust.App:
    """Build a Faust application with its own consumer group.

    Args:
        group: Name of the consumer group.
        topic: The main topic, processed by `lossless`.
        lossless: Processes the records of `topic`.
        policy: Batch sizes and waiting times for `topic`.
        kafka: How to connect.
        report: Called with records that retention deleted before they were read.
        beside: Further topics that the same group reads.
    """
    subscriptions = (Subscription(topic=topic, lossless=lossless, policy=policy), *beside)
    batch_size = max(subscription.policy.batch_size for subscription in subscriptions)
    app = faust.App(
        group,
        **connection.faust_broker(kafka),
        autodiscover=False,
        datadir=own_temporary_folder("faust"),
        store="memory://",
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=kafka.instance_id,
        consumer_metadata_max_age_ms=connection.metadata_ms(kafka),
        broker_commit_interval=_COMMIT_SECONDS,
        broker_max_poll_records=batch_size * 2,
        broker_session_timeout=kafka.session_timeout_seconds,
        broker_heartbeat_interval=kafka.heartbeat_seconds,
        broker_rebalance_timeout=kafka.rebalance_timeout_seconds,
        broker_request_timeout=kafka.request_timeout_seconds,
        # a worker without partitions, or whose output is unavailable, may not poll for long, and must not leave its
        # group
        broker_max_poll_interval=_UNLIMITED_SECONDS,
        producer_request_timeout=kafka.request_timeout_seconds,
        # `Lossless` does the acknowledgements: waiting for Faust's streams to empty would only delay a stop
        stream_wait_empty=False,
        stream_buffer_maxsize=batch_size * _BUFFERED_BATCHES,
        # records held back on purpose stay uncommitted; the watchdog can tell that from a stall, Faust cannot
        broker_commit_livelock_soft_timeout=_UNLIMITED_SECONDS,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
    )
    use_lossless_consumer(app, gap_reader(kafka), report)
    for subscription in subscriptions:
        channel = app.topic(
            subscription.topic,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            internal=False,
        )
        agent = app.agent(
            channel, name=f"{group}.{subscription.topic}", concurrency=1, supervisor_strategy=CrashingSupervisor
        )
        agent(subscription.lossless.run)
    return app
