"""How far a worker is in a partition: what was handed to its stream, what is acknowledged, what is committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class OutOfOrder(RuntimeError):
    """A record was handed over or acknowledged out of its turn: an internal error, after which nothing may be committed."""


class PartitionProgress:
    """The offsets of one partition during one assignment.

    Between them lies the whole promise of a worker: every readable record before `acknowledged` is durable in the worker's
    outputs, and nothing but `acknowledged` is ever committed. It starts no later than the committed offset (else the first
    one that Kafka keeps), moves over a record only after that record was acknowledged, and over an offset without a record only
    after somebody has made sure that there is none.
    """

    __slots__ = ("_pending", "_records_end", "committed", "next")

    def __init__(self, start: int) -> None:
        """`start`: where this assignment begins to read, no later than what is committed, else than what Kafka keeps."""
        self.next = start
        """The offset after the last one that was handed over, or passed over because it holds no record."""
        self.committed = start
        self._records_end = start
        self._pending: deque[int] = deque()

    @property
    def acknowledged(self) -> int:
        """Every record before this offset was acknowledged."""
        return self._pending[0] if self._pending else self.next

    @property
    def pending(self) -> int:
        """How many records were handed over and are not acknowledged."""
        return len(self._pending)

    def is_complete(self, offsets: Sequence[int], end: int) -> bool:
        """Whether the ascending `offsets` are all there is from `next` up to `end`."""
        return end - self.next == len(offsets) and (not offsets or (offsets[0] == self.next and offsets[-1] == end - 1))

    def hand_over(self, offset: int) -> None:
        """Raises OutOfOrder for an offset that was handed over before."""
        if offset < self.next:
            raise OutOfOrder(f"offset {offset} came after {self.next - 1}")
        self._pending.append(offset)
        self._records_end = self.next = offset + 1

    def pass_over(self, end: int) -> None:
        """The offsets up to `end` hold no record that could be read."""
        self.next = max(self.next, end)

    def beyond(self, handled: int) -> int:
        """The offset up to which nothing is left to read once every record before `handled` is handled."""
        return self.next if self._records_end <= handled else handled

    def acknowledge(self, offset: int) -> None:
        """Raises OutOfOrder unless `offset` is the oldest that was handed over and is not acknowledged."""
        if not self._pending or self._pending[0] != offset:
            raise OutOfOrder(f"offset {offset} was acknowledged before {self.acknowledged}")
        self._pending.popleft()
