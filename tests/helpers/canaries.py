"""Secrets planted in the settings, and a search for them in everything that processes write and show."""

from __future__ import annotations

import itertools
import re
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import zstandard

from streams.settings.tree import variables
from tests.helpers.processes import Tagpulse, children

_SHAPES = {
    "TAGPULSE_MASTODON__TOKENS": "127.0.0.1:{port}={canary}",
    "TAGPULSE_POSTGRES__DSN": "postgresql://tagpulse:{canary}@127.0.0.1:{port}/tagpulse?connect_timeout=2",
    "TAGPULSE_ALERTS__WEBHOOK_URL": "http://127.0.0.1:{port}/{canary}",
    "TAGPULSE_ALERTS__WEBHOOKS": '[{{"name": "a", "url": "http://127.0.0.1:{port}/{canary}", "secret": "{canary}"}}]',
}
"""The shapes of settings in which the secret is only a part of the value."""


def canaries(port: int) -> dict[str, str]:
    """Return a value for every setting that holds a secret; addresses lead to this port of 127.0.0.1."""
    names = [name for name, variable in variables().items() if "SecretStr" in str(variable.field.annotation)]
    shapes = dict.fromkeys(names, "{canary}") | _SHAPES
    return {name: shape.format(port=port, canary=canary(name)) for name, shape in shapes.items()}


def canary(name: str) -> str:
    """Return the secret in the setting of this name."""
    return "canary-" + name.removeprefix("TAGPULSE_").replace("__", "-").lower()


def leaked(text: str) -> list[str]:
    """Return the settings whose secrets appear in the text."""
    return [name for name in canaries(1) if canary(name) in text]


def shown_by(processes: Iterable[Tagpulse]) -> Iterator[tuple[str, str]]:
    """Yield what the running processes and their children show to others: their command lines and metrics."""
    for process in processes:
        for pid in _family(process.pid):
            yield f"command line {pid}", Path(f"/proc/{pid}/cmdline").read_text()
        for url in re.findall(r"http://\S+/metrics", process.stderr):
            with urllib.request.urlopen(url, timeout=10) as answer:
                yield url, answer.read().decode()


def _family(pid: int) -> list[int]:
    return [pid, *itertools.chain.from_iterable(map(_family, children(pid)))]


def written(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the text of every file in a folder: logs, cursors, recordings and the lake."""
    for path in folder.rglob("*"):
        match path.suffix:
            case _ if path.is_dir():
                continue
            case ".zst":
                with path.open("rb") as file:
                    text = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read().decode()
            case ".parquet":
                text = str(pq.read_table(path, partitioning=None).to_pylist())
            case _:
                text = path.read_text(errors="replace")
        yield str(path.relative_to(folder)), text
