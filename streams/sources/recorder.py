"""Records the raw frames of a live source in a file, with their arrival times."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from streams.contracts import utc_now
from streams.errors import BadInput
from streams.sources.recording import VERSION, RecordedFrame, RecordingHead
from streams.sources.zstd import ZstdFile

_FLUSH_SECONDS = 5.0  # frames older than this are safely in the file, even if the process crashes


class Recorder:
    """Writes a recording (JSON lines in Zstandard) when set as the `recorder` of a source. Frames never contain tokens."""

    def __init__(
        self,
        path: Path,
        network: str,
        hashtags: Sequence[str],
        *,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the file and write its head.

        Raises:
            BadInput: The file exists already or cannot be written.
        """
        try:
            self._file = path.open("xb")
        except OSError as error:
            raise BadInput(f"{path}: the recording cannot be written: {error.strerror}") from None
        self._path = path
        self._now = now
        self._clock = clock
        self._writer = ZstdFile(self._file, "w")
        self._flushed_at = clock()
        self.frames = 0
        self._write(msgspec.json.encode(RecordingHead(VERSION, network, tuple(hashtags))))

    def __call__(self, origin: str, frame: bytes) -> None:
        """Record a frame.

        Raises:
            BadInput: The file cannot be written, e.g. because the disk is full.
        """
        try:
            recorded = RecordedFrame(self._now(), origin, frame=frame.decode())
        except UnicodeDecodeError:
            recorded = RecordedFrame(self._now(), origin, base64=base64.b64encode(frame).decode())
        self._write(msgspec.json.encode(recorded))
        self.frames += 1

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Complete the recording and close the file."""
        self._writer.close()
        self._file.close()

    def _write(self, line: bytes) -> None:
        try:
            self._writer.write(line + b"\n")
            if self._clock() - self._flushed_at >= _FLUSH_SECONDS:
                self._writer.flush(self._writer.FLUSH_FRAME)  # type: ignore[arg-type]
                self._file.flush()
                self._flushed_at = self._clock()
        except OSError as error:
            raise BadInput(f"{self._path}: the recording cannot be written: {error.strerror}") from None
