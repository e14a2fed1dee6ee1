"""The options of the Faust application on which the guarantees of a worker depend."""

from __future__ import annotations

from typing import Any

from mode.supervisors import CrashingSupervisor

from streams.runtime.faust_app import Subscription, build_app
from streams.runtime.faust_consumer import LosslessConsumer
from streams.runtime.lossless import BatchPolicy, Lossless
from streams.runtime.offset_gaps import Expired
from streams.settings import KafkaSettings

SMALL = BatchPolicy(batch_size=10, max_wait_seconds=1.0, batches_in_flight=1)
LARGE = BatchPolicy(batch_size=25, max_wait_seconds=1.0, batches_in_flight=1)


def _lossless(policy: BatchPolicy) -> Lossless[Any]:
    return Lossless("watch", None, None, policy)  # type: ignore[arg-type]  # nothing is read here


async def _report(expired: Expired) -> None:
    """Do nothing: nothing is read here."""


async def test_the_options_leave_acknowledging_and_waiting_to_us() -> None:
    kafka = KafkaSettings(instance_id="one", session_timeout_seconds=9.0, heartbeat_seconds=3.0)
    others = [Subscription(topic="pulse.minutes", lossless=_lossless(LARGE), policy=LARGE)]
    app = build_app("group", "posts.enriched", _lossless(SMALL), SMALL, kafka, _report, others)
    conf = app.conf
    assert (conf.id, conf.consumer_group_instance_id) == ("group", "one")
    assert conf.consumer_auto_offset_reset == "earliest", "a new group skips nothing"
    assert (conf.broker_session_timeout, conf.broker_heartbeat_interval) == (9.0, 3.0)
    assert conf.broker_max_poll_records == 2 * LARGE.batch_size
    assert not conf.stream_wait_empty
    assert not conf.topic_allow_declare, "topics are created by command only"
    assert conf.topic_disable_leader
    assert not conf.web_enabled
    year = 365 * 24 * 3_600
    assert min(conf.broker_max_poll_interval, conf.broker_commit_livelock_soft_timeout) > year
    assert isinstance(app.consumer, LosslessConsumer)
    app.consumer.thread.thread_loop.close()


async def test_each_topic_has_one_agent_that_gets_raw_bytes() -> None:
    others = [Subscription(topic="pulse.minutes", lossless=_lossless(LARGE), policy=LARGE)]
    app = build_app("group", "posts.enriched", _lossless(SMALL), SMALL, KafkaSettings(), _report, others)
    agents = {agent.channel.topics[0]: agent for agent in app.agents.values()}
    assert set(agents) == {"posts.enriched", "pulse.minutes"}
    for agent in agents.values():
        assert agent.concurrency == 1
        assert agent.supervisor_strategy is CrashingSupervisor
        assert (agent.channel.key_serializer, agent.channel.value_serializer) == ("raw", "raw")
