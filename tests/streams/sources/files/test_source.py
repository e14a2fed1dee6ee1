"""Files: what is read from them, what is rejected, and that no input makes the reader fail."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from streams.contracts import Deletion, Post
from streams.errors import BadInput
from streams.sources.base import Batch, Content, Unreadable
from streams.sources.files.source import FileSource
from streams.sources.files.table import Columns
from tests.helpers.processes import unchanged

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


async def test_posts_and_deletions_are_read_and_other_lines_named(tmp_path: Path) -> None:
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


async def test_a_deletion_in_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text('{"type":"deletion","source":"x","id":"1","deleted_at":"9999-12-31T23:59:00Z"}')
    [refused] = contents(await read(path))
    assert isinstance(refused, Unreadable)
    assert "deleted_at is in the future" in refused.error


async def test_a_byte_order_mark_is_not_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line("1") + b"\n" + line("2"))
    assert ids(await read(path)) == ["1", "2"]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
async def test_compressed_files_are_recognised_by_their_content(tmp_path: Path, suffix: str) -> None:
    plain = b"".join(line(str(number)) + b"\n" for number in range(5_000))
    tools: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}
    compress = tools[suffix]
    # two consecutive members, as some tools append them
    packed = compress(plain[:100_000]) + compress(plain[100_000:])
    for name in (f"day.jsonl{suffix}", "named-otherwise"):
        path = tmp_path / name
        path.write_bytes(packed)
        assert ids(await read(path)) == [str(number) for number in range(5_000)]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
async def test_a_decompression_bomb_is_one_dead_letter_in_bounded_memory(
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


async def test_a_truncated_file_is_reported_after_its_readable_part(tmp_path: Path) -> None:
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


async def test_it_survives_a_line_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    long = line("2", text="x" * 3_000_000)
    path.write_bytes(line("1") + b"\n" + long + b"\n" + line("3"))
    first, second, third = contents(await read(path))
    assert isinstance(first, Post)
    assert isinstance(third, Post)
    assert second == Unreadable(
        f"file:{path}", 2, long[:LIMIT], "oversize", f"a line of {len(long)} bytes, cut to {LIMIT}"
    )


async def test_it_resumes_from_a_cursor(tmp_path: Path) -> None:
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


async def test_it_reads_no_further_than_requested(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(b"".join(line(str(number)) + b"\n" for number in range(100_000)))
    source = FileSource([str(path)], max_line_bytes=LIMIT)
    async with contextlib.aclosing(source.batches()) as batches:  # type: ignore[type-var]
        await anext(batches)
        readers = [thread for thread in threading.enumerate() if thread.name == "file-reader"]
        read_bytes = await unchanged(lambda: source.progress[0], what="it reads no further")
        _, size = source.progress
        assert size == path.stat().st_size
        assert read_bytes < 3_000_000 < size
    for reader in readers:
        await asyncio.to_thread(reader.join, 5)
        assert not reader.is_alive()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no\.jsonl: cannot be read: No such file"):
        FileSource([str(tmp_path / "no.jsonl")], max_line_bytes=LIMIT)
    with pytest.raises(BadInput, match="is a folder"):
        FileSource([str(tmp_path)], max_line_bytes=LIMIT)


async def test_real_tweets_have_times_from_their_ids() -> None:
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
