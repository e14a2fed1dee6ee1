"""Retention: remove old days of the lake, and old rows from folders of longer periods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pac

from streams.sinks.base import EXTRA_DELETION_RETENTION
from streams.sinks.lake.files import base_name, describe, files_of, read_table, replace
from streams.sinks.lake.folders import DELETIONS, POSTS, SPIKES, LakeFile
from streams.sinks.lake.storage import Storage


@dataclass(frozen=True)
class Pruned:
    """A day that is removed, or the old rows of a file in a folder of a longer period."""

    folder: str
    files: int
    bytes: int
    """Size of the removed files in bytes; estimated for a file that loses only some of its rows."""


def prune(storage: Storage, *, days: int, today: date, execute: bool = False) -> Iterator[Pruned]:
    """Find the data of every run that is more than `days` older than `today`, and remove it if `execute` is set.

    Spikes are removed with the day on which they opened. Deletions are kept a week longer; erasure records are never
    removed.
    """
    for kind, extra in ((POSTS, timedelta()), (DELETIONS, EXTRA_DELETION_RETENTION), (SPIKES, timedelta())):
        last = datetime.combine(today, time(), UTC) - timedelta(days=days) - extra
        whole: dict[str, list[LakeFile]] = defaultdict(list)
        for file in files_of(storage, kind):
            if file.end <= last:
                whole[file.folder.rpartition("/")[0] if file.is_hour else file.folder].append(file)
            elif file.start < last and (part := _without_older(storage, file, last, execute)):
                yield part
        for folder, files in whole.items():
            size = sum(storage.sizes([file.name for file in files]))
            if execute:
                for gone in {file.folder for file in files}:
                    storage.delete_folder(gone)
            yield Pruned(folder, len(files), size)


def _without_older(storage: Storage, file: LakeFile, last: datetime, execute: bool) -> Pruned | None:
    """Rewrite a file without its old rows; return None if it has none, or if a compaction has just replaced it."""
    column = "created_at" if file.kind == POSTS else "deleted_at"
    try:
        kept = pac.greater_equal(read_table(storage, file.name, [column]).column(column), pa.scalar(last))
        left = pac.sum(kept).as_py() or 0
        if left == len(kept):
            return None
        (size,) = storage.sizes([file.name])
        if execute:
            ids = {base_name(file.name): describe(storage, file.name)[0]}
            replace(storage, file.folder, ids, {file.span: read_table(storage, file.name).filter(kept)})
    except FileNotFoundError:
        return None
    return Pruned(file.folder, 1, round(size * (len(kept) - left) / len(kept)))
