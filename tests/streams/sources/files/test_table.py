from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Post, decode_raw, encode
from streams.errors import BadInput
from streams.sources.base import Content, Unreadable
from streams.sources.files.lines import Line
from streams.sources.files.table import Columns, parse_table

LIMIT = 1_000


def table(data: bytes, columns: Columns | None = None) -> list[Content]:
    found: list[Content] = []
    lines = [Line(number, value) for number, value in enumerate(data.split(b"\n"), 1)]
    parse_table([lines], columns or Columns(source="x"), "file:t", LIMIT, lambda rows, _: found.extend(rows))
    return found


def test_columns_are_mapped_despite_stray_spaces_and_quotes() -> None:
    columns = Columns(mapping={"id": "Tweet ID", "text": "Tweet Text"}, source="x", times_from_tweet_ids=True)
    data = b'"Tweet ID", Tweet Text, "Kind"\r\n"1541815603606036480","He said ""run"",\nall ran #boston",a\r\n'
    (post,) = table(data, columns)
    assert post == Post(
        source="x",
        id="1541815603606036480",
        text='He said "run",\nall ran #boston',
        created_at=datetime(2022, 6, 28, 16, 7, 40, 105000, tzinfo=UTC),
        hashtags=("boston",),
    )


def test_columns_named_like_fields_and_tabs_need_no_mapping() -> None:
    (post,) = table(
        "\ufeffID\tText\tCreated At\tSource\tAuthor\tHashtags\nab\thi #x1\t2026-08-01 12:00:00\tnet\tann\t#One Two\n".encode(),
        Columns(),
    )
    assert isinstance(post, Post)
    assert (post.source, post.author, post.hashtags) == ("net", "ann", ("one", "two"))
    assert post.created_at == datetime(2026, 8, 1, 12, tzinfo=UTC)


def test_each_bad_row_is_named_and_the_others_are_read() -> None:
    found = table(
        b"id,text,created_at\n"
        b"1,a,2026-08-01T12:00:00Z\n"
        b"2,b\n"
        b"3,c,noon\n"
        b"4,\xff,2026-08-01T12:00:00Z\n"
        b",e,2026-08-01T12:00:00Z\n"
        b'5,"never closed ' + b"x" * LIMIT + b"\n"
        b"6,f,2026-08-01T12:00:00Z\n"
    )
    refused = [(content.number, content.reason) for content in found if isinstance(content, Unreadable)]
    assert refused == [(3, "invalid"), (4, "invalid"), (5, "malformed"), (6, "invalid"), (7, "malformed")]
    assert [content.id for content in found if isinstance(content, Post)] == ["1", "6"]
    (unclosed,) = [content for content in found if isinstance(content, Unreadable) and content.number == 7]
    assert unclosed.value == b'5,"never closed ' + b"x" * LIMIT


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        (b"id,body,created_at", Columns(source="x"), "no column for text: name it with --column text=NAME"),
        (
            b"id,text",
            Columns(source="x"),
            "no column for created_at: .*--times-from-tweet-ids; the columns are 'id', 'text'",
        ),
        (b"id,text,created_at", Columns(), "no column for source: .*--source-name"),
        (b"id,text,created_at", Columns(mapping={"author": "Name"}, source="x"), "no column 'Name' for author"),
    ],
)
def test_a_missing_column_is_named(header: bytes, columns: Columns, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        table(header + b"\n1,2,3\n", columns)


def test_a_row_in_the_future_is_refused_and_nul_is_replaced() -> None:
    refused, kept = table(b"id,text,created_at\n1,hello,9999-12-31T23:59:00Z\n2,a\0b,0999-01-01T00:00:00Z")
    assert isinstance(refused, Unreadable)
    assert (refused.number, refused.error) == (2, "created_at is in the future: 9999-12-31T23:59:00+00:00")
    assert isinstance(kept, Post)
    assert (kept.created_at.year, kept.text) == (999, "a\ufffdb")


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b'1,"', b'"', b"2,x,2026-08-01T12:00:00Z", b"3,\x00,0"])),
)
def test_any_table_yields_rows_and_refusals_in_order(rows: list[bytes]) -> None:
    data = b"id,text,created_at\n" + b"\n".join(rows)
    found = table(data)
    for content in found:
        if not isinstance(content, Unreadable):
            assert decode_raw(encode(content)) == content
    numbers = [content.number for content in found if isinstance(content, Unreadable)]
    assert numbers == sorted(numbers)


def test_a_table_without_rows_or_without_a_header_is_empty() -> None:
    assert table(b"") == table(b"\n") == table(b"id,text,created_at\n") == table(b"id,text,created_at\n\n\n") == []


def test_a_line_that_was_cut_is_refused_alone() -> None:
    found: list[Content] = []
    lines = [Line(1, b"id,text,created_at"), Line(2, b"1,xxx", cut=9), Line(3, b"2,b,2026-08-01T12:00:00Z")]
    parse_table([lines], Columns(source="x"), "file:t", LIMIT, lambda rows, _: found.extend(rows))
    cut, kept = found
    assert cut == Unreadable("file:t", 2, b"1,xxx", "oversize", "a line of 14 bytes, cut to 5")
    assert isinstance(kept, Post)


def test_rows_are_emitted_with_each_block() -> None:
    """A pipe may pause between two blocks, which must not hold back the rows before the pause."""
    emitted: list[tuple[list[str], int]] = []

    def emit(rows: list[Content], number: int) -> None:
        emitted.append(([row.id for row in rows if isinstance(row, Post)], number))

    def blocks() -> Iterator[list[Line]]:
        yield [Line(1, b"id,text,created_at"), Line(2, b"1,a,2026-08-01T12:00:00Z")]
        yield [Line(3, b'2,"two'), Line(4, b'lines",2026-08-01T12:00:00Z'), Line(5, b"3,c,2026-08-01T12:00:00Z")]

    parse_table(blocks(), Columns(source="x"), "file:t", LIMIT, emit)
    assert [emission for emission in emitted if emission[0]] == [(["1"], 2), (["2", "3"], 5)]


def test_rows_up_to_a_line_are_left_out() -> None:
    found: list[Content] = []
    rows = b"id,text,created_at\n1,a,2026-08-01T12:00:00Z\nbad\n2,b,2026-08-01T12:00:00Z\nworse"
    lines = [Line(number, value) for number, value in enumerate(rows.split(b"\n"), 1)]
    parse_table([lines], Columns(source="x"), "file:t", LIMIT, lambda rows, _: found.extend(rows), after=3)
    assert [content.id if isinstance(content, Post) else content.number for content in found] == ["2", 5]  # type: ignore[union-attr]


def test_the_delimiter_is_the_most_frequent_one_of_the_header() -> None:
    (post,) = table(b"id;text;created_at\n1;a, b;2026-08-01T12:00:00Z")
    assert isinstance(post, Post)
    assert post.text == "a, b"
