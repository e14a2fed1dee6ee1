"""Spikes: turns of the mood and of the volume, found in the minutes of a hashtag. No Kafka and no wall clock in here."""

from streams.spikes.counts import MinuteCounts, merge_parts
from streams.spikes.detector import Detector
from streams.spikes.events import SpikeEvent
from streams.spikes.sensitivity import (
    DEFAULT_SENSITIVITY,
    SENSITIVITIES,
    SENSITIVITY_NAMES,
    Sensitivity,
    SensitivityName,
)

__all__ = [
    "DEFAULT_SENSITIVITY",
    "SENSITIVITIES",
    "SENSITIVITY_NAMES",
    "Detector",
    "MinuteCounts",
    "Sensitivity",
    "SensitivityName",
    "SpikeEvent",
    "merge_parts",
]
