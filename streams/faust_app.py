"""The Faust application with the settings that lose nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import faust
from mode.supervisors import CrashingSupervisor

from streams import connection
from streams.lossless import Lossless, Pace
from streams.settings import KafkaSettings

_BUFFERED_BATCHES = 4
# a kill repeats what was acknowledged since the last commit
_COMMIT_SECONDS = 0.3


def build_app(group: str, topic: str, lossless: Lossless[Any], pace: Pace, kafka: KafkaSettings) -> faust.App:
    """One application: a consumer group of its own that reads `topic` through `lossless`."""
    app = faust.App(
        group,
        **connection.faust_broker(kafka),
        autodiscover=False,
        datadir=Path(tempfile.gettempdir()) / "tagpulse-faust",
        store="memory://",
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=kafka.instance_id,
        broker_commit_interval=_COMMIT_SECONDS,
        broker_max_poll_records=pace.batch_size * 2,
        broker_session_timeout=kafka.session_timeout_seconds,
        broker_heartbeat_interval=kafka.heartbeat_seconds,
        broker_rebalance_timeout=kafka.rebalance_timeout_seconds,
        broker_request_timeout=kafka.request_timeout_seconds,
        producer_request_timeout=kafka.request_timeout_seconds,
        # acknowledgements are ours: waiting for Faust's own streams to empty would only delay a stop
        stream_wait_empty=False,
        stream_buffer_maxsize=pace.batch_size * _BUFFERED_BATCHES,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
    )
    channel = app.topic(
        topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", internal=False
    )

    app.agent(channel, name=group, concurrency=1, supervisor_strategy=CrashingSupervisor)(lossless.run)
    return app
