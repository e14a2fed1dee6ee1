"""What every source promises: batches of Posts and Deletions, each with the place from which to go on after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from streams.contracts import Deletion, Gap, Post, Reason


class Unreadable(NamedTuple):
    """A line or frame of the input that is no post: it goes to the dead letters, with its bytes."""

    origin: str
    """What it was read from, e.g. `file:day.jsonl`."""
    number: int
    """Its place in there, e.g. the line."""
    value: bytes
    reason: Reason
    error: str


Content = Post | Deletion | Unreadable | Gap

MAX_FRAME_BYTES = 2 * 2**20
"""What is larger is not decoded: Kafka would not take the post, and its objects hold many times the memory of its bytes."""


def oversize(origin: str, number: int, frame: bytes) -> Unreadable:
    """The first bytes of a frame that is too large, and how large it was."""
    error = f"a frame of {len(frame)} bytes, cut to {MAX_FRAME_BYTES}"
    return Unreadable(origin, number, frame[:MAX_FRAME_BYTES], "oversize", error)


Tape = Callable[[str, bytes], None]
"""Takes where a raw frame came from, and the frame."""


class Parser(Protocol):
    """Makes contents of the raw frames of one network, the same from a live feed and from a recording of it."""

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        """What a frame holds for us. `origin`: the server it came from; `now`: when it came. Raises nothing on any bytes."""


class Batch(NamedTuple):
    """What a source had to give at once, in its order; `contents` may be empty when only the cursor went on."""

    contents: list[Content]
    cursor: str | None
    """Opaque: a source that is started with it goes on behind the batch, without a gap. None: not from here."""


class Source(ABC):
    """A network or a file.

    - It is read once, as an asynchronous iterator of batches. A live source never ends; a file ends at its end.
    - It reads on only when the next batch is asked for, and holds a bounded amount meanwhile: a slow Kafka slows it
      down, and drops nothing.
    - The cursor of a batch is saved only after Kafka has confirmed all contents up to it. A source that starts from a
      cursor may give again what stood shortly before it, and leaves nothing out; where the network itself has
      forgotten a part, it counts a gap (`metrics.GAPS`), logs it and gives it as a Gap.
    - Passing trouble is handled inside, for ever, with back-off and jitter. It raises Refused when the network says no
      for good, BadInput when a file cannot be used.
    - What it cannot read it gives as Unreadable or counts (`metrics.MALFORMED`); it never raises on it.
    """

    name: str
    """For metrics, the log and the saved cursor: short, the same for every run."""

    tape: Tape | None = None
    """Set before the first batch: gets every raw frame of a live source, as it came."""

    @abstractmethod
    def batches(self) -> AsyncIterator[Batch]:
        """Reads on from the cursor that the source was made with."""

    @property
    def progress(self) -> tuple[int, int | None]:
        """How many bytes were read, and of how many when that is known."""
        return 0, None

    def describe(self, cursor: str) -> str:
        """A cursor in words, for the log and the summary."""
        return cursor
