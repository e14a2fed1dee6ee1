"""Plans of rounds of faults, drawn from a seed; the same seed gives the same plan everywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

KINDS = ("grow", "join", "leave", "restart", "kill", "freeze", "clock", "disk", "slow")
WORKERS = ("enrich-0", "enrich-1", "store-parquet-0", "store-postgres-0")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a round."""

    kind: str
    after: float
    """Seconds after the first fault of the round."""
    seconds: float = 0.0
    """How long the fault lasts, or how long the process is away."""
    target: str = ""
    """The process, or the kind of worker that joins."""
    step: int = 0
    """Seconds by which the clock is stepped."""
    delay: float = 0.0
    """Seconds by which a slow network delays data."""
    bytes_per_second: int = 0

    def __str__(self) -> str:
        details = [
            self.target,
            f"by {self.step:+d} s" if self.step else "",
            f"{self.delay:.3f} s late, {self.bytes_per_second:,} bytes/s" if self.delay else "",
            f"for {self.seconds:.1f} s" if self.seconds else "",
        ]
        return f"{self.after:5.2f} s: {self.kind} {' '.join(filter(None, details))}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A round: the number of posts to feed, and the faults that occur meanwhile."""

    seed: int
    posts: int
    rate: float
    """Posts per second."""
    partitions: tuple[int, int]
    """The number for each topic of posts, at the beginning and after it has grown."""
    metadata_seconds: float
    """How often clients look for new partitions."""
    static: bool
    """Whether workers are static members of their groups."""
    first: float
    """The share of the posts that has been sent when the first fault occurs."""
    faults: Sequence[Fault]
    sinks: Sequence[str] = field(default=("parquet", "postgres"))

    @property
    def kinds(self) -> set[str]:
        return {fault.kind for fault in self.faults}

    def __str__(self) -> str:
        before, after = self.partitions
        lines = [
            f"seed {self.seed}: {self.posts:,} posts at {self.rate:.0f}/s, {before} partitions (grown: {after}), "
            f"{'static' if self.static else 'dynamic'} members, metadata every {self.metadata_seconds:.1f} s; "
            f"with {self.first:.0%} of the posts sent, and then after",
            *map(str, self.faults),
        ]
        return "\n  ".join(lines)


def combined(seed: int) -> Plan:
    """Return a plan with two or three faults at once."""
    dice = random.Random(seed)
    kinds = dice.sample(KINDS, dice.choice((2, 3)))
    afters = [0.0, *(dice.uniform(0.0, 4.0) for _ in kinds[1:])]
    before = dice.choice((2, 4, 8))
    return Plan(
        seed=seed,
        posts=5_000,
        rate=dice.uniform(250.0, 600.0),
        partitions=(before, before + dice.choice((2, 4, 8))),
        metadata_seconds=dice.uniform(0.5, 2.0),
        static="restart" in kinds or dice.random() < 0.5,
        first=max(0.0, dice.uniform(-0.2, 0.8)),  # a fifth of the rounds while the processes start
        faults=[_fault(dice, kind, after) for kind, after in zip(kinds, afters, strict=True)],
    )


def growth(seed: int) -> Plan:
    """Return a plan that adds partitions under load; in half of the plans, the network has latency as between machines."""
    dice = random.Random(seed)
    grow = Fault(kind="grow", after=0.0)
    slow = Fault(kind="slow", after=0.0, delay=dice.uniform(0.005, 0.06), bytes_per_second=5_000_000, seconds=10.0)
    return Plan(
        seed=seed,
        posts=2_000,
        rate=200.0,
        partitions=(4, 8),
        metadata_seconds=dice.uniform(0.5, 2.0),
        static=dice.random() < 0.5,
        first=dice.uniform(0.2, 0.5),
        faults=[slow, grow] if dice.random() < 0.5 else [grow],
        sinks=("parquet",),
    )


def _fault(dice: random.Random, kind: str, after: float) -> Fault:
    match kind:
        case "join":
            joining = dice.choice(("enrich", "enrich", "store-parquet", "store-postgres"))
            return Fault(kind=kind, after=after, target=joining)
        case "leave":
            return Fault(kind=kind, after=after, target=dice.choice(WORKERS), seconds=dice.uniform(2.0, 8.0))
        case "restart":
            return Fault(kind=kind, after=after, target=dice.choice(WORKERS), seconds=dice.uniform(0.0, 3.0))
        case "kill":
            return Fault(kind=kind, after=after, target=dice.choice(("produce", *WORKERS)))
        case "freeze":
            # some freezes last longer than a session (6 s)
            return Fault(
                kind=kind, after=after, target=dice.choice(("broker", *WORKERS)), seconds=dice.uniform(3.0, 9.0)
            )
        case "clock":
            step = dice.choice((-3_600, -600, -60, 60, 600, 3_600))
            return Fault(kind=kind, after=after, step=step, seconds=dice.uniform(2.0, 8.0))
        case "disk":
            return Fault(kind=kind, after=after, seconds=dice.uniform(3.0, 8.0))
        case "slow":
            delay, speed = dice.uniform(0.05, 0.3), dice.randrange(50_000, 500_000)
            return Fault(kind=kind, after=after, delay=delay, bytes_per_second=speed, seconds=dice.uniform(4.0, 10.0))
        case _:
            return Fault(kind=kind, after=after)
