"""An example sink: stores the latest version of each post in SQLite, one file per run, and only the key of deleted posts."""

import os
import sqlite3

from streams.contracts import Deletion, encode
from streams.errors import Unavailable
from streams.sinks.base import Flushed, Sink

KEEP = """insert into posts values (?, ?)
on conflict do update set value = excluded.value where value is not excluded.value"""


class Sqlite(Sink):
    name = "sqlite"

    @classmethod
    def from_settings(cls, settings):
        sink = cls()
        sink.path = f"{os.environ.get('SQLITE_FOLDER', '.')}/{settings.run}.sqlite"
        return sink

    async def open(self):
        self.rows, self.file = [], sqlite3.connect(self.path)
        self.file.execute("create table if not exists posts (key primary key, value)")

    async def write(self, rows):
        self.rows += [(post.key, None if isinstance(post, Deletion) else encode(post)) for _, post in rows]

    async def flush(self):
        try:
            with self.file:  # one transaction; rows that are repeated after a crash change nothing
                stored = self.file.executemany(KEEP, self.rows).rowcount
        except sqlite3.OperationalError as error:  # such as a full disk: the worker waits and calls flush again
            raise Unavailable(str(error)) from error
        self.rows.clear()
        return Flushed(stored)

    async def close(self):
        self.file.close()
