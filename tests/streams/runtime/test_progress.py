"""Nothing is committed before everything up to it is acknowledged, in any order of deliveries and acknowledgements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.progress import OutOfOrder, PartitionProgress


@given(
    start=st.integers(0, 1000),
    gaps=st.lists(st.integers(0, 3), max_size=20),
    steps=st.lists(st.booleans(), max_size=60),
)
def test_it_never_claims_more_than_was_acknowledged(start: int, gaps: list[int], steps: list[bool]) -> None:
    progress = PartitionProgress(start)
    offsets, offset = [], start
    for gap in gaps:
        offsets.append(offset + gap)
        offset += gap + 1
    to_hand_over, handed_over, done = list(offsets), list[int](), set[int]()
    for hands_over in steps:
        if hands_over and to_hand_over:
            progress.hand_over(to_hand_over[0])
            handed_over.append(to_hand_over.pop(0))
        elif handed_over:
            progress.acknowledge(handed_over[0])
            done.add(handed_over.pop(0))
        before = {each for each in offsets if each < progress.acknowledged}
        assert before == done, "neither more nor less"
        assert progress.pending == len(handed_over)


def test_offsets_without_a_record_count_once_they_are_skipped() -> None:
    progress = PartitionProgress(5)
    progress.hand_over(5)
    progress.pass_over(9)
    assert progress.next == 9
    assert progress.acknowledged == 5
    assert progress.beyond(handled=5) == 5, "the record at 5 is not handled"
    assert progress.beyond(handled=6) == 9
    progress.acknowledge(5)
    assert progress.acknowledged == 9
    progress.pass_over(7)
    assert progress.next == 9


def test_a_record_out_of_its_turn_is_an_error() -> None:
    progress = PartitionProgress(5)
    progress.hand_over(5)
    progress.hand_over(6)
    with pytest.raises(OutOfOrder):
        progress.hand_over(6)
    with pytest.raises(OutOfOrder):
        progress.acknowledge(6)
    progress.acknowledge(5)
    with pytest.raises(OutOfOrder):
        progress.acknowledge(5)


@pytest.mark.parametrize(
    ("offsets", "end", "complete"),
    [
        ([5, 6, 7], 8, True),
        ([], 5, True),
        ([5, 7], 8, False),
        ([6, 7], 8, False),
        ([5, 6], 8, False),
        ([], 6, False),
    ],
)
def test_it_knows_whether_offsets_are_missing(offsets: list[int], end: int, complete: bool) -> None:
    assert PartitionProgress(5).is_complete(offsets, end) is complete
