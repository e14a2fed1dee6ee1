"""All metrics, with their names, labels and units; `docs/metrics.md` is generated from this file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

from models.enrichment import SEVERAL

REGISTRY = CollectorRegistry()

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

BUILD = Gauge("tagpulse_build_info", "Version and role of this process", ["version", "role"], registry=REGISTRY)

# From the sources to Kafka
RECEIVED = Counter(
    "tagpulse_source_received",
    "Messages received from a source; shows whether the network is alive",
    ["source", "kind"],
    registry=REGISTRY,
)
FILTERED = Counter(
    "tagpulse_source_filtered",
    "Messages dropped because they have no hashtag of the campaign, and posts that must not be shown",
    ["source"],
    registry=REGISTRY,
)
LOOKUPS = Counter(
    "tagpulse_source_lookups",
    "Requests for the labels on authors, by outcome: `answered`, or `failed` (and retried); "
    "`given_up` counts authors who are no longer looked up because too many are waiting",
    ["source", "outcome"],
    registry=REGISTRY,
)
UNSCREENED = Counter(
    "tagpulse_source_unscreened",
    "Posts passed on before the labels on their authors were known; rises when the profile server is unavailable",
    ["source"],
    registry=REGISTRY,
)
FRAMES_REPEATED = Counter(
    "tagpulse_source_repeated",
    "Messages received again, after a reconnect or through another server",
    ["source"],
    registry=REGISTRY,
)
MALFORMED = Counter(
    "tagpulse_source_malformed",
    "Frames and lines that could not be read",
    ["source"],
    registry=REGISTRY,
)
SHARED_IDS = Counter(
    "tagpulse_source_shared_ids",
    "Posts with the id of an earlier post but another author or text; sinks keep only one; often the ids were rounded",
    ["source"],
    registry=REGISTRY,
)
RECONNECTS = Counter(
    "tagpulse_source_reconnects",
    "Reconnections to a source; rises when the network is unstable",
    ["source"],
    registry=REGISTRY,
)
GAPS = Counter("tagpulse_source_gaps", "Gaps in the feed that could not be filled", ["source"], registry=REGISTRY)
SOURCE_BEHIND = Gauge(
    "tagpulse_source_behind_seconds",
    "Age of the newest message read, by the timestamp of the network",
    ["source"],
    registry=REGISTRY,
)
QUOTA_USED = Gauge(
    "tagpulse_source_quota_used",
    "Posts read this month that count towards the plan's limit",
    ["source"],
    registry=REGISTRY,
)
QUOTA_LIMIT = Gauge(
    "tagpulse_source_quota_limit", "Posts that the plan allows per month", ["source"], registry=REGISTRY
)
SOURCE_LAST_EVENT = Gauge(
    "tagpulse_source_last_event_timestamp_seconds",
    "Event time of the newest message from a source",
    ["source"],
    registry=REGISTRY,
)
PRODUCED = Counter("tagpulse_produced", "Messages confirmed by Kafka", ["source", "kind"], registry=REGISTRY)
IN_FLIGHT = Gauge(
    "tagpulse_produce_in_flight",
    "Messages sent but not yet confirmed; at the limit, the source waits",
    registry=REGISTRY,
)
IN_FLIGHT_LIMIT = Gauge(
    "tagpulse_produce_in_flight_limit", "Maximum number of messages sent but not yet confirmed", registry=REGISTRY
)
BROKER_AWAY = Gauge(
    "tagpulse_broker_unavailable", "1 while Kafka does not confirm the messages sent to it", registry=REGISTRY
)

# Enrichment
ENRICHED = Counter(
    "tagpulse_posts_enriched",
    "Posts enriched and confirmed; shows the live mood",
    ["source", "hashtag", "language", "sentiment"],
    registry=REGISTRY,
)
LABELS = {
    name: Counter(
        f"tagpulse_posts_{one}",
        f"{name.capitalize()} found in enriched posts; a post may have several or none",
        ["hashtag", one],
        registry=REGISTRY,
    )
    for name, one in SEVERAL.items()
}
CAMPAIGN_TOPICS = Counter(
    "tagpulse_posts_campaign_topic", "Campaign topics found in enriched posts", ["hashtag", "topic"], registry=REGISTRY
)
JUDGED = Counter(
    "tagpulse_posts_judged",
    "Enriched posts whose sentiment was compared with the model's threshold of confidence",
    ["language"],
    registry=REGISTRY,
)
SURE = Counter(
    "tagpulse_posts_sure",
    "Judged posts whose sentiment reaches the threshold; their share is the accuracy to expect. If it is below "
    "`tagpulse_model_accuracy`, the posts are unlike those that the model was checked on",
    ["language"],
    registry=REGISTRY,
)
ACCURACY = Gauge(
    "tagpulse_model_accuracy",
    "Accuracy of the model's sentiment on the labelled posts that it was checked on",
    ["name", "version"],
    registry=REGISTRY,
)
DELETIONS = Counter("tagpulse_deletions", "Deletions passed on", ["source"], registry=REGISTRY)
DEAD_LETTERS = Counter(
    "tagpulse_dead_letters", "Records sent to the dead letters", ["worker", "reason"], registry=REGISTRY
)
BATCH_POSTS = Histogram(
    "tagpulse_batch_posts",
    "Posts per batch; shows whether the worker is busy or idle",
    ["worker"],
    buckets=_BATCHES,
    registry=REGISTRY,
)
INFERENCE = Histogram("tagpulse_inference_seconds", "Inference time per batch", buckets=_SECONDS, registry=REGISTRY)
END_TO_END = Histogram(
    "tagpulse_end_to_end_seconds",
    "Time from the collection of a post until its enrichment is confirmed",
    buckets=_SECONDS,
    registry=REGISTRY,
)
CACHE = Counter("tagpulse_model_cache_lookups", "Texts looked up in the model's cache", ["result"], registry=REGISTRY)
MODEL = Gauge(
    "tagpulse_model_info",
    "Model in use, with its runtime and numeric precision",
    ["name", "version", "runtime", "precision"],
    registry=REGISTRY,
)

# Progress of a worker
ACKNOWLEDGED = Counter(
    "tagpulse_acknowledged", "Records acknowledged", ["worker", "topic", "partition"], registry=REGISTRY
)
LAG = Gauge(
    "tagpulse_consumer_lag",
    "Records in the topic that the worker has not committed yet, or not handled yet where it commits much later",
    ["worker", "topic", "partition"],
    registry=REGISTRY,
)
LAST_EVENT = Gauge(
    "tagpulse_last_event_timestamp_seconds", "Event time of the newest record handled", ["worker"], registry=REGISTRY
)
STALLED = Gauge(
    "tagpulse_worker_stalled",
    "1 when there is lag but nothing has been acknowledged for too long",
    ["worker"],
    registry=REGISTRY,
)
UNASSIGNED = Gauge(
    "tagpulse_unassigned_partitions",
    "Partitions that are not assigned to any member of the worker's consumer group and are therefore not read",
    ["worker"],
    registry=REGISTRY,
)
EXPIRED = Counter(
    "tagpulse_records_expired",
    "Records that retention deleted before the worker read them; they are missing downstream",
    ["worker", "topic"],
    registry=REGISTRY,
)
OUTPUT_RETRIES = Counter(
    "tagpulse_output_retries",
    "Outputs that failed and were retried; rises when Kafka or a disk is unavailable",
    ["worker"],
    registry=REGISTRY,
)

# Sinks
SINK_AWAY = Gauge(
    "tagpulse_sink_unavailable",
    "1 while a sink does not respond and its worker waits for it",
    ["sink"],
    registry=REGISTRY,
)
STORED = Counter("tagpulse_sink_rows", "Rows made durable by a sink", ["sink"], registry=REGISTRY)
REPEATED = Counter(
    "tagpulse_sink_repeated_rows", "Rows that the sink already had, after a restart", ["sink"], registry=REGISTRY
)
FLUSH = Histogram(
    "tagpulse_sink_flush_seconds", "Time to make a batch durable", ["sink"], buckets=_SECONDS, registry=REGISTRY
)

# Alerts
ALERT_DELIVERIES = Counter(
    "tagpulse_alert_deliveries",
    "Messages about spikes that a target accepted or permanently refused; shows whether alerts arrive",
    ["target", "outcome"],
    registry=REGISTRY,
)
ALERT_RETRIES = Counter(
    "tagpulse_alert_retries", "Failed deliveries to a target that are retried", ["target"], registry=REGISTRY
)
ALERT_TARGET_FAILING = Gauge(
    "tagpulse_alert_target_failing",
    "1 while the last delivery to a target failed or was refused",
    ["target"],
    registry=REGISTRY,
)
ALERT_LAST_SUCCESS = Gauge(
    "tagpulse_alert_last_success_timestamp_seconds",
    "When a target last accepted a message",
    ["target"],
    registry=REGISTRY,
)

# Minutes and spikes
MINUTES = Counter(
    "tagpulse_watch_minutes",
    "Partial minutes confirmed by Kafka: closed, corrected, final, or empty ones that only advance the time",
    ["state"],
    registry=REGISTRY,
)
LATE = Counter(
    "tagpulse_watch_late",
    "Posts that arrived after their minute was final; the minute does not count them, the sinks do",
    ["source"],
    registry=REGISTRY,
)
UNREADABLE = Counter(
    "tagpulse_watch_unreadable",
    "Records that the watch worker could not read and skipped",
    ["topic"],
    registry=REGISTRY,
)
WATERMARK = Gauge(
    "tagpulse_watch_watermark_timestamp_seconds",
    "Event time up to which all minutes have been checked for spikes",
    registry=REGISTRY,
)
SPIKES = Counter("tagpulse_spikes", "Spike events published to Kafka", ["hashtag", "kind", "state"], registry=REGISTRY)
OPEN_SPIKES = Gauge("tagpulse_spikes_open", "Spikes that are currently open", ["hashtag", "kind"], registry=REGISTRY)

OTHER = "other"
MAX_SOURCES = 20


class BoundedLabel:
    """Keeps the number of values of a label bounded, whatever the feed contains.

    The given names, or the first `limit` names seen if none are given, have a value of their own; all others become
    `other`.
    """

    def __init__(self, names: Collection[str], limit: int) -> None:
        """Allow the given names, or, if there are none, the first `limit` names seen."""
        self._names = set(names)
        self._free = 0 if names else limit

    def of(self, name: str) -> str:
        """Return the label value of a name."""
        if self._free and name not in self._names:
            self._names.add(name)
            self._free -= 1
        return name if name in self._names else OTHER

    def among(self, names: Sequence[str]) -> list[str]:
        """Return the distinct label values of several names; `other` only if none has a value of its own."""
        return [label for label in dict.fromkeys(map(self.of, names)) if label != OTHER] or [OTHER]


def of_run(run: str) -> CollectorRegistry:
    """Return all metrics of this process with a `run` label, which separates replays from the live run."""
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
