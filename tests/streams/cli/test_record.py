from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from streams.cli import record as module
from streams.errors import BadInput, Refused
from streams.settings import Settings
from streams.sources.base import Batch, Source
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke, objects
from tests.helpers.recordings import play


class Ticker(Source):
    """A source that sends two frames, and then waits, ends, fails or sends its own process a signal."""

    name = "x"

    def __init__(self, then: Exception | signal.Signals | None) -> None:
        self._then = then

    async def batches(self) -> AsyncIterator[Batch]:
        assert self.recorder is not None
        for number in range(2):
            self.recorder("x.example", b"%d" % number)
            yield Batch([], None)
        if isinstance(self._then, Exception):
            raise self._then
        if self._then is not None:
            os.kill(os.getpid(), self._then)
        await asyncio.Event().wait()


class Networks:
    """A registry in which every network is the ticker."""

    def __init__(self) -> None:
        self.then: Exception | signal.Signals | None = None
        self.hashtags: list[str] = []

    def find(self, name: str) -> Networks:
        assert name == "x"
        return self

    def __call__(self, settings: Settings) -> Networks:
        return self

    def open_source(self, hashtags: Sequence[str]) -> Source:
        self.hashtags = list(hashtags)
        return Ticker(self.then)


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> Networks:
    networks = Networks()
    monkeypatch.setattr(module, "NETWORKS", networks)
    return networks


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return own_settings("127.0.0.1:1", tmp_path)


def frames(path: Path) -> list[bytes]:
    return [frame for frame, _, _ in asyncio.run(play(path))]


def test_it_stops_after_its_time(networks: Networks, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "day.zst"
    arguments = ("record", "x", "--tag", "PolTwt", "--to", str(path), "--seconds", "0.2")
    [done] = objects(*arguments, settings=settings)
    assert done == {"network": "x", "path": str(path), "frames": 2, "bytes": path.stat().st_size}
    assert frames(path) == [b"0", b"1"]
    assert networks.hashtags == ["PolTwt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_complete_recording(
    number: signal.Signals, networks: Networks, settings: Settings, tmp_path: Path
) -> None:
    networks.then = number
    path = tmp_path / "day.zst"
    done = invoke("record", "x", "--to", str(path), settings=settings)
    assert done.stdout == f"recorded 2 frames of x in {path} ({path.stat().st_size:,} bytes)\n"
    assert frames(path) == [b"0", b"1"]


def test_a_refusal_ends_it_and_the_recording_is_kept(networks: Networks, settings: Settings, tmp_path: Path) -> None:
    networks.then = Refused("not with this token")
    path = tmp_path / "day.zst"
    with pytest.raises(Refused, match="not with this token"):
        invoke("record", "x", "--to", str(path), settings=settings)
    assert frames(path) == [b"0", b"1"]


@pytest.mark.usefixtures("networks")
def test_a_file_that_exists_is_not_overwritten(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "day.zst"
    path.write_bytes(b"older")
    with pytest.raises(BadInput, match="the recording cannot be written"):
        invoke("record", "x", "--to", str(path), settings=settings)
    assert path.read_bytes() == b"older"
