"""Faulty items are found in any batch, and the others keep their order."""

from __future__ import annotations

from math import log2

from hypothesis import given
from hypothesis import strategies as st

from streams.retry.halving import Halving


@given(st.lists(st.booleans(), max_size=50))
def test_every_item_is_handled_once_and_in_order(faulty: list[bool]) -> None:
    handled: list[int] = []
    isolated: list[int] = []
    for part in (parts := Halving(range(len(faulty)))):
        assert len(part) > 0
        if not any(faulty[item] for item in part):
            handled += part
        elif len(part) > 1:
            parts.split(part)
        else:
            isolated += part
            handled += part
    assert handled == list(range(len(faulty)))
    assert isolated == [item for item, is_faulty in enumerate(faulty) if is_faulty]


@given(st.integers(2, 1_000), st.data())
def test_one_item_at_fault_is_found_soon(size: int, data: st.DataObject) -> None:
    fault = data.draw(st.integers(0, size - 1))
    attempts = 0
    for part in (parts := Halving(range(size))):
        attempts += 1
        if fault in part and len(part) > 1:
            parts.split(part)
    assert attempts <= 2 * log2(size) + 3
