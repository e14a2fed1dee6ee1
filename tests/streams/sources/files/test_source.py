"""Files: what is read from them, what is rejected, and that no input makes the reader fail."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import tempfile
import threading
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import assume, example, given
from hypothesis import strategies as st

from streams.contracts import Deletion, Post, decode_raw, encode
from streams.errors import BadInput
from streams.sources.base import Batch, Content, Unreadable
from streams.sources.files.jsonl import parse
from streams.sources.files.lines import Line, blocks
from streams.sources.files.source import FileSource
from streams.sources.files.table import Columns, parse_table
from tests.helpers.processes import at_rest

LIMIT = 1_000
CRISISLEX = Path(__file__).resolve().parents[5] / "shared" / "data" / "crisislex_t26"
NOON = "2026-08-01T12:00:00Z"


def line(post_id: str, **fields: object) -> bytes:
    return json.dumps({"source": "test", "id": post_id, "text": "hello", "created_at": NOON} | fields).encode()


async def read(*paths: Path | str, cursor: str | None = None, columns: Columns | None = None) -> list[Batch]:
    source = FileSource([str(path) for path in paths], max_line_bytes=LIMIT, columns=columns, cursor=cursor)
    return [batch async for batch in source.batches()]


def contents(batches: list[Batch]) -> list[Content]:
    return [content for batch in batches for content in batch.contents]


def ids(batches: list[Batch]) -> list[str]:
    return [content.id for content in contents(batches) if isinstance(content, Post)]


async def test_reads_posts_deletions_and_names_what_is_neither(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    deletion = json.dumps({"type": "deletion", "source": "test", "id": "1", "deleted_at": NOON}).encode()
    path.write_bytes(
        b"\n".join([line("1"), deletion, b"", b"{broken", line("2", created_at="noon"), b"\xff", line("3")])
    )
    found = contents(await read(path))
    assert [type(content) for content in found] == [Post, Deletion, Unreadable, Unreadable, Unreadable, Post]
    refused = [content for content in found if isinstance(content, Unreadable)]
    assert [(content.number, content.reason, content.value) for content in refused] == [
        (4, "malformed", b"{broken"),
        (5, "invalid", line("2", created_at="noon")),
        (6, "malformed", b"\xff"),
    ]
    assert {content.origin for content in refused} == {f"file:{path}"}
    assert "created_at" in refused[1].error


@pytest.mark.parametrize("field", ["created_at", "edited_at", "collected_at"])
async def test_a_time_in_the_future_is_refused_and_an_old_one_is_kept(field: str, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(b"\n".join(line(year, **{field: f"{year}-01-01T00:00:00Z"}) for year in ("0001", "1999", "9999")))
    old, older, refused = contents(await read(path))
    assert [getattr(post, field).year for post in (old, older)] == [1, 1999]
    assert isinstance(refused, Unreadable)
    assert (refused.number, refused.reason) == (3, "invalid")
    assert refused.error == f"{field} is in the future: 9999-01-01T00:00:00+00:00"


async def test_a_deletion_of_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text('{"type":"deletion","source":"x","id":"1","deleted_at":"9999-12-31T23:59:00Z"}')
    [refused] = contents(await read(path))
    assert isinstance(refused, Unreadable)
    assert "deleted_at is in the future" in refused.error


def test_a_row_of_the_future_is_refused_and_nul_becomes_the_sign_for_it() -> None:
    refused, kept = table(b"id,text,created_at\n1,hello,9999-12-31T23:59:00Z\n2,a\0b,0999-01-01T00:00:00Z")
    assert isinstance(refused, Unreadable)
    assert (refused.number, refused.error) == (2, "created_at is in the future: 9999-12-31T23:59:00+00:00")
    assert isinstance(kept, Post)
    assert (kept.created_at.year, kept.text) == (999, "a\ufffdb")


def test_finds_hashtags_only_where_the_line_has_none() -> None:
    def hashtags(value: bytes) -> tuple[str, ...]:
        post = parse(Line(1, value), "file:x")
        assert isinstance(post, Post)
        return post.hashtags

    assert hashtags(line("1", text="#PolTWT and #Züri")) == ("poltwt", "züri")
    assert hashtags(line("1", text="#PolTWT", hashtags=[])) == ()
    assert hashtags(line("1", text="#PolTWT", hashtags=["dogs"])) == ("dogs",)
    assert hashtags(line("1", text='"hashtags" #a1')) == ("a1",)


@pytest.mark.parametrize("field", ["text", "author", "hashtags"])
def test_a_value_that_reads_like_a_key_is_a_value(field: str) -> None:
    value: object = ["type", "hashtags"] if field == "hashtags" else 'a "type": or "hashtags" #fun'
    post = parse(Line(1, line("1", **{field: value})), "file:x")
    assert isinstance(post, Post), post


def test_given_hashtags_are_written_our_way() -> None:
    post = parse(Line(1, line("1", hashtags=["#PolTwt", "poltwt", "K9"], text="#other")), "file:x")
    assert isinstance(post, Post)
    assert post.hashtags == ("poltwt", "k9")


async def test_a_byte_order_mark_is_not_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line("1") + b"\n" + line("2"))
    assert ids(await read(path)) == ["1", "2"]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
async def test_reads_compressed_files_by_their_content(tmp_path: Path, suffix: str) -> None:
    plain = b"".join(line(str(number)) + b"\n" for number in range(5_000))
    tools: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}
    compress = tools[suffix]
    # two members in a row, as tools append them
    packed = compress(plain[:100_000]) + compress(plain[100_000:])
    for name in (f"day.jsonl{suffix}", "named-otherwise"):
        path = tmp_path / name
        path.write_bytes(packed)
        assert ids(await read(path)) == [str(number) for number in range(5_000)]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
async def test_a_small_file_that_unpacks_to_much_is_one_dead_letter_in_bounded_memory(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "bomb.jsonl"
    unpacked = 64 * 2**20
    path.write_bytes(compress(bytes(unpacked)))
    assert path.stat().st_size < unpacked / 500
    tracemalloc.start()
    try:
        [letter] = contents(await read(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(letter, Unreadable)
    assert (letter.reason, len(letter.value)) == ("oversize", LIMIT)
    assert peak < 8 * 2**20


@pytest.mark.parametrize("value", [b"[" * 900, b'{"a":' * 150, b'{"source":"test","id":' + b"9" * 900 + b"}"])
async def test_malicious_json_is_a_dead_letter(tmp_path: Path, value: bytes) -> None:
    path = tmp_path / "bomb.jsonl"
    path.write_bytes(value + b"\n" + line("1"))
    first, second = contents(await read(path))
    assert isinstance(first, Unreadable)
    assert isinstance(second, Post)


async def test_says_that_a_file_is_cut_off_after_what_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl.gz"
    data = b"".join(line(str(number), text=f"{number * 7919}") + b"\n" for number in range(20_000))
    path.write_bytes(gzip.compress(data)[:-2_000])
    source = FileSource([str(path)], max_line_bytes=LIMIT)
    found: list[str] = []

    async def collect() -> None:
        async for batch in source.batches():
            found.extend(ids([batch]))

    with pytest.raises(BadInput, match=r"day\.jsonl\.gz: cannot be read"):
        await collect()
    assert found == [str(number) for number in range(len(found))]
    assert len(found) > 1_000


async def test_survives_a_line_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    long = line("2", text="x" * 3_000_000)
    path.write_bytes(line("1") + b"\n" + long + b"\n" + line("3"))
    first, second, third = contents(await read(path))
    assert isinstance(first, Post)
    assert isinstance(third, Post)
    assert second == Unreadable(
        f"file:{path}", 2, long[:LIMIT], "oversize", f"a line of {len(long)} bytes, cut to {LIMIT}"
    )


async def test_goes_on_from_a_cursor(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.csv"
    first.write_bytes(line("1") + b"\n" + line("2"))
    second.write_text(
        "id,text,created_at,source\n" + "".join(f'{number},"two\n\nlines",{NOON},x\n' for number in range(3, 6))
    )
    batches = await read(first, second)
    assert ids(batches) == ["1", "2", "3", "4", "5"]
    assert batches[-1].cursor == "1:10"
    assert ids(await read(first, second, cursor="0:1")) == ["2", "3", "4", "5"]
    assert ids(await read(first, second, cursor="1:7")) == ["5"]
    assert ids(await read(first, second, cursor="1:10")) == []
    with pytest.raises(BadInput, match="does not match"):
        await read(first, cursor="1:4")


async def test_reads_no_further_than_it_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(b"".join(line(str(number)) + b"\n" for number in range(100_000)))
    source = FileSource([str(path)], max_line_bytes=LIMIT)
    async with contextlib.aclosing(source.batches()) as batches:  # type: ignore[type-var]
        await anext(batches)
        readers = [thread for thread in threading.enumerate() if thread.name == "file-reader"]
        read_bytes = await at_rest(lambda: source.progress[0], what="it reads no further")
        _, size = source.progress
        assert size == path.stat().st_size
        assert read_bytes < 3_000_000 < size
    for reader in readers:
        await asyncio.to_thread(reader.join, 5)
        assert not reader.is_alive()


def test_says_which_file_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no\.jsonl: cannot be read: No such file"):
        FileSource([str(tmp_path / "no.jsonl")], max_line_bytes=LIMIT)
    with pytest.raises(BadInput, match="is a folder"):
        FileSource([str(tmp_path)], max_line_bytes=LIMIT)


def table(data: bytes, columns: Columns | None = None) -> list[Content]:
    found: list[Content] = []
    lines = [Line(number, value) for number, value in enumerate(data.split(b"\n"), 1)]
    parse_table([lines], columns or Columns(source="x"), "file:t", LIMIT, lambda rows, _: found.extend(rows))
    return found


def test_maps_columns_with_stray_spaces_and_quotes() -> None:
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


def test_takes_columns_named_like_fields_and_a_tab() -> None:
    (post,) = table(
        "\ufeffID\tText\tCreated At\tSource\tAuthor\tHashtags\nab\thi #x1\t2026-08-01 12:00:00\tnet\tann\t#One Two\n".encode(),
        Columns(),
    )
    assert isinstance(post, Post)
    assert (post.source, post.author, post.hashtags) == ("net", "ann", ("one", "two"))
    assert post.created_at == datetime(2026, 8, 1, 12, tzinfo=UTC)


def test_names_each_bad_row_and_goes_on() -> None:
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
def test_says_which_column_is_missing(header: bytes, columns: Columns, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        table(header + b"\n1,2,3\n", columns)


async def test_reads_real_tweets_with_times_from_their_ids() -> None:
    files = sorted(CRISISLEX.glob("*.csv"))
    if not files:
        pytest.skip("../shared/data/crisislex_t26 is not there")
    columns = Columns(mapping={"id": "Tweet ID", "text": "Tweet Text"}, source="x", times_from_tweet_ids=True)
    for path in files:
        found = contents(await read(path, columns=columns))
        assert len(found) >= 1_000
        posts = [content for content in found if isinstance(content, Post)]
        assert len(posts) == len(found)
        assert {post.created_at.year for post in posts} == {2013}


@given(st.lists(st.binary(max_size=60) | st.sampled_from([line("1"), b'{"type":', b"[" * 3_000, b'"\\ud800"'])))
def test_any_line_is_a_post_or_a_refusal(values: list[bytes]) -> None:
    for value in values:
        content = parse(Line(1, value), "file:x")
        if isinstance(content, Unreadable):
            assert content.value == value
        else:
            assert decode_raw(encode(content)) == content


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b'1,"', b'"', b"2,x,2026-08-01T12:00:00Z", b"3,\x00,0"])),
)
def test_any_table_is_rows_and_refusals_in_order(rows: list[bytes]) -> None:
    data = b"id,text,created_at\n" + b"\n".join(rows)
    found = table(data)
    for content in found:
        if not isinstance(content, Unreadable):
            assert decode_raw(encode(content)) == content
    numbers = [content.number for content in found if isinstance(content, Unreadable)]
    assert numbers == sorted(numbers)


@example([b"\r\0"], 1)
@given(st.lists(st.binary(max_size=50).map(lambda value: value.replace(b"\n", b"")), min_size=1), st.integers(1, 60))
def test_lines_are_those_of_the_file_up_to_the_limit(values: list[bytes], limit: int) -> None:
    data = b"\n".join(values)
    assume(not data.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf")))
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        read_bytes: list[int] = []
        found = [line for block in blocks(file.name, limit, read_bytes.append, 3) for line in block]
    wanted = values if values[-1] else values[:-1]
    assert [line.number for line in found] == list(range(1, len(wanted) + 1))
    for line, value in zip(found, wanted, strict=True):
        if len(value) > limit:
            assert (line.value, line.cut) == (value[:limit], len(value) - limit)
        else:
            assert (line.value, line.cut) == (value.removesuffix(b"\r"), 0)
    assert sum(read_bytes) == len(data)
