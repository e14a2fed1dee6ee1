"""The contract of all sources: batches of Posts and Deletions, each with a cursor to resume from after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from streams.contracts import Deletion, Gap, Post, Reason


class Unreadable(NamedTuple):
    """A line or frame that is not a valid post; it goes to the dead letters with its bytes."""

    origin: str
    """Where it was read from, e.g. `file:day.jsonl`."""
    number: int
    """Position within the origin, e.g. the line number."""
    value: bytes
    reason: Reason
    error: str


Content = Post | Deletion | Unreadable | Gap

MAX_FRAME_BYTES = 2 * 2**20
"""Larger frames are not decoded: Kafka would reject the post, and decoded objects take many times the memory."""


def oversize(origin: str, number: int, frame: bytes) -> Unreadable:
    """Return the start of a frame that is too large; the error gives its full size."""
    error = f"a frame of {len(frame)} bytes, cut to {MAX_FRAME_BYTES}"
    return Unreadable(origin, number, frame[:MAX_FRAME_BYTES], "oversize", error)


RecordFrame = Callable[[str, bytes], None]
"""Callback that receives the origin of a raw frame, and the frame."""


class Parser(Protocol):
    """Turns the raw frames of one network into contents, with the same result for a live feed and its recording."""

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        """Return the contents of a frame; never raises, whatever the bytes.

        Args:
            frame: The frame as received.
            origin: Server that the frame came from.
            now: Time at which the frame arrived.
        """


class Batch(NamedTuple):
    """Contents in the order of the source; `contents` may be empty if only the cursor advanced."""

    contents: list[Content]
    cursor: str | None
    """Opaque position from which a source resumes after this batch without a gap; None: it cannot resume here."""


class Source(ABC):
    """A network or file that posts are read from.

    - It is read once, as an asynchronous iterator of batches. A live source never ends; a file ends at its end.
    - It reads ahead only within fixed bounds until the next batch is requested, so a slow Kafka slows the source down
      and nothing is dropped.
    - The cursor of a batch is saved only after Kafka has confirmed all contents up to it. A source that resumes from a
      cursor may repeat contents from shortly before it but omits nothing. If the network no longer has some of the
      data, the source counts a gap (`metrics.GAPS`), logs it and yields a Gap.
    - Temporary errors are retried indefinitely inside the source, with back-off and jitter. It raises Refused if the
      network refuses permanently and BadInput if a file cannot be used.
    - Input that cannot be read is yielded as Unreadable or counted (`metrics.MALFORMED`); it never raises an error.
    """

    name: str
    """Short name for metrics, the log and the saved cursor; the same in every run."""

    recorder: RecordFrame | None = None
    """Receives every raw frame of a live source as it arrived; set it before the first batch."""

    @abstractmethod
    def batches(self) -> AsyncIterator[Batch]:
        """Yield batches, starting at the cursor that the source was created with."""

    @property
    def progress(self) -> tuple[int, int | None]:
        """Bytes read so far, and the total number of bytes if known."""
        return 0, None

    def describe(self, cursor: str) -> str:
        """Return a readable form of a cursor, for the log and the summary."""
        return cursor
