"""What a sink does by default, and how it is opened and closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Self

import pytest

from streams.errors import Refused, SettingsError, Unavailable
from streams.settings import Settings
from streams.sinks.base import Erasure, Flushed, Row, Sink, opened


class Plain(Sink):
    """A sink with the required methods only, which records their calls."""

    name = "plain"

    def __init__(self, fault: str = "") -> None:
        self.calls: list[str] = []
        self._fault = fault

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls()

    async def open(self) -> None:
        self._called("open")

    async def write(self, rows: Sequence[Row]) -> None:
        self._called("write")

    async def flush(self) -> Flushed:
        self._called("flush")
        return Flushed(0)

    async def close(self) -> None:
        self._called("close")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self._fault:
            raise Unavailable(f"{name} failed")


class Empty(Plain):
    """A sink in which nothing was ever stored."""

    async def require(self) -> None:
        raise SettingsError("there is nothing here")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda sink: sink.keep_spikes([]), "the sink plain cannot store spikes"),
        (lambda sink: sink.runs(), "the sink plain cannot list its runs"),
        (lambda sink: sink.drop_run("again"), "the sink plain cannot drop a run"),
        (lambda sink: sink.find(Erasure()), "the sink plain cannot forget posts"),
        (lambda sink: sink.forget(Erasure()), "the sink plain cannot forget posts"),
    ],
)
async def test_unimplemented_methods_are_refused(call: Callable[[Sink], Awaitable[object]], says: str) -> None:
    with pytest.raises(Refused, match=says):
        await call(Plain())


def test_the_usual_batches_are_flushed_each_second() -> None:
    policy = Plain().policy
    assert (policy.batch_size, policy.flush_records, policy.flush_seconds) == (2_000, 10_000, 1.0)
    assert not Plain.keeps_spikes


async def test_a_sink_is_closed_after_the_block_even_if_it_fails() -> None:
    sink = Plain()
    async with opened(sink) as same:
        assert same is sink
        assert sink.calls == ["open"]
    assert sink.calls == ["open", "close"]
    with pytest.raises(Unavailable, match="write failed"):
        async with opened(failing := Plain("write")):
            await failing.write([])
    assert failing.calls == ["open", "write", "close"]


async def test_a_sink_that_cannot_be_opened_is_not_used() -> None:
    sink = Plain("open")
    with pytest.raises(Unavailable, match="open failed"):
        async with opened(sink):
            pytest.fail("it is not open")
    assert sink.calls == ["open"]


async def test_a_sink_must_exist_only_on_request() -> None:
    sink = Empty()
    with pytest.raises(SettingsError, match="there is nothing here"):
        async with opened(sink, existing=True):
            pytest.fail("there is no sink")
    assert sink.calls == [], "nothing was created"
    async with opened(sink), opened(Plain(), existing=True):
        pass
    assert sink.calls == ["open", "close"]
