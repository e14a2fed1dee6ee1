"""The metrics of a process: what its page shows, and what a test reads in its own."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def samples(port: int, names: Iterable[str], timeout_seconds: float = 2.0) -> list[Sample]:
    """The samples of these names, of all labels. Raises OSError while the process cannot be asked."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=timeout_seconds) as answer:
        families: Iterable[Metric] = text_string_to_metric_families(answer.read().decode())
    wanted = frozenset(names)
    return [sample for family in families for sample in family.samples if sample.name in wanted]


def value_of(metric: MetricWrapperBase) -> float:
    """The value of a counter or gauge of this process, with its labels if it has any."""
    (family,) = metric.collect()
    return family.samples[0].value
