"""The result table of the benchmarks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A measurement and the peer that it is compared with."""

    what: str
    ours: float
    unit: str
    peer: str
    peers: float | None
    ratio: float


def show(rows: Sequence[Row], title: str, *, as_json: bool) -> None:
    """Print the rows as a table, or as one JSON object each."""
    if as_json:
        for row in rows:
            print(json.dumps(asdict(row)))
        return
    table = Table("what", "ours", "peer", "", "ratio", title=title)
    for row in rows:
        peers = "" if row.peers is None else f"{row.peers:,.1f}"
        table.add_row(row.what, f"{row.ours:,.1f} {row.unit}", row.peer, peers, f"{row.ratio:.2f}")
    Console().print(table)
