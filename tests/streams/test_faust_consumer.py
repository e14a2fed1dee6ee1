"""What Faust's consumer believes it has committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from faust.types import TP

from streams.faust_app import build_app
from streams.lossless import Lossless, Pace
from streams.settings import Settings

PLACE = TP("posts.raw", 0)
ELSEWHERE = TP("posts.raw", 1)


class Broker:
    """Takes commits, or refuses them as in a rebalance."""

    def __init__(self) -> None:
        self.refuses = False
        self.committed: list[Mapping[TP, int]] = []

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if not self.refuses:
            self.committed.append(offsets)
        return not self.refuses


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> AsyncIterator[Any]:
    pace = Pace(batch_size=1, within_seconds=1.0, batches_in_flight=1)
    recipe: Lossless[Any] = Lossless("enrich", None, None, pace)  # type: ignore[arg-type]  # nothing is read here
    consumer = build_app("group", PLACE.topic, recipe, pace, Settings().kafka).consumer
    monkeypatch.setattr(consumer, "assignment", lambda: {PLACE})
    monkeypatch.setattr(consumer, "_commit", broker.commit)
    yield consumer
    consumer._thread.thread_loop.close()


@pytest.fixture
def broker() -> Broker:
    return Broker()


async def test_a_refused_commit_is_not_taken_for_one(consumer: Any, broker: Broker) -> None:
    """Else records that are read again up to it would never be committed."""
    consumer._committed_offset[PLACE] = 3
    broker.refuses = True
    assert not await consumer._commit_offsets({PLACE: 5})
    assert consumer._committed_offset[PLACE] == 3
    broker.refuses = False
    assert await consumer._commit_offsets({PLACE: 5})
    assert consumer._committed_offset[PLACE] == 5


async def test_a_partition_that_went_elsewhere_is_not_committed(consumer: Any, broker: Broker) -> None:
    assert await consumer._commit_offsets({PLACE: 5, ELSEWHERE: 7})
    assert broker.committed == [{PLACE: 5}]
    assert not await consumer._commit_offsets({ELSEWHERE: 8})


async def test_it_tells_how_far_it_is(consumer: Any) -> None:
    consumer._read_offset[PLACE], consumer._committed_offset[PLACE] = 9, 5
    consumer._acked[PLACE].extend([7, 8])
    assert consumer.standing() == [
        "flow active",
        "posts.raw[0] read to 9, committed 5, 2 acknowledged from 7, not fetched",
    ]
