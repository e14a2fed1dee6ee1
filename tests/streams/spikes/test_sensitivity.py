from __future__ import annotations

from streams.contracts import SENSITIVITY_NAMES
from streams.spikes.sensitivity import SENSITIVITIES


def test_sensitivities_are_in_order() -> None:
    low, middle, high = (SENSITIVITIES[name] for name in SENSITIVITY_NAMES)
    for name in ("evidence", "min_posts", "min_rise", "surge", "min_surge_posts", "silent_posts", "cool_down_minutes"):
        assert getattr(low, name) > getattr(middle, name) > getattr(high, name)
