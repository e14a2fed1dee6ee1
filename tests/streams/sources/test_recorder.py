"""Recordings can be read back, even if the file was cut off."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import BadInput
from streams.sources.base import Content, Unreadable
from streams.sources.files.recorded import RecordedSource
from streams.sources.recorder import Recorder

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)


class Echo:
    """A parser that records its arguments."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, str, datetime]] = []

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        self.frames.append((frame, origin, now))
        return [Unreadable(origin, 0, frame, "invalid", "")]


async def play(*paths: Path) -> list[tuple[bytes, str, datetime]]:
    echo = Echo()
    async for _ in RecordedSource([str(path) for path in paths], "x", echo).batches():
        pass
    return echo.frames


async def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    recorder = Recorder(path, "x", ["poltwt"], now=lambda: NOW)
    frames = [b"plain", "grün ☃".encode(), b"\xff\xfe\x00", b"", b"two\nlines"]
    for frame in frames:
        recorder("api.x.com", frame)
    recorder.close()
    assert await play(path, path) == [(frame, "api.x.com", NOW) for frame in frames] * 2
    assert (recorder.frames, recorder.size) == (5, path.stat().st_size)


async def test_what_was_flushed_is_read_after_a_crash(tmp_path: Path) -> None:
    path, seconds = tmp_path / "a.zst", iter(range(0, 1_000, 3))
    recorder = Recorder(path, "x", [], now=lambda: NOW, clock=lambda: next(seconds))
    for number in range(20):
        recorder("api.x.com", b"%d" % number)
    cut = tmp_path / "cut.zst"
    cut.write_bytes(path.read_bytes())  # the state of the file while the recording goes on
    recorder.close()
    found = await play(cut)
    assert len(found) >= 15
    assert [frame for frame, _, _ in found] == [b"%d" % number for number in range(len(found))]


async def test_a_file_of_frames_without_our_head_is_read_too(tmp_path: Path) -> None:
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


def test_an_older_recording_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(b"older")
    with pytest.raises(BadInput, match="the recording cannot be written"):
        Recorder(path, "x", [])
    assert path.read_bytes() == b"older"


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
