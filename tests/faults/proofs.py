"""The results of proofs, as lines of JSON and as rows of docs/proofs.md."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PROOFS = Path(__file__).with_name("proofs.jsonl")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "proofs.md"

COMBINED = "two or three faults at once, drawn from a seed"
GROWTH = "`topics grow` from 4 to 8 partitions at 200 posts/s"
FULL_ROUNDS = 200
FULL_GROWTHS = 60


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The result of one fault, injected `times` times while `posts` posts passed, or of one round drawn from a seed."""

    fault: str
    seed: int | None = None
    kinds: Sequence[str] = ()
    """The faults that a round combined."""
    times: int
    posts: int
    lost: int
    twice: int
    """Records on `posts.enriched` beyond the first of their post, which the lake has to leave out."""
    recovered: float | None = None
    """Seconds from the end of the fault until every process handled posts again; the maximum over all times."""
    stood_still: float | None = None
    """Longest time in seconds that a partition with unread records made no progress while others did."""
    failed: str = ""
    """Why the round failed, if it did."""
    size: str = ""
    """What was smaller than in the full proof, if anything was."""
    note: str = ""
    on: str = ""
    """The day of the run."""

    @property
    def line(self) -> str:
        given = {name: value for name, value in asdict(self).items() if value not in (None, "", ())}
        return json.dumps(given, ensure_ascii=False)


def read(path: Path = PROOFS) -> list[Proof]:
    """Return the last proof in a file for each fault and seed."""
    found = (Proof(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    return list({(proof.fault, proof.seed): proof for proof in found}.values())


def seeds(path: Path, fault: str) -> set[int]:
    """Return the seeds of the rounds of a series in a file, including those that failed."""
    return {proof.seed for proof in read(path) if proof.fault == fault and proof.seed is not None}


def _added_up(proofs: Iterable[Proof]) -> list[Proof]:
    """Combine the rounds of each series into one proof."""
    series: dict[str, list[Proof]] = defaultdict(list)
    for proof in proofs:
        series[proof.fault].append(proof)
    return [rounds[0] if rounds[0].seed is None else _sum(rounds) for rounds in series.values()]


def _sum(rounds: Sequence[Proof]) -> Proof:
    kinds = Counter(kind for each in rounds for kind in each.kinds)
    still = [each.stood_still for each in rounds if each.stood_still is not None]
    notes = [
        ", ".join(f"{kind} {times}" for kind, times in sorted(kinds.items())) if len(kinds) > 1 else "",
        f"the longest time that a partition with unread records made no progress while others did: "
        f"{max(still, default=0.0):.1f} s, as measured in {len(still)} of {len(rounds)} rounds",
        *(f"seed {each.seed} failed: {each.failed}" for each in rounds if each.failed),
    ]
    return Proof(
        fault=rounds[0].fault,
        times=sum(each.times for each in rounds),
        posts=sum(each.posts for each in rounds),
        lost=sum(each.lost for each in rounds),
        twice=sum(each.twice for each in rounds),
        note="; ".join(filter(None, notes)),
        on=max(each.on for each in rounds),
    )


_HEAD = """\
# Proofs

The faults that were injected into real processes on Apache Kafka: a producer, two enrich workers (with a constant model
unless a note says otherwise) and a store worker with the Parquet lake. Afterwards, every post that was sent is looked up
in the lake.

- **Lost**: posts that are missing from the lake.
- **Twice**: records that were written to `posts.enriched` more than once, as at-least-once delivery allows. In all of these
  runs, the lake showed each post once, and its files contained no row twice unless a note says so.
- **Recovery**: seconds from the end of the fault (for a killed process: from the kill) until every process concerned handled
  posts again; the longest of all times. This includes the start of a process, on two cores that were also busy otherwise.

The last line of every process that ended without being killed gave the reason.

Randomised rounds are generated from a seed, and their results add up over several runs. A round of combined faults has 5,000
posts at 250 to 600/s and also stores to PostgreSQL; a post counts as lost if either sink does not show it. A round that only
adds partitions has 2,000 posts and stores only to the lake; in half of these rounds, the network delays everything by 5 to 60 ms.
A round also fails if a partition with unread records makes no progress for 60 s while the other partitions of its group make
progress or have nothing to read, if a process ends for good, or if a sink shows a post twice. The faults are:

- *grow*: partitions are added; *join*: one more worker starts; *leave*: a worker gets SIGTERM and is started again seconds later;
- *restart*: a worker gets `kill -9` and returns as the same static member; *kill*: a worker or the producer gets `kill -9`;
- *freeze*: a worker or the broker gets SIGSTOP; *clock*: the clock of every process is wrong by up to an hour for a while;
- *disk*: the disk of the lake is full; *slow*: the network between all processes and the broker has high latency and low bandwidth.

`make proofs` injects all of them in full and writes this page; `make test` runs the same code with few posts and short faults.

| fault | times | posts | lost | twice | recovery (s) | day |
|---|---:|---:|---:|---:|---:|---|
"""


def page(proofs: Iterable[Proof]) -> str:
    """Return the text of docs/proofs.md."""
    rows: list[str] = []
    notes: list[str] = []
    for proof in _added_up(proofs):
        note = "; ".join(filter(None, [proof.size, proof.note]))
        recovered = "" if proof.recovered is None else f"{proof.recovered:.1f}"
        mark = ""
        if note:
            notes.append(f"{len(notes) + 1}. {proof.fault}: {note}.\n")
            mark = f" ({len(notes)})"
        numbers = f"{proof.times:,} | {proof.posts:,} | {proof.lost:,} | {proof.twice:,} | {recovered}"
        rows.append(f"| {proof.fault}{mark} | {numbers} | {proof.on} |\n")
    return _HEAD + "".join(rows) + ("\n" + "".join(notes) if notes else "")


if __name__ == "__main__":
    found = read()
    PROOFS.write_text("".join(f"{proof.line}\n" for proof in found), encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")
