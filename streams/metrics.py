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
    "tagpulse_source_filtered",
    "Messages without a hashtag of the campaign, and posts that are not to be shown",
    ["source"],
    registry=REGISTRY,
)
LOOKUPS = Counter(
    "tagpulse_source_lookups",
    "Requests for the labels on authors, by what came of them: `answered`, `failed` (and made again); "
    "`given_up`: authors that nothing is asked about any more, because too many wait",
    ["source", "outcome"],
    registry=REGISTRY,
)
UNSCREENED = Counter(
    "tagpulse_source_unscreened",
    "Posts passed on before the labels on their authors were known: is the server of profiles away?",
    ["source"],
    registry=REGISTRY,
)
FRAMES_REPEATED = Counter(
    "tagpulse_source_repeated",
    "Messages that a source gave again, after a reconnect or through another server",
    ["source"],
    registry=REGISTRY,
)
MALFORMED = Counter(
    "tagpulse_source_malformed",
    "Frames and lines that could not be read and were passed over",
    ["source"],
    registry=REGISTRY,
)
SHARED_IDS = Counter(
    "tagpulse_source_shared_ids",
    "Posts that share an id with an earlier post of another author or text; sinks keep only one of them: were ids rounded?",
    ["source"],
    registry=REGISTRY,
)
RECONNECTS = Counter(
    "tagpulse_source_reconnects", "Connections made anew: is the network shaky?", ["source"], registry=REGISTRY
)
GAPS = Counter(
    "tagpulse_source_gaps", "Stretches of the feed that could not be fetched again", ["source"], registry=REGISTRY
)
SOURCE_BEHIND = Gauge(
    "tagpulse_source_behind_seconds",
    "How long ago the network made the newest message that was read, by its own clock",
    ["source"],
    registry=REGISTRY,
)
QUOTA_USED = Gauge(
    "tagpulse_source_quota_used",
    "Posts read in this month, of those that the plan allows",
    ["source"],
    registry=REGISTRY,
)
QUOTA_LIMIT = Gauge(
    "tagpulse_source_quota_limit", "Posts that the plan allows to be read in a month", ["source"], registry=REGISTRY
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
    "Records written to the topic that the worker has not committed yet, or not handled where it commits much later",
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
UNASSIGNED = Gauge(
    "tagpulse_unassigned_partitions",
    "Partitions that are assigned to no member of the worker's consumer group, so that nobody reads them",
    ["worker"],
    registry=REGISTRY,
)
EXPIRED = Counter(
    "tagpulse_records_expired",
    "Records that retention deleted before the worker had read them: they are missing downstream",
    ["worker", "topic"],
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

# Alerts
ALERT_DELIVERIES = Counter(
    "tagpulse_alert_deliveries",
    "Messages about spikes that a target took or refused for good: is somebody told?",
    ["target", "outcome"],
    registry=REGISTRY,
)
ALERT_RETRIES = Counter(
    "tagpulse_alert_retries", "Attempts to tell a target that failed and are made again", ["target"], registry=REGISTRY
)
ALERT_TARGET_FAILING = Gauge(
    "tagpulse_alert_target_failing",
    "1 while the last attempt to tell a target failed or was refused",
    ["target"],
    registry=REGISTRY,
)
ALERT_LAST_SUCCESS = Gauge(
    "tagpulse_alert_last_success_timestamp_seconds", "When a target last took a message", ["target"], registry=REGISTRY
)
# The watch
MINUTES = Counter(
    "tagpulse_watch_minutes",
    "Parts of minutes that Kafka confirmed: closed, corrected, final, or empty ones that only tell the time",
    ["state"],
    registry=REGISTRY,
)
LATE = Counter(
    "tagpulse_watch_late",
    "Posts that came after their minute was final: it does not count them, the sinks do",
    ["source"],
    registry=REGISTRY,
)
UNREADABLE = Counter(
    "tagpulse_watch_unreadable", "Records that the watch could not read and passed over", ["topic"], registry=REGISTRY
)
WATERMARK = Gauge(
    "tagpulse_watch_watermark_timestamp_seconds",
    "Event time up to which all minutes were looked at for spikes",
    registry=REGISTRY,
)
SPIKES = Counter("tagpulse_spikes", "Spikes told to Kafka", ["hashtag", "kind", "state"], registry=REGISTRY)
OPEN_SPIKES = Gauge("tagpulse_spikes_open", "Spikes that are open now", ["hashtag", "kind"], registry=REGISTRY)

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
