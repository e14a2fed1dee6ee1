"""What a proof found, as a line of JSON and as a row of the report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

PROOFS = Path(__file__).with_name("proofs.jsonl")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "proofs.md"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One fault, brought about so many times while so many posts passed."""

    fault: str
    times: int
    posts: int
    lost: int
    twice: int
    """Records on `posts.enriched` beyond the first of their post: what the lake has to leave out."""
    recovered: float | None = None
    """Seconds from the end of the fault until every process handled posts again, the longest of all times."""
    size: str = ""
    """What was shorter than the full proof, where something was."""
    note: str = ""
    on: str = ""
    """The day of the run."""

    @property
    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


def read(path: Path = PROOFS) -> list[Proof]:
    """The proofs of a file, of each fault the last one."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return list({line["fault"]: Proof(**line) for line in lines}.values())


_HEAD = """\
# Proofs

What the pipeline is put through, with real processes on Apache Kafka: a producer, two enrich workers (of a constant
model unless a note says otherwise) and the Parquet lake. Every post that was sent is looked up in the lake afterwards.

- **Lost**: posts that the lake has not.
- **Twice**: records that stand on `posts.enriched` more than once, as at-least-once allows. The lake showed each post once in
  all of these runs, and its files held no row twice unless a note says so.
- **Recovery**: seconds from the end of the fault (for a killed process: from the kill) until every process concerned handled
  posts again, the longest of all times. The start of a process is part of it, and the two cores of the run had much else to do.

Every process that ended without being killed said in its last line why.

`make proofs` runs them in full and writes this page; `make test` runs the same code with few posts and short faults.

| fault | times | posts | lost | twice | recovery (s) | day |
|---|---:|---:|---:|---:|---:|---|
"""


def page(proofs: Iterable[Proof]) -> str:
    """`docs/proofs.md`."""
    rows, notes = [], []
    for proof in proofs:
        told = "; ".join(filter(None, [proof.size, proof.note]))
        recovered = "" if proof.recovered is None else f"{proof.recovered:.1f}"
        mark = ""
        if told:
            notes.append(f"{len(notes) + 1}. {proof.fault}: {told}.\n")
            mark = f" ({len(notes)})"
        numbers = f"{proof.times:,} | {proof.posts:,} | {proof.lost:,} | {proof.twice:,} | {recovered}"
        rows.append(f"| {proof.fault}{mark} | {numbers} | {proof.on} |\n")
    return _HEAD + "".join(rows) + ("\n" + "".join(notes) if notes else "")


if __name__ == "__main__":
    PAGE.write_text(page(read()), encoding="utf-8")
