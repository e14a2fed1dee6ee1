"""Record the raw frames of a live source in a file, with the times at which they came."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import zstandard

from streams.contracts import utc_now
from streams.errors import BadInput
from streams.sources.recording import VERSION, RecordedFrame, RecordingHead

_FLUSH_SECONDS = 5.0  # what is older stands in the file whole, whatever becomes of the process


class Recorder:
    """Writes a recording (JSON lines in Zstandard): it is the tape of a source. Tokens are in no frame."""

    def __init__(
        self,
        path: Path,
        network: str,
        hashtags: Sequence[str],
        *,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises BadInput when the file is there already or cannot be written."""
        try:
            self._file = path.open("xb")
        except OSError as error:
            raise BadInput(f"{path}: cannot be recorded to: {error.strerror}") from None
        self._path = path
        self._now = now
        self._clock = clock
        self._writer = zstandard.ZstdCompressor().stream_writer(self._file)
        self._flushed_at = clock()
        self.frames = 0
        self._write(msgspec.json.encode(RecordingHead(VERSION, network, tuple(hashtags))))

    def __call__(self, origin: str, frame: bytes) -> None:
        """Records a frame. Raises BadInput when the disk takes no more."""
        try:
            recorded = RecordedFrame(self._now(), origin, frame=frame.decode())
        except UnicodeDecodeError:
            recorded = RecordedFrame(self._now(), origin, base64=base64.b64encode(frame).decode())
        self._write(msgspec.json.encode(recorded))
        self.frames += 1

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._path.stat().st_size

    def close(self) -> None:
        """The recording is whole."""
        self._writer.close()  # type: ignore[no-untyped-call]

    def _write(self, line: bytes) -> None:
        try:
            self._writer.write(line + b"\n")
            if self._clock() - self._flushed_at >= _FLUSH_SECONDS:
                self._writer.flush(zstandard.FLUSH_FRAME)
                self._file.flush()
                self._flushed_at = self._clock()
        except OSError as error:
            raise BadInput(f"{self._path}: cannot be recorded to: {error.strerror}") from None
