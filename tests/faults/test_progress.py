"""A partition that stands still while others move is detected, and one that cannot move does not count."""

from __future__ import annotations

from collections.abc import Mapping

from tests.helpers.progress import Offsets, Reader, Standstills


def _seen(*committed: Mapping[int, int], end: int = 100) -> Standstills:
    """Pass the committed offsets of each partition of one group at intervals of ten seconds."""
    found = Standstills()
    for number, offsets in enumerate(committed):
        readers = {Reader("enrich", "raw", at): Offsets(offset, end) for at, offset in offsets.items()}
        found.see(readers, number * 10.0)
    return found


def test_a_partition_that_stops_while_another_moves() -> None:
    found = _seen({0: 10, 1: 10}, {0: 10, 1: 20}, {0: 10, 1: 30})
    assert (found.longest, found.where) == (20.0, Reader("enrich", "raw", 0))


def test_a_standstill_counts_even_if_the_partition_moves_again() -> None:
    assert _seen({0: 10, 1: 10}, {0: 10, 1: 20}, {0: 20, 1: 30}, {0: 30, 1: 40}).longest == 10.0


def test_a_partition_that_stops_while_the_others_have_nothing_to_read() -> None:
    assert _seen({0: 10, 1: 100}, {0: 10, 1: 100}, {0: 10, 1: 100}).longest == 20.0


def test_an_added_partition_that_nobody_reads() -> None:
    assert _seen({0: 10}, {0: 20, 1: 0}, {0: 30, 1: 0}, {0: 40, 1: 0}).longest == 20.0


def test_a_standstill_of_the_whole_group_is_an_outage() -> None:
    assert _seen({0: 10, 1: 10}, {0: 10, 1: 10}, {0: 10, 1: 10}).longest == 0.0


def test_a_partition_with_nothing_to_read_does_not_stand_still() -> None:
    assert _seen({0: 100, 1: 10}, {0: 100, 1: 20}, {0: 100, 1: 30}).longest == 0.0


def test_progress_of_another_group_does_not_count() -> None:
    found = Standstills()
    for number in range(3):
        moving = Offsets(number, 100)
        found.see({Reader("enrich", "raw", 0): moving, Reader("store", "enriched", 0): Offsets(5, 100)}, number * 10.0)
    assert found.longest == 0.0
