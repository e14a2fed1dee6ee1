"""Recordings can be read back, even if the file was cut off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.errors import BadInput
from streams.sources.recorder import Recorder
from tests.helpers.recordings import play

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)


async def test_frames_are_read_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    recorder = Recorder(path, "x", ["poltwt"], now=lambda: NOW)
    frames = [b"plain", "grün ☃".encode(), b"\xff\xfe\x00", b"", b"two\nlines"]
    for frame in frames:
        recorder("api.x.com", frame)
    recorder.close()
    assert await play(path, path) == [(frame, "api.x.com", NOW) for frame in frames] * 2
    assert (recorder.frames, recorder.size) == (5, path.stat().st_size)


async def test_flushed_frames_are_readable_after_a_crash(tmp_path: Path) -> None:
    path, seconds = tmp_path / "a.zst", iter(range(0, 1_000, 3))
    recorder = Recorder(path, "x", [], now=lambda: NOW, clock=lambda: next(seconds))
    for number in range(20):
        recorder("api.x.com", b"%d" % number)
    cut = tmp_path / "cut.zst"
    cut.write_bytes(path.read_bytes())  # the state of the file while the recording continues
    recorder.close()
    found = await play(cut)
    assert len(found) >= 15
    assert [frame for frame, _, _ in found] == [b"%d" % number for number in range(len(found))]


def test_an_older_recording_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(b"older")
    with pytest.raises(BadInput, match="the recording cannot be written"):
        Recorder(path, "x", [])
    assert path.read_bytes() == b"older"
