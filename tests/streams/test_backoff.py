from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.backoff import Backoff


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
