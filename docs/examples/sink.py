"""A sink of your own: posts and deletions as JSON lines, a file for each partition."""

import fcntl
import json
import os
from collections import defaultdict
from pathlib import Path

from streams.contracts import encode
from streams.errors import Unavailable
from streams.sinks.base import Flushed, Sink


class JsonLines(Sink):
    name = "jsonlines"

    def __init__(self, folder):
        self._folder = folder
        self._rows = defaultdict(list)

    @classmethod
    def from_settings(cls, settings):
        return cls(Path(os.environ.get("JSONLINES_PATH", "jsonlines")) / settings.run)

    async def open(self):
        self._folder.mkdir(parents=True, exist_ok=True)

    async def write(self, rows):
        for row in rows:
            self._rows[f"{row.record.topic}-{row.record.partition}.jsonl"].append(row)

    async def flush(self):
        try:
            stored = sum(_append(self._folder / name, rows) for name, rows in self._rows.items())
        except OSError as error:  # a full disk, say: the worker waits and calls flush again
            raise Unavailable(str(error)) from error
        self._rows.clear()
        return Flushed(stored)

    async def close(self):
        self._rows.clear()


def _append(path, rows):
    """Writes the rows behind the last whole line: after a crash some come again, and half a line may stand there."""
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # for a moment two workers may believe that the partition is theirs
        start = max(0, file.tell() - 2**22)
        file.seek(start)
        whole, newline, _ = file.read().rpartition(b"\n")
        file.truncate(start + len(whole + newline))
        last = json.loads(whole.rpartition(b"\n")[2])["offset"] if whole else -1
        new = [(record, message) for record, message in rows if record.offset > last]
        file.writelines(b'{"offset":%d,"message":%b}\n' % (record.offset, encode(message)) for record, message in new)
        file.flush()
        os.fsync(file.fileno())
    return len(new)
