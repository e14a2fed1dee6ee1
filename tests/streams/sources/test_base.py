from __future__ import annotations

from collections.abc import AsyncIterator

from streams.sources.base import MAX_FRAME_BYTES, Batch, Source, Unreadable, oversize


class Numbers(Source):
    name = "numbers"

    async def batches(self) -> AsyncIterator[Batch]:
        for number in range(2):
            yield Batch([], str(number))


def test_an_oversize_frame_is_cut_and_its_length_reported() -> None:
    frame = b"x" * (MAX_FRAME_BYTES + 5)
    assert oversize("a.example", 7, frame) == Unreadable(
        "a.example", 7, frame[:-5], "oversize", f"a frame of {MAX_FRAME_BYTES + 5} bytes, cut to {MAX_FRAME_BYTES}"
    )


async def test_a_source_reports_no_progress_unless_it_knows_it() -> None:
    source = Numbers()
    assert [batch.cursor async for batch in source.batches()] == ["0", "1"]
    assert (source.progress, source.describe("1"), source.recorder) == ((0, None), "1", None)
