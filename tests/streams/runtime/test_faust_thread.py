"""Which partitions no worker owns, according to the answers of a broker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocol
from faust.types import TP

from streams.runtime.faust_thread import Thread

TOPIC = "posts.raw"
BOTH = {TP(TOPIC, 0), TP(TOPIC, 1)}


def _member(*partitions: int) -> tuple[str, str, str, bytes, bytes]:
    topics = [(TOPIC, list(partitions))] if partitions else []
    return "member", "", "", b"", ConsumerProtocol.ASSIGNMENT(0, topics, b"").encode()


def _thread(error: int, state: str, *members: Any) -> Thread:
    """Return the thread of a consumer of a topic with two partitions, whose broker gives this answer."""

    async def send(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(groups=[(error, "group", state, "consumer", "faust", list(members))])

    thread = Thread.__new__(Thread)
    thread._consumer = SimpleNamespace(
        _client=SimpleNamespace(send=send, cluster=SimpleNamespace(partitions_for_topic=lambda topic: {0, 1})),
        _coordinator=SimpleNamespace(coordinator_id=0, group_id="group"),
        _subscription=SimpleNamespace(subscription=None),
        subscription=lambda: {TOPIC},
    )
    return thread


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ((0, "Stable", _member(0), _member(1)), set()),
        ((0, "Stable", _member(0, 1), _member()), set()),
        ((0, "Stable", _member(1)), {TP(TOPIC, 0)}),
        ((0, "Empty"), BOTH),
        ((0, "PreparingRebalance", _member(1)), set()),
        ((0, "CompletingRebalance", _member(1)), set()),
        ((0, "Stable", ("member", "", "", b"", b"")), set()),
        ((15, "", *()), set()),
    ],
    ids=["each has one", "a standby", "one is left", "no members", "joining", "syncing", "not reported", "an error"],
)
def test_partitions_without_an_owner(answer: Any, left: set[TP]) -> None:
    assert asyncio.run(_thread(*answer).unassigned()) == left
