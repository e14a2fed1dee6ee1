"""Readers of files, which are read as by `tagpulse produce file`, and of messages stored elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from itertools import count, islice
from typing import cast

from streams.contracts import HEADERS, REFUSED_HEADER, Deletion, Gap, Post, encode, record_time_ms, utc_now
from streams.replay.reader import Bounds, Reader
from streams.runtime.lossless import Record
from streams.sources.base import Batch, Content, Unreadable
from streams.sources.files.source import FileSource

_AT_ONCE = 500


class FileReader(Reader):
    """Reads files one after the other; the offset of an item is its number across all files, from 0."""

    def __init__(self, paths: Sequence[str], *, max_line_bytes: int) -> None:
        """Open the files.

        Args:
            paths: The files, in order.
            max_line_bytes: Maximum length of a line; longer ones are cut and unreadable.

        Raises:
            BadInput: A file does not exist.
        """
        self._source = FileSource(paths, max_line_bytes=max_line_bytes, batch_size=_AT_ONCE)
        self._name = f"file:{','.join(paths)}"

    @property
    def bounds(self) -> Sequence[Bounds]:
        return [Bounds(self._name, 0, 0, None)]

    def items(self, *, in_time: bool) -> Iterator[Sequence[Record]]:
        numbers = count()
        with asyncio.Runner() as runner:
            batches = cast("AsyncGenerator[Batch]", self._source.batches())
            try:
                while (batch := runner.run(_next(batches))) is not None:
                    yield [_item(self._name, next(numbers), content) for content in batch.contents]
            finally:
                runner.run(batches.aclose())


class MessageReader(Reader):
    """Reads messages in time order, such as those of the lake; the offset of an item is its number."""

    def __init__(self, name: str, messages: Iterable[Post | Deletion]) -> None:
        self._name = name
        self._messages = messages

    @property
    def bounds(self) -> Sequence[Bounds]:
        return [Bounds(self._name, 0, 0, None)]

    def items(self, *, in_time: bool) -> Iterator[Sequence[Record]]:
        numbered = enumerate(self._messages)
        while block := list(islice(numbered, _AT_ONCE)):
            yield [_item(self._name, number, message) for number, message in block]


async def _next(batches: AsyncGenerator[Batch]) -> Batch | None:
    return await anext(batches, None)


def _item(name: str, number: int, content: Content) -> Record:
    if isinstance(content, Gap):
        raise TypeError("a gap can only come from a network, not from a file or the lake")
    if isinstance(content, Unreadable):
        # passed on with the reason, so that the dead letters of the run say what is wrong with it
        refused = (REFUSED_HEADER, f"{content.reason}: {content.error}".encode(errors="replace"))
        return Record(name, 0, number, int(utc_now().timestamp() * 1000), None, content.value, (*HEADERS, refused))
    collected = content.collected_at if isinstance(content, Post) else None
    time_ms = record_time_ms(content, collected_at=collected or utc_now())
    return Record(name, 0, number, time_ms, content.key, encode(content), HEADERS)
