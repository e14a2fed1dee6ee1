"""The settings sections: each field with its default, validation and description."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from streams.contracts import DEFAULT_SENSITIVITY, SensitivityName
from streams.settings.types import (
    Addresses,
    Bytes,
    Days,
    ExistingFile,
    FilePath,
    Hours,
    LakePlace,
    Port,
    Positive,
    SchemaName,
    Seconds,
    Share,
    TopicName,
)

ROLES = ("raw", "enriched", "dead", "minutes", "alerts", "gaps")
"""The roles of the topics, in the order in which a post passes through them."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Section):
    """How every client connects to Kafka."""

    bootstrap_servers: Addresses = Field(
        "127.0.0.1:9092", description="comma-separated list of host:port of the brokers"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="whether connections are encrypted (SSL) and authenticated (SASL)"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, for SASL protocols"
    )
    username: str | None = Field(None, description="user name, for SASL protocols")
    password: SecretStr | None = Field(None, description="password, for SASL protocols")
    ssl_ca_file: ExistingFile | None = Field(
        None, description="PEM file of the CA that signed the broker certificates; default: the CAs of the system"
    )
    ssl_cert_file: ExistingFile | None = Field(None, description="PEM file of the client certificate (mutual TLS)")
    ssl_key_file: ExistingFile | None = Field(None, description="PEM file of the client key")
    ssl_key_password: SecretStr | None = Field(None, description="password of the client key, if it has one")
    ssl_check_hostname: bool = Field(True, description="whether the certificate of a broker must match its host name")
    group_prefix: str = Field(
        "tagpulse", min_length=1, description="prefix of the consumer groups: PREFIX.enrich, PREFIX.store-parquet, …"
    )
    instance_id: str | None = Field(
        None, description="name for static group membership, e.g. that of the pod; avoids rebalances on restart"
    )
    compression: Literal["none", "gzip", "lz4", "zstd"] = Field(
        "lz4", description="compression of everything sent to Kafka"
    )
    session_timeout_seconds: Seconds = Field(
        6.0, description="a worker without heartbeats for this long loses its partitions"
    )
    heartbeat_seconds: Seconds = Field(2.0, description="interval between heartbeats of a worker")
    rebalance_timeout_seconds: Seconds = Field(3.0, description="how long a rebalance waits for all workers to rejoin")
    request_timeout_seconds: Seconds = Field(10.0, description="timeout of a request to the broker")
    metadata_seconds: Seconds = Field(
        60.0, description="interval at which clients refresh metadata and discover new partitions"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (self.username and self.password):
            raise ValueError(
                "TAGPULSE_KAFKA__USERNAME and TAGPULSE_KAFKA__PASSWORD are required with "
                f"TAGPULSE_KAFKA__SECURITY_PROTOCOL={self.security_protocol}"
            )
        if bool(self.ssl_cert_file) != bool(self.ssl_key_file):
            raise ValueError(
                "TAGPULSE_KAFKA__SSL_CERT_FILE and TAGPULSE_KAFKA__SSL_KEY_FILE go together: set both or neither"
            )
        if self.heartbeat_seconds * 2 > self.session_timeout_seconds:
            raise ValueError(
                "TAGPULSE_KAFKA__HEARTBEAT_SECONDS must be at most half of TAGPULSE_KAFKA__SESSION_TIMEOUT_SECONDS"
            )
        return self


class TopicsSettings(Section):
    """Names and configuration of the Kafka topics.

    Retention uses the record times, which are the times of the posts: see docs/data.md.
    """

    raw: TopicName = Field("posts.raw", description="posts as collected from the sources")
    enriched: TopicName = Field("posts.enriched", description="posts with language, sentiment and topics")
    dead: TopicName = Field(
        "posts.dead", description="dead letters: records that could not be processed, with the reason"
    )
    minutes: TopicName = Field("pulse.minutes", description="minutes: the counts of each hashtag; always one partition")
    alerts: TopicName = Field(
        "alerts.spikes", description="events of spikes that open, grow and close; always one partition"
    )
    gaps: TopicName = Field("feed.gaps", description="gaps in the feed of a source; always one partition")
    partitions: Positive = Field(
        4, description="partitions of each topic of posts: the maximum number of workers that can share the work"
    )
    replication: Positive = Field(1, description="number of brokers that hold each record; use 3 with three brokers")
    retention_hours: Hours = Field(
        -1.0,
        description="retention by record time, -1: unlimited; with a limit, posts that are older vanish immediately",
    )
    retention_bytes: Bytes = Field(20 * 2**30, description="retention per partition, -1: unlimited")
    dead_retention_bytes: Bytes = Field(
        -1, description="retention per partition of the dead letters, spikes and gaps, -1: unlimited"
    )
    max_message_bytes: Positive = Field(1_048_576, description="maximum size of a record")
    min_insync_replicas: Positive = Field(
        1, description="number of brokers that must hold a record before it counts as sent; use 2 with three brokers"
    )

    @model_validator(mode="after")
    def _replicas(self) -> Self:
        if self.min_insync_replicas > self.replication:
            raise ValueError("TAGPULSE_TOPICS__MIN_INSYNC_REPLICAS must not exceed TAGPULSE_TOPICS__REPLICATION")
        if len(set(self.names.values())) < len(self.names):
            raise ValueError(f"{', '.join(f'TAGPULSE_TOPICS__{role.upper()}' for role in self.names)} must all differ")
        return self

    @property
    def names(self) -> dict[str, str]:
        """The topic name of each role."""
        return {role: getattr(self, role) for role in ROLES}

    @property
    def limits(self) -> dict[str, int]:
        """The maximum record size of each topic in bytes; dead letters are larger, as they hold a record in base64."""
        return {
            self.raw: self.max_message_bytes,
            self.enriched: self.max_message_bytes,
            self.dead: self.dead_limit,
            self.minutes: self.max_message_bytes,
            self.alerts: self.max_message_bytes,
            self.gaps: self.max_message_bytes,
        }

    @property
    def dead_limit(self) -> int:
        """The maximum size of a dead letter, in bytes."""
        return 2 * self.max_message_bytes


class ProduceSettings(Section):
    """Collecting posts from the sources into `posts.raw`."""

    max_in_flight: Positive = Field(
        5_000, description="maximum number of posts sent but not yet confirmed; the source waits at the limit"
    )
    linger_ms: int = Field(20, ge=0, description="how long a batch waits to fill before it is sent")
    cursor_seconds: Seconds = Field(2.0, description="interval at which the cursor of a live source is saved")
    state_path: FilePath = Field(Path(".tagpulse"), description="folder of the saved cursors and the states of replays")
    max_age_days: Annotated[float, Field(gt=0, le=36_500)] = Field(
        7.0,
        description="maximum plausible age in days of a post from a live feed; an older or future time is replaced by "
        "the time of arrival (posts from files keep old times)",
    )


class EnrichSettings(Section):
    """Enriching posts: `posts.raw` → `posts.enriched`."""

    batch_size: Positive = Field(256, description="number of posts read, enriched and acknowledged together")
    max_wait_seconds: Annotated[float, Field(gt=0, le=2)] = Field(
        0.2, description="maximum time to wait for a batch to fill"
    )
    batches_in_flight: Positive = Field(
        3, description="maximum number of batches read, in the model or being sent at the same time"
    )
    max_post_bytes: Positive = Field(262_144, description="maximum size of a record; larger ones become dead letters")


class WorkerSettings(Section):
    """Settings common to all workers."""

    dead_window: Positive = Field(
        1_000, description="number of records over which the share of dead letters is measured"
    )
    dead_share: Share = Field(0.5, description="a worker stops if more than this share of a window are dead letters")
    stall_seconds: Seconds = Field(
        120.0, description="a worker exits if it has records to read but commits nothing for this long"
    )


class ModelSettings(Section):
    """The model and how it is computed."""

    backend: Literal["auto", "openvino", "onnx", "torch", "hub", "constant"] = Field(
        "auto",
        description="back end of the model; auto: the first of openvino, onnx and torch that is installed; hub: "
        "third-party models (`TAGPULSE_MODEL__HUB_…`); constant: the same result for every post, to benchmark the "
        "pipeline without a model",
    )
    precision: Literal["auto", "int8", "f32", "f16"] = Field(
        "auto",
        description="auto: with openvino and onnx, int8 if the processor has VNNI or an equivalent, otherwise f32; "
        "with torch and hub, f16 on a CUDA device, otherwise f32",
    )
    path: FilePath | None = Field(None, description="folder of the weights; default: the bundled weights")
    hub_sentiment: str | None = Field(
        None,
        description="sentiment model for the back end hub: a text classifier with safetensors weights, given as a "
        "folder or as NAME or NAME@REVISION on the Hugging Face hub; without one, every post is neutral",
    )
    hub_language: str | None = Field(
        None, description="language model, given in the same way; without one, every post is `und`"
    )
    hub_topic: str | None = Field(
        None, description="topic model, given in the same way; without one, no post has a topic"
    )
    hub_topic_threshold: Share = Field(
        0.5, description="minimum score for a topic that a post can have together with others"
    )
    threads: int = Field(0, ge=0, description="number of inference threads, 0: one per core")
    cache_size: int = Field(50_000, ge=0, description="number of distinct texts whose results are cached")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        named = [name for name in ("hub_sentiment", "hub_language", "hub_topic") if getattr(self, name)]
        if self.backend == "hub" and not named:
            raise ValueError(
                "TAGPULSE_MODEL__HUB_SENTIMENT, TAGPULSE_MODEL__HUB_LANGUAGE or TAGPULSE_MODEL__HUB_TOPIC is required "
                "with TAGPULSE_MODEL__BACKEND=hub"
            )
        if named and self.backend != "hub":
            raise ValueError(f"TAGPULSE_MODEL__{named[0].upper()} needs TAGPULSE_MODEL__BACKEND=hub")
        if self.precision == "f16" and self.backend not in ("torch", "hub"):
            raise ValueError("TAGPULSE_MODEL__PRECISION=f16 needs TAGPULSE_MODEL__BACKEND=torch or hub")
        if self.precision == "int8" and self.backend in ("torch", "hub"):
            raise ValueError("TAGPULSE_MODEL__PRECISION=int8 needs TAGPULSE_MODEL__BACKEND=openvino or onnx")
        return self


class PrivacySettings(Section):
    """Which personal data is stored.

    With a key, `tagpulse produce` replaces each author with a keyed hash (`~` and 22 characters), also inside Bluesky
    ids and in place of Mastodon ids, and drops URLs that contain the name. Names in the text of a post are kept, and so
    are lines that could not be read, which become dead letters unchanged. Set the key before the first post and do not
    lose it: with a different key the same person becomes a different author, and without the key `tagpulse forget`
    cannot find the posts of a name.
    """

    author_key: SecretStr | None = Field(
        None, min_length=16, description="key of the hash, at least 16 characters; without one, author names are kept"
    )


class LakeSettings(Section):
    """The Parquet lake."""

    path: LakePlace = Field(
        Path("lake"),
        description="folder of the Parquet files, or the URL of an object store: "
        "s3://BUCKET/FOLDER?region=…&endpoint_override=HOST:PORT&scheme=http, credentials in AWS_ACCESS_KEY_ID etc.",
    )
    flush_rows: Positive = Field(50_000, description="maximum number of rows before a file is closed")
    flush_seconds: Seconds = Field(
        5.0, description="maximum time before a file is closed, and its posts are acknowledged"
    )
    batch_size: Positive = Field(2_000, description="number of posts read together")
    retention_days: Days | None = Field(
        None, description="age in days after which `tagpulse lake prune` removes posts and spikes; default: never"
    )


class PostgresSettings(Section):
    """The PostgreSQL sink (requires `tagpulse[postgres]`)."""

    dsn: SecretStr | None = Field(
        None,
        description="postgresql://USER:PASSWORD@HOST:5432/DATABASE; with several hosts (HOST,HOST), the writable one "
        "is used, also after a failover; a pooler must not change the session between transactions",
    )
    schema_name: SchemaName = Field("public", description="schema of the tables, created if it is missing")
    migrate: bool = Field(
        True,
        description="whether the worker creates and migrates the tables; if false, use `tagpulse postgres migrate`",
    )
    retention_days: Days | None = Field(
        None,
        description="months and years that ended more than this many days ago are dropped by `tagpulse postgres "
        "prune`; default: never",
    )
    flush_rows: Positive = Field(10_000, description="maximum number of rows before a transaction is committed")
    flush_seconds: Seconds = Field(
        1.0, description="maximum time before a transaction is committed, and its posts are acknowledged"
    )
    batch_size: Positive = Field(2_000, description="number of posts read together")


class WatchSettings(Section):
    """Detecting spikes: `posts.enriched` → `pulse.minutes` → `alerts.spikes`.

    All times are event times, except `idle_seconds`.
    """

    lateness_seconds: Annotated[float, Field(ge=60, le=86_400)] = Field(
        600.0,
        description="how long after its end a minute accepts late posts, edits and deletions, in whole minutes; later "
        "ones are applied in the sinks only",
    )
    settle_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        10.0,
        description="a minute is first published once its partition has a post this much later than its end",
    )
    idle_seconds: Seconds = Field(
        60.0,
        description="a partition of the live run without a new record for this long (wall-clock time) follows the wall "
        "clock, so that it does not hold back any minute; choose more than a worker needs to restart",
    )
    sensitivity: SensitivityName | None = Field(
        None,
        description=f"sensitivity of the spike detection; default: the one in the campaign file, otherwise {DEFAULT_SENSITIVITY}",
    )
    batch_size: Positive = Field(1_000, description="number of posts read together")


class MetricsSettings(Section):
    """/metrics, /healthz and /readyz of each process.

    If the port is in use, the process logs a warning and takes the next free one.
    """

    host: str = Field(
        "127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0: reachable from other machines"
    )
    port: Port = Field(
        9808, description="port to listen on; 0: any free port; process N of --concurrency listens on port + N"
    )
    names: str = Field(
        "",
        description="comma-separated list of public host names under which Prometheus may reach this process; IP "
        "addresses, names without a dot, the host name of the machine, `.localhost`, `.local`, `.internal` and `.svc` "
        "are always allowed",
    )
    max_hashtags: Positive = Field(
        20,
        description="maximum number of hashtags with their own label if there is no campaign; the others are `other`",
    )


class LogSettings(Section):
    """Logging to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="minimum level of messages to log")
    format: Literal["text", "json"] = Field("text", description="json: one object per line, for log collectors")
