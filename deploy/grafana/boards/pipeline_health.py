"""*Pipeline health*: rate, errors, duration, lag and saturation of every stage."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.boards.panels import (
    ALARM,
    CALM,
    PER_SECOND,
    SHARE,
    AnyPanel,
    Target,
    above,
    course,
    headline,
    rows,
)
from deploy.grafana.boards.queries import PROMETHEUS, prom
from deploy.grafana.boards.variables import asked, guide, new_board, prometheus

_RUN = 'run="$run"'
_WORKER = f'{_RUN}, worker=~"$worker"'
_RATE = "[$__rate_interval]"


def board() -> dashboard.Dashboard:
    made = new_board(
        "tagpulse-pipeline-health",
        "Pipeline health",
        "Rate, errors, duration, lag and saturation of every stage.",
        since="now-1h",
        refresh="15s",
    )
    for variable in (
        prometheus(),
        guide(),
        asked("run", "Run", "label_values(tagpulse_build_info, run)", PROMETHEUS, first="live"),
        asked(
            "worker",
            "Worker",
            'label_values(tagpulse_acknowledged_total{run="$run"}, worker)',
            PROMETHEUS,
            several=True,
        ),
    ):
        made = made.with_variable(variable)
    for title, panels in (
        ("Now", _now()),
        ("Rate", _rates()),
        ("Errors", _errors()),
        ("Duration", _durations()),
        ("Lag", _lags()),
        ("Watch", _watch()),
        ("Saturation", _saturation()),
    ):
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def _quantile(share: float, metric: str, by: str = "", labels: str = _RUN) -> str:
    return f"histogram_quantile({share}, sum by (le{by}) (rate({metric}_bucket{{{labels}}}{_RATE})))"


def _now() -> list[AnyPanel]:
    dead = f"(sum(increase(tagpulse_dead_letters_total{{{_RUN}}}[10m])) or vector(0))"
    return [
        headline(
            "Time through the system",
            "From a post's collection to its confirmed enrichment, 95th percentile.",
            "s",
            prom(_quantile(0.95, "tagpulse_end_to_end_seconds")),
            PROMETHEUS,
            steps=above(10, 30),
            runbook="EndToEndSlow",
        ),
        headline(
            "Records waiting",
            "Records that a worker has not committed yet, over all workers.",
            "short",
            prom(f"sum(tagpulse_consumer_lag{{{_RUN}}})"),
            PROMETHEUS,
            steps=above(5_000, 50_000),
            runbook="ConsumerLagHigh",
        ),
        headline(
            "Dead letters, 10 minutes",
            "Share of the acknowledged records that could not be handled.",
            SHARE,
            prom(f"{dead} / sum(increase(tagpulse_acknowledged_total{{{_RUN}}}[10m]))"),
            PROMETHEUS,
            steps=above(0.01, 0.05),
            decimals=2,
            runbook="DeadLetterShareHigh",
        ),
        headline(
            "Processes",
            "Processes of this run that answer Prometheus.",
            "short",
            prom(f"count(tagpulse_build_info{{{_RUN}}})"),
            PROMETHEUS,
            steps=((None, ALARM), (1, CALM)),
            runbook="NoWorker",
        ),
        headline(
            "Stalled workers",
            "Workers that have records to read but have not acknowledged any for too long.",
            "short",
            prom(f"sum(tagpulse_worker_stalled{{{_RUN}}}) or vector(0)"),
            PROMETHEUS,
            steps=((None, CALM), (1, ALARM)),
            runbook="CommitsStalled",
        ),
        headline(
            "Without Kafka",
            "Processes that get no confirmations from Kafka.",
            "short",
            prom(f"sum(tagpulse_broker_unavailable{{{_RUN}}})"),
            PROMETHEUS,
            steps=((None, CALM), (1, ALARM)),
            runbook="KafkaUnavailable",
        ),
    ]


def _rates() -> list[AnyPanel]:
    return [
        course(
            "Received and produced",
            "Messages a second that the sources delivered, and those that Kafka confirmed; the difference has no hashtag "
            "of the campaign.",
            PER_SECOND,
            [
                prom(f"sum by (source) (rate(tagpulse_source_received_total{{{_RUN}}}{_RATE}))", "received {{source}}"),
                prom(
                    f"sum by (source) (rate(tagpulse_produced_total{{{_RUN}}}{_RATE}))", "produced {{source}}", ref="B"
                ),
            ],
            PROMETHEUS,
            runbook="SourceSilent",
        ),
        course(
            "Acknowledged by worker",
            "Records a second that each worker acknowledged.",
            PER_SECOND,
            [prom(f"sum by (worker) (rate(tagpulse_acknowledged_total{{{_WORKER}}}{_RATE}))", "{{worker}}")],
            PROMETHEUS,
            runbook="CommitsStalled",
        ),
        course(
            "Rows stored",
            "Rows a second that were durably stored, by sink.",
            PER_SECOND,
            [prom(f"sum by (sink) (rate(tagpulse_sink_rows_total{{{_RUN}}}{_RATE}))", "{{sink}}")],
            PROMETHEUS,
            runbook="SinkUnavailable",
        ),
    ]


def _errors() -> list[AnyPanel]:
    def or_none(metric: str, by: str) -> str:
        return f"sum by ({by}) (increase({metric}{{{_RUN}}}[5m])) or on() vector(0)"

    return [
        course(
            "Dead letters",
            "Records that could not be handled in five minutes, by worker and reason.",
            "short",
            [
                prom(or_none("tagpulse_dead_letters_total", "worker, reason"), "{{worker}} {{reason}}"),
            ],
            PROMETHEUS,
            runbook="DeadLetterShareHigh",
        ),
        course(
            "Source problems",
            "In five minutes: unreadable lines, reconnects, gaps in the feed, and posts passed on before the labels on their "
            "authors were known.",
            "short",
            [
                prom(or_none("tagpulse_source_malformed_total", "source"), "unreadable {{source}}"),
                prom(or_none("tagpulse_source_reconnects_total", "source"), "reconnects {{source}}", ref="B"),
                prom(or_none("tagpulse_source_gaps_total", "source"), "gaps {{source}}", ref="C"),
                prom(or_none("tagpulse_source_unscreened_total", "source"), "labels unknown {{source}}", ref="D"),
            ],
            PROMETHEUS,
            runbook="SourceGap",
        ),
        course(
            "Output retries",
            "Failed attempts to write to Kafka or a sink in five minutes.",
            "short",
            [
                prom(or_none("tagpulse_output_retries_total", "worker"), "{{worker}}"),
            ],
            PROMETHEUS,
            runbook="SinkUnavailable",
        ),
    ]


def _durations() -> list[AnyPanel]:
    def quantiles(metric: str) -> list[Target]:
        shares = ((0.5, "median", "A"), (0.95, "95 %", "B"), (0.99, "99 %", "C"))
        return [prom(_quantile(share, metric), legend, ref=ref) for share, legend, ref in shares]

    return [
        course(
            "Time through the system",
            "From a post's collection to its confirmed enrichment: the time within which this share of posts is enriched.",
            "s",
            quantiles("tagpulse_end_to_end_seconds"),
            PROMETHEUS,
            steps=above(10, 30),
            lines=True,
            runbook="EndToEndSlow",
        ),
        course(
            "Model time per batch",
            "The time within which the model handles this share of the batches.",
            "s",
            quantiles("tagpulse_inference_seconds"),
            PROMETHEUS,
            runbook="ModelSlow",
        ),
        course(
            "Flush time",
            "Time to store a batch durably, 95th percentile, by sink.",
            "s",
            [prom(_quantile(0.95, "tagpulse_sink_flush_seconds", by=", sink"), "{{sink}}")],
            PROMETHEUS,
            runbook="SinkUnavailable",
        ),
    ]


def _lags() -> list[AnyPanel]:
    return [
        course(
            "Records waiting by worker",
            "Records that the worker has not committed yet.",
            "short",
            [prom(f"sum by (worker) (tagpulse_consumer_lag{{{_WORKER}}})", "{{worker}}")],
            PROMETHEUS,
            steps=above(5_000, 50_000),
            runbook="ConsumerLagHigh",
        ),
        course(
            "Records waiting by partition",
            "If only one partition lags, its worker makes no progress.",
            "short",
            [prom(f"max by (worker, partition) (tagpulse_consumer_lag{{{_WORKER}}})", "{{worker}} {{partition}}")],
            PROMETHEUS,
            runbook="CommitsStalled",
        ),
        course(
            "Age of the newest post",
            "How far event time is behind the clock, by worker and source. In a replay, it is the age of the replayed day.",
            "s",
            [
                prom(f"time() - max by (worker) (tagpulse_last_event_timestamp_seconds{{{_WORKER}}})", "{{worker}}"),
                prom(
                    f"time() - max by (source) (tagpulse_source_last_event_timestamp_seconds{{{_RUN}}})",
                    "source {{source}}",
                    ref="B",
                ),
            ],
            PROMETHEUS,
            runbook="SourceSilent",
        ),
    ]


def _watch() -> list[AnyPanel]:
    return [
        course(
            "Partial minutes",
            "Partial minutes a second that the watch workers published: closed, corrected by late posts, final.",
            PER_SECOND,
            [prom(f"sum by (state) (rate(tagpulse_watch_minutes_total{{{_RUN}}}{_RATE}))", "{{state}}")],
            PROMETHEUS,
        ),
        course(
            "Late posts",
            "Posts that arrived in five minutes after their minute was final. The sinks have them, the minutes do not.",
            "short",
            [
                prom(
                    f"sum by (source) (increase(tagpulse_watch_late_total{{{_RUN}}}[5m])) or on() vector(0)",
                    "{{source}}",
                )
            ],
            PROMETHEUS,
            runbook="LatePosts",
        ),
        course(
            "Spikes",
            "Open spikes, and the messages about spikes published in five minutes, by state.",
            "short",
            [
                prom(f"sum(tagpulse_spikes_open{{{_RUN}}}) or vector(0)", "open"),
                prom(
                    f"sum by (state) (increase(tagpulse_spikes_total{{{_RUN}}}[5m])) or on() vector(0)",
                    "published {{state}}",
                    ref="B",
                ),
            ],
            PROMETHEUS,
        ),
    ]


def _saturation() -> list[AnyPanel]:
    return [
        course(
            "Model busy",
            "Share of the time in which the model of a process is busy: near 1, it cannot handle more posts.",
            SHARE,
            [prom(f"sum by (instance) (rate(tagpulse_inference_seconds_sum{{{_RUN}}}{_RATE}))", "{{instance}}")],
            PROMETHEUS,
            width=6,
            steps=above(0.7, 0.9),
            lines=True,
            top=1,
            runbook="ModelSaturated",
        ),
        course(
            "Posts per batch",
            "Mean size of the batches, which grow when a worker falls behind.",
            "short",
            [
                prom(
                    f"sum by (worker) (rate(tagpulse_batch_posts_sum{{{_WORKER}}}{_RATE})) "
                    f"/ sum by (worker) (rate(tagpulse_batch_posts_count{{{_WORKER}}}{_RATE}))",
                    "{{worker}}",
                )
            ],
            PROMETHEUS,
            width=6,
            runbook="ConsumerLagHigh",
        ),
        course(
            "Sent but not confirmed",
            "Messages from producers that Kafka has not confirmed: at the limit, the source waits.",
            "short",
            [prom(f"sum by (instance) (tagpulse_produce_in_flight{{{_RUN}}})", "{{instance}}")],
            PROMETHEUS,
            width=6,
            steps=above(2_500, 4_500),
            runbook="ProducerBlocked",
        ),
        course(
            "Texts from the cache",
            "Share of texts whose result was in the cache: reposts are computed only once.",
            SHARE,
            [
                prom(
                    f'sum(rate(tagpulse_model_cache_lookups_total{{{_RUN}, result="hit"}}{_RATE})) '
                    f"/ sum(rate(tagpulse_model_cache_lookups_total{{{_RUN}}}{_RATE}))",
                    "from the cache",
                )
            ],
            PROMETHEUS,
            width=6,
            top=1,
        ),
        rows(
            "Processes",
            "Version and role of each process, by address.",
            prom(f"max by (instance, role, version) (tagpulse_build_info{{{_RUN}}})", instant=True),
            PROMETHEUS,
            width=12,
            height=7,
            hidden=("Value", "Time"),
            runbook="NoWorker",
        ),
        rows(
            "Model",
            "Name, version, runtime and precision of the model in each process.",
            prom(f"max by (instance, name, version, runtime, precision) (tagpulse_model_info{{{_RUN}}})", instant=True),
            PROMETHEUS,
            width=12,
            height=7,
            hidden=("Value", "Time"),
            runbook="ModelSlow",
        ),
    ]
