from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.merge import Put, merge

Reader = Callable[[Put[int]], Awaitable[None]]


def numbers(first: int, count: int) -> Reader:
    async def read(put: Put[int]) -> None:
        for number in range(first, first + count):
            await put(number)

    return read


async def collected(*readers: Reader) -> list[int]:
    return [item async for item in merge(readers)]


async def test_without_readers_it_ends_at_once() -> None:
    assert await collected() == []
    assert await collected(numbers(0, 0), numbers(0, 0)) == []


@given(st.lists(st.integers(0, 40), max_size=4))
def test_every_item_arrives_once_and_in_the_order_of_its_reader(counts: list[int]) -> None:
    found = asyncio.run(collected(*(numbers(1_000 * index, count) for index, count in enumerate(counts))))
    for index, count in enumerate(counts):
        assert [item for item in found if item // 1_000 == index] == list(range(1_000 * index, 1_000 * index + count))
    assert len(found) == sum(counts)


async def test_a_silent_reader_does_not_block_the_others() -> None:
    async def silent(put: Put[int]) -> None:
        await asyncio.Event().wait()

    items = merge([silent, numbers(0, 3)])
    assert [await anext(items) for _ in range(3)] == [0, 1, 2]
    await items.aclose()  # type: ignore[attr-defined]


async def test_readers_wait_while_nothing_is_taken() -> None:
    put_items: Counter[str] = Counter()

    async def read(put: Put[int]) -> None:
        while True:
            await put(0)
            put_items["put"] += 1

    items = merge([read])
    await anext(items)
    for _ in range(100):
        await asyncio.sleep(0)
    assert put_items["put"] <= 20
    await items.aclose()  # type: ignore[attr-defined]


async def test_an_error_of_a_reader_ends_the_others() -> None:
    cancelled = asyncio.Event()

    async def patient(put: Put[int]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def failing(put: Put[int]) -> None:
        await put(1)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        await collected(patient, failing)
    assert cancelled.is_set()


async def test_closing_ends_the_readers() -> None:
    ended = asyncio.Event()

    async def read(put: Put[int]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await put(0)
        ended.set()

    items = merge([read])
    await anext(items)
    await items.aclose()  # type: ignore[attr-defined]
    assert ended.is_set()
