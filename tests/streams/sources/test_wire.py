"""Bytes become lines and events, wherever the pieces of the stream end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.sources.wire import Event, EventReader, LineSplitter, TooLong, event_frame, parse_event_frame


def split(data: bytes, pieces: list[int], limit: int = 1_000) -> list[bytes | TooLong]:
    splitter, found, at = LineSplitter(limit), list[bytes | TooLong](), 0
    for size in [*pieces, len(data)]:
        found += splitter.feed(data[at : at + size])
        at += size
    return found


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=10),
    st.lists(st.integers(0, 9)),
)
def test_lines_are_the_same_wherever_the_pieces_end(lines: list[bytes], pieces: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    assert split(data, pieces) == [line.removesuffix(b"\r") for line in lines]


@given(st.lists(st.integers(0, 9)))
def test_a_long_line_is_cut_and_the_next_one_is_whole(pieces: list[int]) -> None:
    found = split(b"a" * 25 + b"\nnext\n" + b"rest", pieces, limit=10)
    assert found == [TooLong(b"a" * 10, 25), b"next"]


def events(*lines: bytes | TooLong, limit: int = 100) -> list[Event | TooLong]:
    reader = EventReader(limit)
    return [event for line in lines if (event := reader.feed(line)) is not None]


def test_events_end_with_an_empty_line() -> None:
    lines = [
        b":thump",
        b"event: update",
        b"data: a",
        b"data:b",
        b"id: 5",
        b"",
        b"",
        b"event: lost",
        b"",
        b"data: c",
        b"",
    ]
    assert events(*lines) == [Event("update", b"a\nb"), Event("", b"c")]


def test_an_event_that_is_too_long_is_cut() -> None:
    assert events(b"data: " + b"x" * 60, b"data: " + b"y" * 60, b"") == [TooLong(b"x" * 60, 122)]
    assert events(TooLong(b"data: xx", 500), b"", b"data: next", b"") == [TooLong(b"data: xx", 501), Event("", b"next")]


@given(
    st.sampled_from(["update", "status.update", "delete"]),
    st.binary(max_size=50).map(lambda data: data.replace(b"\r", b"")),
)
def test_a_frame_is_read_as_it_was_written(name: str, data: bytes) -> None:
    assert parse_event_frame(event_frame(name, data)) == Event(name, data)


@given(st.binary())
def test_any_bytes_yield_an_event_or_none(frame: bytes) -> None:
    found = parse_event_frame(frame)
    assert found is None or isinstance(found, Event | TooLong)
