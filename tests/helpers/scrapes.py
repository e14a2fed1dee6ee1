"""Reading the values of metrics, of this process or from the metrics page of another."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def samples(port: int, names: Iterable[str], timeout_seconds: float = 2.0) -> list[Sample]:
    """Return the samples with these names and any labels. Raise OSError while the page cannot be read."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=timeout_seconds) as answer:
        families: Iterable[Metric] = text_string_to_metric_families(answer.read().decode())
    wanted = frozenset(names)
    return [sample for family in families for sample in family.samples if sample.name in wanted]


def value_of(metric: MetricWrapperBase) -> float:
    """Return the value of a counter or gauge of this process, given with its labels, if it has any."""
    [family] = metric.collect()
    return float(family.samples[0].value)
