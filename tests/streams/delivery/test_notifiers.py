"""What a notifier delivers to a target, through outages and refusals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from streams import metrics
from streams.contracts import Spike
from streams.delivery.alert_consumer import AlertBatch, Received
from streams.delivery.http import Poster
from streams.delivery.notifiers import AlertmanagerNotifier, WebhookNotifier, still_open
from streams.delivery.targets import AlertmanagerTarget, WebhookTarget
from streams.settings import AlertsSettings, WebhookSettings
from tests.helpers.processes import eventually
from tests.helpers.scrapes import value_of
from tests.helpers.spikes import spike
from tests.helpers.webhooks import Reply, Request, WebhookServer

ALERTS = AlertsSettings(timeout_seconds=0.5, max_backoff_seconds=0.05, resend_seconds=0.3)


class Topic:
    """An alert consumer without Kafka, which remembers the committed position."""

    def __init__(self, *spikes: Spike, committed: int | None = None) -> None:
        self.spikes = list(spikes)
        self.committed = committed
        self.is_current = True
        self.reads = 0
        self.tellings = 0
        self._fresh = True
        self._at = 0

    async def read(self, seconds: float) -> AlertBatch:
        self.reads += 1
        received = [Received(offset, each) for offset, each in enumerate(self.spikes)]
        if self._fresh:
            self._fresh, first_time = False, self.committed is None
            end = len(received) if self.committed is None else self.committed
            self._at = len(received)
            return AlertBatch(fresh=True, first_time=first_time, history=received[:end], spikes=received[end:])
        if self._at == len(received):
            await asyncio.sleep(min(seconds, 0.02))
        batch = AlertBatch(spikes=received[self._at :])
        self._at = len(received)
        return batch

    def reassign(self) -> None:
        """Act as if a rebalance had taken the partition away and given it back."""
        self._fresh = True

    async def is_at_end(self) -> bool:
        return self._at == len(self.spikes)

    async def position(self) -> int:
        return self._at

    async def commit(self, offset: int) -> None:
        self.committed = offset

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        self.tellings += 1
        yield


@contextlib.asynccontextmanager
async def _running(topic: Topic, url: str, *, to_alertmanager: bool = False, **webhook: Any) -> AsyncIterator[None]:
    stopping, poster = asyncio.Event(), Poster(ALERTS.timeout_seconds)
    if to_alertmanager:
        target = AlertmanagerTarget("alertmanager", url, "live", ALERTS)
        notifier: Any = AlertmanagerNotifier(target, poster, stopping)
    else:
        settings = WebhookSettings(name="hook", url=url, **webhook)
        notifier = WebhookNotifier(WebhookTarget(settings, "live", ALERTS), poster, stopping)
    task = asyncio.create_task(notifier.run(topic))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(task, 10)
        await poster.close()


def _delivered(requests: Sequence[Request]) -> list[tuple[str, str]]:
    """Return the hour at which each spike opened, and the state."""
    return [(request.json["spike"]["opened_at"][11:13], request.json["state"]) for request in requests]


async def test_each_state_is_delivered_once_and_growth_only_on_request() -> None:
    spikes = [spike(1), spike(1), spike(1, "growing"), spike(1, "closed"), spike(1), spike(2)]
    with WebhookServer() as server, WebhookServer() as growth:
        topic, other = Topic(*spikes, committed=0), Topic(*spikes, committed=0)
        async with _running(topic, server.url), _running(other, growth.url, updates=True):
            await eventually(lambda: topic.committed == other.committed == len(spikes))
    assert _delivered(server.requests) == [("10", "open"), ("10", "closed"), ("11", "open")]
    assert _delivered(growth.requests) == [("10", "open"), ("10", "growing"), ("10", "closed"), ("11", "open")]


async def test_outages_are_waited_out_in_order_with_the_same_key() -> None:
    script = (
        Reply(500),
        Reply(cut=True),
        Reply(seconds=1),  # after the timeout
        Reply(429, {"Retry-After": "1"}),
        Reply(503, {"Retry-After": "nonsense"}),
    )
    before = value_of(metrics.ALERT_RETRIES.labels("hook"))
    with WebhookServer(*script) as server:
        topic = Topic(spike(1), spike(1, "closed"), committed=0)
        async with _running(topic, server.url):
            await eventually(lambda: topic.committed == 2)
    assert len({request.headers["idempotency-key"] for request in server.requests[:6]}) == 1
    assert [state for _, state in _delivered(server.requests)] == ["open"] * 6 + ["closed"]
    assert server.requests[4].at - server.requests[3].at >= 1.0
    assert value_of(metrics.ALERT_RETRIES.labels("hook")) - before == 5


async def test_an_unreachable_server_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with WebhookServer() as gone:
        port = gone.port
    topic = Topic(spike(1), committed=0)
    async with _running(topic, f"http://127.0.0.1:{port}/s3cret"):
        await eventually(lambda: value_of(metrics.ALERT_TARGET_FAILING.labels("hook")) == 1)
        with WebhookServer(port=port) as server:
            await eventually(lambda: topic.committed == 1)
    assert len(server.requests) == 1
    assert "s3cret" not in caplog.text
    assert caplog.text.count("does not accept alerts") == 1


async def test_a_refusal_is_logged_once_and_counted_and_the_next_message_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = metrics.ALERT_DELIVERIES.labels("hook", "refused")
    before = value_of(refused)
    script = (Reply(400, body=b"no \x1b[2Jsuch\nthing"), Reply(404), Reply(302, {"Location": "http://127.0.0.1:1/"}))
    with WebhookServer(*script) as server:
        topic = Topic(spike(1), spike(2), spike(3), spike(4), committed=0)
        async with _running(topic, server.url):
            await eventually(lambda: topic.committed == 4)
    assert len(server.requests) == 4
    assert value_of(refused) - before == 3
    logged = [record.getMessage() for record in caplog.records if record.name == "streams.delivery.report"]
    assert len(logged) == 2
    assert "400 Bad Request: no [2Jsuch thing" in logged[0]
    assert logged[1].endswith("accepts alerts again")
    assert value_of(metrics.ALERT_TARGET_FAILING.labels("hook")) == 0


async def test_a_new_webhook_gets_the_open_spikes_only() -> None:
    old = [spike(1), spike(1, "closed"), spike(2), spike(2, "growing"), spike(3), spike(3, "closed")]
    with WebhookServer() as server:
        topic = Topic(*old)
        async with _running(topic, server.url):
            await eventually(lambda: topic.committed == len(old))
            topic.spikes.append(spike(2, "closed"))
            await eventually(lambda: topic.committed == len(old) + 1)
    assert _delivered(server.requests) == [("11", "open"), ("11", "closed")]


async def test_spikes_before_the_position_were_delivered() -> None:
    with WebhookServer() as server:
        topic = Topic(spike(1), spike(1), spike(2), committed=1)
        async with _running(topic, server.url):
            await eventually(lambda: topic.committed == 3)
    assert _delivered(server.requests) == [("11", "open")]


async def test_a_rebalance_repeats_no_delivery_even_of_another_worker() -> None:
    with WebhookServer(Reply(), *[Reply(500)] * 1000) as server:
        topic = Topic(spike(1), committed=0)
        async with _running(topic, server.url):
            await eventually(lambda: topic.committed == 1)
            topic.committed = 0  # as if the commit had been lost
            topic.reassign()
            await eventually(lambda: topic.committed == 1)
            topic.spikes.append(spike(2))
            await eventually(lambda: len(server.requests) > 1)
            failing = metrics.ALERT_TARGET_FAILING.labels("hook")
            assert value_of(failing) == 1
            topic.is_current = False  # another worker has it now
            await eventually(lambda: value_of(failing) == 0, what="it has lost the partition")
            before, reads = len(server.requests), topic.reads
            topic.spikes.append(spike(3))
            await eventually(lambda: topic.reads > reads + 5, what="it has read the third spike and continues")
            assert len(server.requests) == before
    assert topic.committed == 1


async def test_open_spikes_are_resent_to_alertmanager() -> None:
    with WebhookServer() as server:
        topic = Topic(spike(1), spike(2), committed=0)
        async with _running(topic, server.url, to_alertmanager=True):
            await eventually(lambda: len(server.requests) >= 3)
            assert topic.committed == 0
            topic.spikes.append(spike(1, "growing"))
            await eventually(lambda: topic.committed == 1)
            topic.spikes.append(spike(2, "closed"))
            await eventually(lambda: topic.committed == 2)
            topic.spikes.append(spike(1, "closed"))
            await eventually(lambda: topic.committed == 5)
            calls, tellings = len(server.requests), topic.tellings
            await eventually(lambda: topic.tellings > tellings + 2, what="it was due several times")
            assert len(server.requests) == calls
    assert [len(request.json) for request in server.requests[:3]] == [2, 2, 2]
    ends = [request.json[0]["endsAt"] for request in server.requests[:3]]
    assert ends == sorted(set(ends))
    assert server.requests[0].path == "/hook/api/v2/alerts"
    assert "idempotency-key" not in server.requests[0].headers


async def test_a_new_alertmanager_gets_the_open_spikes_only() -> None:
    with WebhookServer() as server:
        topic = Topic(spike(1), spike(1, "closed"), spike(2))
        async with _running(topic, server.url, to_alertmanager=True):
            await eventually(lambda: topic.committed == 2)
    assert [alert["startsAt"][11:13] for alert in server.requests[0].json] == ["11"]


async def test_an_alertmanager_that_comes_back_gets_the_current_state() -> None:
    with WebhookServer(Reply(503), Reply(cut=True), Reply(400)) as server:
        topic = Topic(spike(1), committed=0)
        async with _running(topic, server.url, to_alertmanager=True):
            await eventually(lambda: len(server.requests) == 4)
            topic.spikes += [spike(1, "closed"), spike(2)]
            await eventually(lambda: topic.committed == 2)
    assert [len(request.json) for request in server.requests[:5]] == [1, 1, 1, 1, 2]


def test_still_open_returns_the_first_messages_of_open_spikes() -> None:
    logged = [spike(1), spike(2), spike(1, "closed"), spike(2, "growing")]
    assert still_open([Received(offset, each) for offset, each in enumerate(logged)]) == [Received(1, spike(2))]


@pytest.fixture(autouse=True)
def _capture_warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
