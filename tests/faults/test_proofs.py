"""Results of rounds are kept by seed and added up, and failures are never forgotten."""

from __future__ import annotations

from pathlib import Path

from tests.faults.proofs import COMBINED, Proof, page, read, seeds


def _round(seed: int, **more: object) -> Proof:
    facts = {"fault": COMBINED, "times": 1, "posts": 5_000, "lost": 0, "twice": 10, "on": "2026-11-29"} | more
    return Proof(seed=seed, **facts)  # type: ignore[arg-type]


def test_rounds_add_up(tmp_path: Path) -> None:
    path = tmp_path / "proofs.jsonl"
    rounds = [
        _round(0, kinds=["grow", "kill"], stood_still=3.0),
        _round(1, kinds=["grow", "slow"], stood_still=8.04, on="2026-11-30"),
        _round(1, kinds=["grow", "slow"], stood_still=9.0, on="2026-12-01"),
    ]
    path.write_text("".join(f"{each.line}\n" for each in rounds))
    assert read(path) == [rounds[0], rounds[2]]
    assert seeds(path, COMBINED) == {0, 1}
    written = page(read(path))
    assert f"| {COMBINED} (1) | 2 | 10,000 | 0 | 20 |  | 2026-12-01 |" in written
    assert (
        "grow 2, kill 1, slow 1; the longest time that a partition with unread records made no progress while others did: 9.0 s, as measured in 2 of 2 rounds"
        in written
    )


def test_a_failed_round_is_reported(tmp_path: Path) -> None:
    failed = _round(7, lost=28, failed="28 of 5000 posts are lost")
    assert "| 1 | 5,000 | 28 |" in page([failed])
    assert "seed 7 failed: 28 of 5000 posts are lost" in page([failed])
