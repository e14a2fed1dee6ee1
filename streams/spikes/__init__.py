"""Detection of spikes in the minutes of a hashtag. This package uses neither Kafka nor the wall clock."""

from streams.spikes.counts import MinuteCounts, merge_parts
from streams.spikes.detector import Detector
from streams.spikes.events import SpikeEvent
from streams.spikes.sensitivity import SENSITIVITIES, Sensitivity

__all__ = [
    "SENSITIVITIES",
    "Detector",
    "MinuteCounts",
    "Sensitivity",
    "SpikeEvent",
    "merge_parts",
]
