"""Attempts are repeated after growing pauses."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.retry.backoff import Backoff, retry, wait_for_event


def test_backs_off_up_to_its_limit_with_jitter() -> None:
    late, early = Backoff(5.0, lambda: 1.0), Backoff(5.0, lambda: 0.0)
    assert [late.next() for _ in range(6)] == [0.5, 1, 2, 4, 5, 5]
    assert [early.next() for _ in range(6)] == [0.25, 0.5, 1, 2, 2.5, 2.5]
    late.reset()
    assert late.next() == 0.5


@given(st.floats(0.5, 600), st.floats(0, 1), st.integers(1, 2_000))
def test_a_pause_is_between_half_and_the_whole_of_its_limit(limit: float, jitter: float, attempts: int) -> None:
    backoff = Backoff(limit, lambda: jitter)
    pauses = [backoff.next() for _ in range(attempts)]
    assert pauses == sorted(pauses)
    assert 0.25 <= pauses[0] <= 0.5
    assert pauses[-1] <= limit


class Flaky:
    """A call that fails with each of these errors, then returns the number of attempts; reports and pauses are recorded."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.attempts = 0
        self.failures: list[tuple[str, float]] = []
        self.slept: list[float] = []

    async def ask(self) -> int:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.attempts

    def note(self, error: Exception, seconds: float) -> None:
        self.failures.append((str(error), seconds))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def answer(self) -> int:
        return await retry(self.ask, (OSError, KeyError), Backoff(5.0, lambda: 1.0), self.note, self.sleep)


async def test_temporary_errors_are_waited_out_and_reported_before_each_wait() -> None:
    flaky = Flaky(OSError("first"), ConnectionError("second"), KeyError("third"))
    assert await flaky.answer() == 4
    assert flaky.failures == [("first", 0.5), ("second", 1.0), ("'third'", 2.0)]
    assert flaky.slept == [0.5, 1.0, 2.0]


async def test_other_errors_are_raised() -> None:
    flaky = Flaky(OSError("first"), ValueError("second"))
    with pytest.raises(ValueError, match="second"):
        await flaky.answer()
    assert (flaky.attempts, flaky.slept) == (2, [0.5])


async def test_the_attempts_end_when_the_caller_gives_up() -> None:
    flaky = Flaky(OSError("first"), OSError("second"))

    def give_up(error: Exception, seconds: float) -> None:
        if seconds > 0.5:
            raise error

    with pytest.raises(OSError, match="second"):
        await retry(flaky.ask, OSError, Backoff(5.0, lambda: 1.0), give_up, flaky.sleep)
    assert flaky.attempts == 2


async def test_an_event_is_waited_for_no_longer_than_asked() -> None:
    event = asyncio.Event()
    await wait_for_event(event, 0.01)
    asyncio.get_running_loop().call_later(0.01, event.set)
    await asyncio.wait_for(wait_for_event(event, 1_000), 60)
    assert event.is_set()
