"""How much it takes to raise a spike: the three sensitivities, number by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SensitivityName = Literal["low", "middle", "high"]
SENSITIVITY_NAMES: tuple[SensitivityName, ...] = get_args(SensitivityName)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What is asked before a spike opens. Evidence is in nats: each more makes a false alarm about e times rarer."""

    name: SensitivityName
    evidence: float
    """That the share of negative posts rose."""
    min_posts: int
    """Independent posts in the window that shows it."""
    min_rise: float
    """The rise of the share that is worth an alarm."""
    surge: float
    """How far above the usual the volume must be: typical deviations of its logarithm."""
    min_surge_posts: int
    """Posts in the five minutes that surge."""
    silent_posts: float
    """Posts that should have come, before their absence is a silence."""
    cool_down_minutes: int
    """After a spike closed, before another of its kind may open."""


SENSITIVITIES: dict[SensitivityName, Sensitivity] = {
    "low": Sensitivity(
        name="low",
        evidence=12.0,
        min_posts=20,
        min_rise=0.1,
        surge=8.0,
        min_surge_posts=50,
        silent_posts=30.0,
        cool_down_minutes=60,
    ),
    "middle": Sensitivity(
        name="middle",
        evidence=9.0,
        min_posts=10,
        min_rise=0.06,
        surge=6.0,
        min_surge_posts=25,
        silent_posts=20.0,
        cool_down_minutes=30,
    ),
    "high": Sensitivity(
        name="high",
        evidence=7.0,
        min_posts=6,
        min_rise=0.04,
        surge=4.5,
        min_surge_posts=15,
        silent_posts=12.0,
        cool_down_minutes=15,
    ),
}
