"""The progress of a worker in a partition: delivered, acknowledged and committed offsets."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class OutOfOrder(RuntimeError):
    """Raised for a record delivered or acknowledged out of order: an internal error; nothing is committed after it."""


class PartitionProgress:
    """The offsets of one partition during one assignment.

    They carry the central guarantee of a worker: every readable record before `acknowledged` is durable in the outputs
    of the worker, and only `acknowledged` is ever committed. It starts no later than the committed offset or, without a
    commit, the first offset that Kafka retains. It moves past a record only after the record is acknowledged, and past
    an offset without a record only after a check that there is none.
    """

    __slots__ = ("_pending", "_records_end", "committed", "next")

    def __init__(self, start: int) -> None:
        """Start an assignment.

        Args:
            start: First offset to read, no later than the committed offset or, without a commit, the first offset that
                Kafka retains.
        """
        self.next = start
        """The offset after the last one that was delivered, or skipped because it holds no record."""
        self.committed = start
        self._records_end = start
        self._pending: deque[int] = deque()

    @property
    def acknowledged(self) -> int:
        """The offset before which every record is acknowledged."""
        return self._pending[0] if self._pending else self.next

    @property
    def pending(self) -> int:
        """The number of records that are delivered but not acknowledged."""
        return len(self._pending)

    def is_complete(self, offsets: Sequence[int], end: int) -> bool:
        """Return whether the ascending `offsets` are all offsets from `next` to before `end`."""
        return end - self.next == len(offsets) and (not offsets or (offsets[0] == self.next and offsets[-1] == end - 1))

    def hand_over(self, offset: int) -> None:
        """Note the delivery of a record. Raises OutOfOrder if its offset was delivered before."""
        if offset < self.next:
            raise OutOfOrder(f"offset {offset} came after {self.next - 1}")
        self._pending.append(offset)
        self._records_end = self.next = offset + 1

    def pass_over(self, end: int) -> None:
        """Note that the offsets before `end` hold no further readable record."""
        self.next = max(self.next, end)

    def beyond(self, handled: int) -> int:
        """Return the offset up to which nothing is left to read once all records before `handled` are handled."""
        return self.next if self._records_end <= handled else handled

    def acknowledge(self, offset: int) -> None:
        """Acknowledge a record. Raises OutOfOrder unless it is the oldest delivered record that is not acknowledged."""
        if not self._pending or self._pending[0] != offset:
            raise OutOfOrder(f"offset {offset} was acknowledged before {self.acknowledged}")
        self._pending.popleft()
