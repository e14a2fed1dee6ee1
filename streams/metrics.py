"""Every metric: its name, labels and unit, and in one line why it is there. `docs/metrics.md` is made from this file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

BUILD = Gauge("tagpulse_build_info", "Which tagpulse runs here, and as what", ["version", "role"], registry=REGISTRY)

# From the sources to Kafka
RECEIVED = Counter(
    "tagpulse_source_received",
    "Messages that a source gave: is the network alive?",
    ["source", "kind"],
    registry=REGISTRY,
)
FILTERED = Counter(
    "tagpulse_source_filtered", "Messages without a hashtag of the campaign", ["source"], registry=REGISTRY
)
MALFORMED = Counter(
    "tagpulse_source_malformed",
    "Frames and lines that could not be read and were passed over",
    ["source"],
    registry=REGISTRY,
)
RECONNECTS = Counter(
    "tagpulse_source_reconnects", "Connections made anew: is the network shaky?", ["source"], registry=REGISTRY
)
GAPS = Counter(
    "tagpulse_source_gaps", "Stretches of the feed that could not be fetched again", ["source"], registry=REGISTRY
)
SOURCE_LAST_EVENT = Gauge(
    "tagpulse_source_last_event_timestamp_seconds",
    "Event time of the newest message of a source",
    ["source"],
    registry=REGISTRY,
)
PRODUCED = Counter("tagpulse_produced", "Messages that Kafka confirmed", ["source", "kind"], registry=REGISTRY)
IN_FLIGHT = Gauge(
    "tagpulse_produce_in_flight", "Messages sent and not confirmed: at its limit the source waits", registry=REGISTRY
)
IN_FLIGHT_LIMIT = Gauge(
    "tagpulse_produce_in_flight_limit", "Messages that may be sent and not confirmed", registry=REGISTRY
)
BROKER_AWAY = Gauge(
    "tagpulse_broker_unavailable", "1 while Kafka does not confirm what is sent to it", registry=REGISTRY
)

# Enrichment
ENRICHED = Counter(
    "tagpulse_posts_enriched",
    "Posts enriched and confirmed: the live mood",
    ["source", "hashtag", "language", "sentiment"],
    registry=REGISTRY,
)
TOPICS = Counter(
    "tagpulse_posts_topic",
    "Topics found in enriched posts; a post may have several or none",
    ["hashtag", "topic"],
    registry=REGISTRY,
)
CAMPAIGN_TOPICS = Counter(
    "tagpulse_posts_campaign_topic", "Campaign topics found in enriched posts", ["hashtag", "topic"], registry=REGISTRY
)
DELETIONS = Counter("tagpulse_deletions", "Deletions passed on", ["source"], registry=REGISTRY)
DEAD_LETTERS = Counter(
    "tagpulse_dead_letters", "Records that went to the dead letters", ["worker", "reason"], registry=REGISTRY
)
BATCH_POSTS = Histogram(
    "tagpulse_batch_posts",
    "Posts in a batch: is the worker busy or idle?",
    ["worker"],
    buckets=_BATCHES,
    registry=REGISTRY,
)
INFERENCE = Histogram(
    "tagpulse_inference_seconds", "Time of the model for a batch", buckets=_SECONDS, registry=REGISTRY
)
END_TO_END = Histogram(
    "tagpulse_end_to_end_seconds",
    "From a post's collection to its confirmed enrichment",
    buckets=_SECONDS,
    registry=REGISTRY,
)
CACHE = Counter("tagpulse_model_cache_lookups", "Texts looked up in the model's cache", ["result"], registry=REGISTRY)
MODEL = Gauge(
    "tagpulse_model_info",
    "The model that answers here, what computes it and in which numbers",
    ["name", "version", "runtime", "precision"],
    registry=REGISTRY,
)

# Progress of a worker
ACKNOWLEDGED = Counter(
    "tagpulse_acknowledged", "Records acknowledged", ["worker", "topic", "partition"], registry=REGISTRY
)
LAG = Gauge(
    "tagpulse_consumer_lag",
    "Records written to the topic that the worker has not committed yet",
    ["worker", "topic", "partition"],
    registry=REGISTRY,
)
LAST_EVENT = Gauge(
    "tagpulse_last_event_timestamp_seconds", "Event time of the newest record handled", ["worker"], registry=REGISTRY
)
STALLED = Gauge(
    "tagpulse_worker_stalled",
    "1 when there is lag but nothing was acknowledged for too long",
    ["worker"],
    registry=REGISTRY,
)
OUTPUT_RETRIES = Counter(
    "tagpulse_output_retries",
    "Outputs that failed and were tried again: is Kafka or a disk away?",
    ["worker"],
    registry=REGISTRY,
)

# Sinks
SINK_AWAY = Gauge(
    "tagpulse_sink_unavailable",
    "1 while a sink does not answer and its worker waits for it",
    ["sink"],
    registry=REGISTRY,
)
STORED = Counter("tagpulse_sink_rows", "Rows that a sink made durable", ["sink"], registry=REGISTRY)
REPEATED = Counter(
    "tagpulse_sink_repeated_rows", "Rows that the sink already held, after a restart", ["sink"], registry=REGISTRY
)
FLUSH = Histogram(
    "tagpulse_sink_flush_seconds", "Time to make a batch durable", ["sink"], buckets=_SECONDS, registry=REGISTRY
)

OTHER = "other"
MAX_SOURCES = 20


class BoundedLabel:
    """Bounds a label whatever the feed contains: the names given, or without any the first `limit` seen; else `other`."""

    def __init__(self, names: Collection[str], limit: int) -> None:
        self._names = set(names)
        self._free = 0 if names else limit

    def of(self, name: str) -> str:
        """The label of a name."""
        if self._free and name not in self._names:
            self._names.add(name)
            self._free -= 1
        return name if name in self._names else OTHER

    def among(self, names: Sequence[str]) -> list[str]:
        """The distinct labels of several names; `other` only when none has a label of its own."""
        return [label for label in dict.fromkeys(map(self.of, names)) if label != OTHER] or [OTHER]


def of_run(run: str) -> CollectorRegistry:
    """All metrics of this process with a label `run`: those of a replay stay apart from those of the live day."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Labelled(run))
    return registry


class _Labelled(Collector):
    def __init__(self, run: str) -> None:
        self._run = run

    def collect(self) -> Iterator[Metric]:
        for metric in REGISTRY.collect():
            metric.samples = [sample._replace(labels=sample.labels | {"run": self._run}) for sample in metric.samples]
            yield metric
