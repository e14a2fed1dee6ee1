"""Which partitions no worker owns, according to the description of their group."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from streams.kafka import aiokafka_internals
from streams.kafka.aiokafka_internals import GroupDescription
from streams.runtime.faust_thread import Thread

TOPIC = "posts.raw"
BOTH = {TP(TOPIC, 0), TP(TOPIC, 1)}


def _member(*partitions: int) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(TOPIC, number) for number in partitions)


class _Thread(Thread):
    """The thread of a consumer of a topic with two partitions, without Faust's consumer."""

    client = SimpleNamespace(subscription=lambda: {TOPIC}, partitions_for_topic=lambda topic: {0, 1})

    def __init__(self) -> None:
        """Start nothing."""

    def current_assignment(self) -> Any:
        return None


@pytest.mark.parametrize(
    ("group", "left"),
    [
        (GroupDescription(0, "Stable", [_member(0), _member(1)]), set()),
        (GroupDescription(0, "Stable", [_member(0, 1), _member()]), set()),
        (GroupDescription(0, "Stable", [_member(1)]), {TP(TOPIC, 0)}),
        (GroupDescription(0, "Empty", []), BOTH),
        (GroupDescription(0, "PreparingRebalance", [_member(1)]), set()),
        (GroupDescription(0, "CompletingRebalance", [_member(1)]), set()),
        (GroupDescription(0, "Stable", [None]), set()),
        (GroupDescription(15, "", []), set()),
        (None, set()),
    ],
    ids=[
        "each has one",
        "a standby",
        "one is left",
        "no members",
        "joining",
        "syncing",
        "not reported",
        "an error",
        "no coordinator",
    ],
)
def test_partitions_without_an_owner(
    group: GroupDescription | None, left: set[TP], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def describe(consumer: Any) -> GroupDescription | None:
        nonlocal asked
        asked += 1
        return group

    monkeypatch.setattr(aiokafka_internals, "describe_group", describe)
    thread = _Thread()
    assert asyncio.run(thread.unassigned()) == left
    assert asyncio.run(thread.unassigned()) == left
    is_covered = group is not None and group.error == 0 and group.state == "Stable" and None not in group.assigned
    assert asked == (1 if is_covered and not left else 2), "once each has an owner, Kafka is not asked again"
