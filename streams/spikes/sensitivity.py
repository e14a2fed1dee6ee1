"""How much it takes to raise a spike: the three sensitivities, number by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SensitivityName = Literal["low", "middle", "high"]
DEFAULT_SENSITIVITY: SensitivityName = "middle"
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
    """How far above the usual the volume must be, in typical deviations of its logarithm."""
    min_surge_posts: int
    """Posts in the quarter of an hour that surges."""
    silent_posts: float
    """Posts that should have come, before their absence is a silence."""
    cool_down_minutes: int
    """After a negative spike or a silence closed, before another one may open."""
    surge_cool_down_minutes: int
    """After a volume spike closed, before another one that is not much greater may open."""


SENSITIVITIES: dict[SensitivityName, Sensitivity] = {
    "low": Sensitivity(
        name="low",
        evidence=13.0,
        min_posts=20,
        min_rise=0.1,
        surge=4.5,
        min_surge_posts=30,
        silent_posts=30.0,
        cool_down_minutes=60,
        surge_cool_down_minutes=1_440,
    ),
    "middle": Sensitivity(
        name="middle",
        evidence=9.2,
        min_posts=8,
        min_rise=0.06,
        surge=3.3,
        min_surge_posts=10,
        silent_posts=20.0,
        cool_down_minutes=30,
        surge_cool_down_minutes=1_440,
    ),
    "high": Sensitivity(
        name="high",
        evidence=7.0,
        min_posts=6,
        min_rise=0.04,
        surge=2.75,
        min_surge_posts=8,
        silent_posts=12.0,
        cool_down_minutes=15,
        surge_cool_down_minutes=720,
    ),
}
