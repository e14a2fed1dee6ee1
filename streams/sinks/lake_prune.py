"""Retention: whole days of the lake go when they are old enough."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from streams.sinks.base import DELETIONS_KEPT
from streams.sinks.lake import DELETIONS, POSTS, SPIKES
from streams.sinks.storage import Storage


@dataclass(frozen=True)
class Pruned:
    """A day that goes."""

    folder: str
    files: int
    bytes: int


def prune(storage: Storage, *, days: int, today: date, execute: bool = False) -> Iterator[Pruned]:
    """The days of every run that lie more than `days` before `today`; removed with `execute`.

    Spikes go with the day on which they opened. Deletions stay a week longer; what was forgotten stays noted for ever.
    """
    for kind, extra in ((POSTS, timedelta()), (DELETIONS, DELETIONS_KEPT), (SPIKES, timedelta())):
        last = today - timedelta(days=days) - extra
        by_day: dict[str, list[str]] = defaultdict(list)
        for name in storage.files(kind):
            by_day["/".join(name.split("/")[:3])].append(name)
        for folder, names in by_day.items():
            day = _day_of(folder)
            if day is None or day >= last:
                continue
            size = sum(storage.sizes(names))
            if execute:
                storage.delete_folder(folder)
            yield Pruned(folder, len(names), size)


def _day_of(folder: str) -> date | None:
    try:
        return date.fromisoformat(folder.rpartition("/date=")[2])
    except ValueError:
        return None
