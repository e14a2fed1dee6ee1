from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contracts import Post, utc_now
from streams.errors import BadInput
from streams.sources.base import Batch, Content, Unreadable
from streams.sources.files.recorded import RecordedSource
from tests.helpers.recordings import Echo, play

HEAD = {"tagpulse_recording": 1, "network": "x"}


async def test_a_file_of_frames_without_a_head_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "frames.txt"
    path.write_bytes(b'{"data":1}\n\n{"data":2}\n')
    assert [frame for frame, _, _ in await play(path)] == [b'{"data":1}', b'{"data":2}']


@pytest.mark.parametrize(
    "head", [{"network": "mastodon", "tagpulse_recording": 1}, {"network": "x", "tagpulse_recording": 2}]
)
async def test_a_recording_of_another_kind_is_refused(head: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(head))
    with pytest.raises(BadInput, match="a recording of"):
        await play(path)


async def test_a_bomb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(b"0" * (100 * 2**20)))
    assert path.stat().st_size < 100_000
    source = RecordedSource([str(path)], "x", Echo())
    [unreadable] = [content async for batch in source.batches() for content in batch.contents]
    assert isinstance(unreadable, Unreadable)
    assert (unreadable.reason, len(unreadable.value)) == ("oversize", 24 * 2**20)


@settings(max_examples=50)
@given(
    st.lists(
        st.binary() | st.text().map(lambda text: json.dumps({"at": text, "origin": text, "base64": text}).encode())
    )
)
async def test_any_file_is_read(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(b"x\n" + b"\n".join(lines))
    await play(path)


def recording(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in (HEAD, *lines)))
    return path


async def test_each_frame_arrives_at_its_recorded_time(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "a.jsonl",
        {"at": "2026-08-01T13:00:00Z", "origin": "api.x.com", "frame": "{}"},
        {"at": "2026-08-01T15:00:00+02:00", "origin": "o" * 400, "base64": base64.b64encode(b"\xff").decode()},
        {"at": "2026-08-01T13:00:00", "origin": ""},
    )
    noon = datetime(2026, 8, 1, 13, tzinfo=UTC)
    assert await play(path) == [(b"{}", "api.x.com", noon), (b"\xff", "o" * 300, noon), (b"", "", noon)]


async def test_it_resumes_after_a_line(tmp_path: Path) -> None:
    frames = [{"at": "2026-08-01T13:00:00Z", "origin": "x", "frame": str(number)} for number in range(5)]
    paths = [str(recording(tmp_path / name, *frames)) for name in ("a.jsonl", "b.jsonl")]

    async def batches(cursor: str | None) -> list[Batch]:
        return [batch async for batch in RecordedSource(paths, "x", Echo(), cursor=cursor, batch_size=2).batches()]

    def frames_in(found: list[Batch]) -> list[bytes]:
        return [content.value for batch in found for content in batch.contents if isinstance(content, Unreadable)]

    whole = await batches(None)
    assert [batch.cursor for batch in whole] == ["0:2", "0:4", "0:6", "1:2", "1:4", "1:6"]
    assert frames_in(whole) == [b"0", b"1", b"2", b"3", b"4"] * 2
    assert frames_in(await batches("0:4")) == [b"3", b"4", b"0", b"1", b"2", b"3", b"4"]
    assert frames_in(await batches("1:6")) == []


class Author:
    """A parser of posts whose authors claim an implausible time."""

    def __init__(self, claimed: datetime) -> None:
        self._claimed = claimed

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        return [
            Post(
                source="x",
                id="1",
                text="",
                created_at=now,
                created_at_is_estimate=True,
                author_created_at=self._claimed,
            )
        ]


async def test_without_an_arrival_time_no_past_time_is_implausible(tmp_path: Path) -> None:
    past, future = datetime(2013, 4, 15, tzinfo=UTC), utc_now() + timedelta(days=9)
    bare = tmp_path / "frames.txt"
    bare.write_text("{}\n")
    recorded = recording(tmp_path / "a.jsonl", {"at": "2026-08-01T13:00:00Z", "origin": "x", "frame": "{}"})

    async def post(path: Path, claimed: datetime) -> Post:
        [content] = [
            content
            async for batch in RecordedSource([str(path)], "x", Author(claimed)).batches()
            for content in batch.contents
        ]
        assert isinstance(content, Post)
        return content

    found = await post(bare, past)
    assert (found.created_at, found.created_at_is_estimate, found.author_created_at) == (past, False, None)
    assert (await post(bare, future)).author_created_at == future
    assert (await post(recorded, past)).created_at == datetime(2026, 8, 1, 13, tzinfo=UTC)
