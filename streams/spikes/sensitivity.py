"""The thresholds of the three sensitivities."""

from __future__ import annotations

from dataclasses import dataclass

from streams.contracts import SensitivityName


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The thresholds for opening a spike. Evidence is in nats: one more makes false alarms about e times rarer."""

    name: SensitivityName
    evidence: float
    """Minimum evidence that the share of negative posts rose."""
    min_posts: int
    """Minimum number of independent posts in the window."""
    min_rise: float
    """Minimum rise of the share of negative posts."""
    surge: float
    """Minimum volume above usual, in typical deviations of its logarithm."""
    min_surge_posts: int
    """Minimum number of posts in a quarter of an hour for a surge."""
    silent_posts: float
    """Number of expected posts whose absence makes a silence."""
    cool_down_minutes: int
    """Minutes after a negative spike or a silence closes before another one may open."""
    surge_cool_down_minutes: int
    """Minutes after a volume spike closes before another one may open, unless it is much greater."""


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
