"""The metrics follow the naming rules of Prometheus, and their labels stay bounded whatever the feed contains."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from streams import metrics
from streams.metrics import OTHER, REGISTRY, BoundedLabel
from streams.reference import all_metrics, label_names

METRICS = list(all_metrics())


def _name(metric: MetricWrapperBase) -> str:
    [family] = metric.describe()
    return str(family.name)


@pytest.mark.parametrize("metric", METRICS, ids=_name)
def test_names_follow_the_rules_of_prometheus(metric: MetricWrapperBase) -> None:
    [family] = metric.describe()
    name, labels = family.name, label_names(metric)
    assert re.fullmatch(r"tagpulse(_[a-z]+)+", name)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in labels)
    assert not set(labels) & {"le", "quantile", "job", "instance"}
    assert family.documentation
    if isinstance(metric, Counter):
        assert not name.endswith(("_total", "_count", "_sum"))
    if isinstance(metric, Gauge):
        assert not name.endswith(("_total", "_bucket", "_count", "_sum"))
    if isinstance(metric, Histogram):
        assert name.endswith(("_seconds", "_posts"))


def test_the_registry_holds_every_metric_and_nothing_else() -> None:
    assert {family.name for family in REGISTRY.collect()} == set(map(_name, METRICS))


def test_the_page_can_be_read() -> None:
    assert list(text_string_to_metric_families(generate_latest(REGISTRY).decode()))


def test_buckets_rise() -> None:
    for metric in METRICS:
        if isinstance(metric, Histogram):
            one = metric.labels(*label_names(metric)) if label_names(metric) else metric
            [family] = one.collect()
            bounds = [float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels]
            assert len(bounds) > 1
            assert bounds == sorted(set(bounds))


def test_the_labels_of_a_campaign_are_its_own() -> None:
    label = BoundedLabel(["poltwt", "k9"], limit=1)
    assert label.of("poltwt") == "poltwt"
    assert label.of("lunch") == OTHER
    assert label.among(["lunch", "k9", "poltwt", "k9"]) == ["k9", "poltwt"]
    assert label.among(["lunch"]) == label.among([]) == [OTHER]


def test_without_a_campaign_the_first_names_have_labels() -> None:
    label = BoundedLabel([], limit=2)
    assert label.among(["a", "b", "c"]) == ["a", "b"]
    assert label.of("c") == OTHER
    assert label.of("a") == "a"


@given(st.lists(st.lists(st.text(max_size=3))), st.integers(1, 5))
def test_the_number_of_label_values_is_bounded(posts: list[list[str]], limit: int) -> None:
    label = BoundedLabel([], limit)
    seen = {found for post in posts for found in label.among(post)}
    assert len(seen - {OTHER}) <= limit
    counter = Counter("x", "x", ["hashtag"], registry=CollectorRegistry())
    for found in seen:
        counter.labels(found).inc()


def test_every_sample_says_its_run() -> None:
    metrics.STORED.labels("test").inc()
    families = list(text_string_to_metric_families(generate_latest(metrics.of_run("day-2")).decode()))
    assert families
    assert {sample.labels.get("run") for family in families for sample in family.samples} == {"day-2"}
    assert all("run" not in sample.labels for family in REGISTRY.collect() for sample in family.samples)
