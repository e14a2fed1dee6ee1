"""A seed means the same round on every machine, because the proofs identify rounds by their seeds."""

from __future__ import annotations

from tests.faults.plans import KINDS, combined, growth


def test_a_seed_determines_the_round() -> None:
    assert str(combined(25)).splitlines() == [
        "seed 25: 5,000 posts at 262/s, 4 partitions (grown: 12), static members, metadata every 1.1 s; "
        "with 39% of the posts sent, and then after",
        "   0.00 s: grow",
        "   1.22 s: restart enrich-0 for 1.7 s",
        "   1.89 s: clock by +3600 s for 7.0 s",
    ]
    assert growth(1) == growth(1) != growth(2)


def test_every_fault_is_drawn_and_some_at_the_start() -> None:
    plans = [combined(seed) for seed in range(200)]
    assert {kind for plan in plans for kind in plan.kinds} == set(KINDS)
    assert all(2 <= len(plan.kinds) == len(plan.faults) <= 3 for plan in plans)
    assert {plan.static for plan in plans} == {True, False}
    assert sum(plan.first == 0 for plan in plans) > 20
    assert all(plan.static for plan in plans if "restart" in plan.kinds)
