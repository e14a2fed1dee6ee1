from __future__ import annotations

import asyncio
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
from tests.helpers.jetstream import frame, jetstream, send, stay
from tests.helpers.processes import Tagpulse, eventually
from tests.helpers.recordings import play


class Ticker(Source):
    """A source that sends two frames, and then waits or fails."""

    name = "x"

    def __init__(self, failure: Exception | None) -> None:
        self._failure = failure

    async def batches(self) -> AsyncIterator[Batch]:
        assert self.recorder is not None
        for number in range(2):
            self.recorder("x.example", b"%d" % number)
            yield Batch([], None)
        if self._failure is not None:
            raise self._failure
        await asyncio.Event().wait()


class Networks:
    """A registry in which every network is the ticker."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.hashtags: list[str] = []

    def find(self, name: str) -> Networks:
        assert name == "x"
        return self

    def __call__(self, settings: Settings) -> Networks:
        return self

    def open_source(self, hashtags: Sequence[str]) -> Source:
        self.hashtags = list(hashtags)
        return Ticker(self.failure)


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
async def test_a_signal_ends_it_with_a_complete_recording(number: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "day.zst"
    sent = [frame(number) for number in range(100)]
    async with jetstream([send(*sent)], [stay]) as server:
        settings = own_settings("127.0.0.1:1", tmp_path, bluesky={"url": server.url, "profiles": False})
        with Tagpulse("record", "bluesky", "--to", path, settings=settings, folder=tmp_path) as recording:
            await eventually(lambda: len(server.queries) == 2, 30, "that it has read all and connects again")
            recording.send_signal(number)
            await eventually(lambda: not recording.running, 10, "the end")
            assert recording.wait(1) == 0, recording.stderr
    assert recording.stdout == f"recorded 100 frames of bluesky in {path} ({path.stat().st_size:,} bytes)\n"
    assert [recorded for recorded, _, _ in await play(path, network="bluesky")] == sent


def test_a_refusal_ends_it_and_the_recording_is_kept(networks: Networks, settings: Settings, tmp_path: Path) -> None:
    networks.failure = Refused("not with this token")
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
