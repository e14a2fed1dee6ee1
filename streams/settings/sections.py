"""The sections of the settings: each field with its default, its check and what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

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
"""Of the topics, in the order in which a post travels."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Section):
    """How every client reaches Kafka."""

    bootstrap_servers: Addresses = Field(
        "127.0.0.1:9092", description="host:port of one or more brokers, with commas between"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="whether the connection is encrypted (SSL) and asks for a login (SASL)"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how the login is proven, with a SASL protocol"
    )
    username: str | None = Field(None, description="the login, with a SASL protocol")
    password: SecretStr | None = Field(None, description="its password")
    ssl_ca_file: ExistingFile | None = Field(
        None, description="PEM of the authority that signed the brokers; default: the system's"
    )
    ssl_cert_file: ExistingFile | None = Field(None, description="PEM of our own certificate (mutual TLS)")
    ssl_key_file: ExistingFile | None = Field(None, description="PEM of the key of that certificate")
    ssl_key_password: SecretStr | None = Field(None, description="password of the key, when it has one")
    ssl_check_hostname: bool = Field(True, description="whether a broker's certificate must carry its host's name")
    group_prefix: str = Field(
        "tagpulse", min_length=1, description="consumer groups are PREFIX.enrich, PREFIX.store-parquet, …"
    )
    instance_id: str | None = Field(None, description="static membership (e.g. the pod's name): fewer rebalances")
    compression: Literal["none", "gzip", "lz4", "zstd"] = Field("lz4", description="of everything that is sent")
    session_timeout_seconds: Seconds = Field(6.0, description="a worker silent for this long loses its partitions")
    heartbeat_seconds: Seconds = Field(2.0, description="how often a worker says that it lives")
    rebalance_timeout_seconds: Seconds = Field(3.0, description="how long a rebalance waits for every worker")
    request_timeout_seconds: Seconds = Field(10.0, description="an answer of the broker may take this long")
    metadata_seconds: Seconds = Field(60.0, description="how often clients look for new partitions")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (self.username and self.password):
            raise ValueError(
                f"TAGPULSE_KAFKA__USERNAME and TAGPULSE_KAFKA__PASSWORD are needed with {self.security_protocol}"
            )
        if bool(self.ssl_cert_file) != bool(self.ssl_key_file):
            raise ValueError("TAGPULSE_KAFKA__SSL_CERT_FILE and TAGPULSE_KAFKA__SSL_KEY_FILE go together")
        if self.heartbeat_seconds * 2 > self.session_timeout_seconds:
            raise ValueError(
                "TAGPULSE_KAFKA__HEARTBEAT_SECONDS must be at most half of TAGPULSE_KAFKA__SESSION_TIMEOUT_SECONDS"
            )
        return self


class TopicsSettings(Section):
    """Names and shape of the Kafka topics. Retention follows record times, which are the posts' own: see the guide."""

    raw: TopicName = Field("posts.raw", description="posts as the sources gave them")
    enriched: TopicName = Field("posts.enriched", description="posts with language, sentiment and topics")
    dead: TopicName = Field("posts.dead", description="records that could not be handled, with the reason")
    minutes: TopicName = Field("pulse.minutes", description="minutes of each hashtag; always one partition")
    alerts: TopicName = Field("alerts.spikes", description="spikes that open, grow and close; always one partition")
    gaps: TopicName = Field(
        "feed.gaps", description="stretches that are missing in the feed of a source; always one partition"
    )
    partitions: Positive = Field(4, description="of each topic of posts: so many workers can share the work")
    replication: Positive = Field(1, description="brokers that hold each record; 3 where there are three")
    retention_hours: Hours = Field(-1.0, description="by record time, -1: none; with a limit, old posts vanish at once")
    retention_bytes: Bytes = Field(20 * 2**30, description="for each partition, -1: none")
    dead_retention_bytes: Bytes = Field(
        -1, description="for each partition of the dead letters, spikes and gaps, -1: none"
    )
    max_message_bytes: Positive = Field(1_048_576, description="the largest record that a topic takes")
    min_insync_replicas: Positive = Field(
        1, description="brokers that must hold a record before it counts as sent; 2 where there are three"
    )

    @model_validator(mode="after")
    def _replicas(self) -> Self:
        if self.min_insync_replicas > self.replication:
            raise ValueError("TAGPULSE_TOPICS__MIN_INSYNC_REPLICAS cannot be above TAGPULSE_TOPICS__REPLICATION")
        if len(set(self.names.values())) < len(self.names):
            raise ValueError(f"{', '.join(f'TAGPULSE_TOPICS__{role.upper()}' for role in self.names)} must differ")
        return self

    @property
    def names(self) -> dict[str, str]:
        """The topic of each role."""
        return {role: getattr(self, role) for role in ROLES}

    @property
    def limits(self) -> dict[str, int]:
        """The largest record of each topic, in bytes: a dead letter holds a whole record, in base64."""
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
        """The largest dead letter, in bytes."""
        return 2 * self.max_message_bytes


class ProduceSettings(Section):
    """From the sources to `posts.raw`."""

    max_in_flight: Positive = Field(5_000, description="posts sent but not confirmed; above it the source waits")
    linger_ms: int = Field(20, ge=0, description="how long a batch waits to fill before it is sent")
    cursor_seconds: Seconds = Field(2.0, description="how often the cursor of a live source is saved")
    state_path: FilePath = Field(Path(".tagpulse"), description="folder of the saved cursors")
    max_age_days: Annotated[float, Field(gt=0, le=36_500)] = Field(
        7.0,
        description="largest age of a post, in days, that a live feed believes; an older or future time is replaced by that of "
        "its arrival (files keep old times)",
    )


class EnrichSettings(Section):
    """`posts.raw` → `posts.enriched`."""

    batch_size: Positive = Field(256, description="posts that are read, enriched and confirmed together")
    max_wait_seconds: Annotated[float, Field(gt=0, le=2)] = Field(
        0.2, description="a batch that is not full waits at most this long"
    )
    batches_in_flight: Positive = Field(3, description="batches read, in the model or being sent at once")
    max_post_bytes: Positive = Field(262_144, description="a larger record goes to the dead letters")


class WorkerSettings(Section):
    """What holds for every worker."""

    dead_window: Positive = Field(1_000, description="records over which the share of dead letters is judged")
    dead_share: Share = Field(0.5, description="above this share of a window the worker stops")
    stall_seconds: Seconds = Field(
        120.0, description="with records to read and nothing committed for this long the worker exits"
    )


class ModelSettings(Section):
    """The model and the processor it may use."""

    backend: Literal["auto", "openvino", "onnx", "torch", "hub", "constant"] = Field(
        "auto",
        description="what computes the model; auto: openvino, where it is missing onnx, then torch; hub: models by others "
        "(`TAGPULSE_MODEL__HUB_…`); constant: the same answer for every post, to measure the pipeline without a model",
    )
    precision: Literal["auto", "int8", "f32", "f16"] = Field(
        "auto",
        description="auto: int8 with openvino and onnx where the processor has VNNI or the like, else f32; "
        "torch and hub take f16 on a CUDA device, else f32",
    )
    path: FilePath | None = Field(None, description="folder of the weights; default: the shipped ones")
    hub_sentiment: str | None = Field(
        None,
        description="with the backend hub: a text classifier with safetensors, a folder or NAME or NAME@REVISION on the "
        "Hugging Face hub; without one every post is neutral",
    )
    hub_language: str | None = Field(None, description="the same for languages; without one every post is `und`")
    hub_topic: str | None = Field(None, description="the same for topics; without one no post has any")
    hub_topic_threshold: Share = Field(
        0.5, description="score from which a post has a topic that it shares with others"
    )
    threads: int = Field(0, ge=0, description="0: all cores")
    cache_size: int = Field(50_000, ge=0, description="distinct texts whose answers are remembered")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        named = [name for name in ("hub_sentiment", "hub_language", "hub_topic") if getattr(self, name)]
        if self.backend == "hub" and not named:
            raise ValueError(
                "TAGPULSE_MODEL__HUB_SENTIMENT, TAGPULSE_MODEL__HUB_LANGUAGE or TAGPULSE_MODEL__HUB_TOPIC is needed with "
                "TAGPULSE_MODEL__BACKEND=hub"
            )
        if named and self.backend != "hub":
            raise ValueError(f"TAGPULSE_MODEL__{named[0].upper()} needs TAGPULSE_MODEL__BACKEND=hub")
        if self.precision == "f16" and self.backend not in ("torch", "hub"):
            raise ValueError("TAGPULSE_MODEL__PRECISION=f16 needs TAGPULSE_MODEL__BACKEND=torch or hub")
        if self.precision == "int8" and self.backend in ("torch", "hub"):
            raise ValueError("TAGPULSE_MODEL__PRECISION=int8 needs TAGPULSE_MODEL__BACKEND=openvino or onnx")
        return self


class PrivacySettings(Section):
    """What is kept of people.

    With a key, `tagpulse produce` writes a keyed hash in place of each author (`~` and 22 characters), also inside the ids
    of Bluesky and in place of those of Mastodon, and leaves out a url that contains the name. Names that stand in a text
    stay there, and so do lines that could not be read, which the dead letters hold as they are. Set it before the first
    post and keep the key: with another one the same person becomes another author, and without it `tagpulse forget`
    cannot find the posts of a name.
    """

    author_key: SecretStr | None = Field(
        None, min_length=16, description="the key of the hash, 16 characters or more; without one, names stay"
    )


class LakeSettings(Section):
    """The Parquet lake."""

    path: LakePlace = Field(
        Path("lake"),
        description="folder of the Parquet files, or an object store: "
        "s3://BUCKET/FOLDER?region=…&endpoint_override=HOST:PORT&scheme=http, credentials in AWS_ACCESS_KEY_ID and so on",
    )
    flush_rows: Positive = Field(50_000, description="a file is closed after this many rows")
    flush_seconds: Seconds = Field(5.0, description="or after this long, and only then are its posts acknowledged")
    batch_size: Positive = Field(2_000, description="posts that are read together")
    retention_days: Days | None = Field(
        None, description="age in days from which `tagpulse lake prune` removes posts and spikes; default: none"
    )


class PostgresSettings(Section):
    """The sink `postgres` (`tagpulse[postgres]`)."""

    dsn: SecretStr | None = Field(
        None,
        description="postgresql://USER:PASSWORD@HOST:5432/DATABASE; with several hosts (HOST,HOST) the one that takes "
        "writes is used, also after a fail-over; not through a pool that changes the session between transactions",
    )
    schema_name: SchemaName = Field("public", description="the schema of the tables; made when it is missing")
    migrate: bool = Field(
        True, description="whether the worker makes and changes the tables; false: `tagpulse postgres migrate` does"
    )
    retention_days: Days | None = Field(
        None, description="months and years that ended longer ago are dropped by `tagpulse postgres prune`"
    )
    flush_rows: Positive = Field(10_000, description="a transaction is committed after this many rows")
    flush_seconds: Seconds = Field(1.0, description="or after this long, and only then are its posts acknowledged")
    batch_size: Positive = Field(2_000, description="posts that are read together")


class WatchSettings(Section):
    """`posts.enriched` → `pulse.minutes` → `alerts.spikes`. Times are event times, but for `idle_seconds`."""

    lateness_seconds: Annotated[float, Field(ge=60, le=86_400)] = Field(
        600.0,
        description="a minute takes late posts, edits and deletions for this long after its end, by whole minutes; what "
        "comes later corrects the sinks alone",
    )
    settle_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        10.0, description="a minute is told first once its partition has a post this much later than its end"
    )
    idle_seconds: Seconds = Field(
        60.0,
        description="on the live day: a partition without a new record for this long (by the wall clock) goes on with "
        "the clock, so that it holds no minute back; longer than a worker needs to start again",
    )
    sensitivity: Literal["low", "middle", "high"] | None = Field(
        None, description="how much it takes to raise a spike; default: as the campaign file says, else middle"
    )
    batch_size: Positive = Field(1_000, description="posts that are read together")


class MetricsSettings(Section):
    """/metrics, /healthz and /readyz of each process; a port in use gives way to the next free one, with a warning."""

    host: str = Field("127.0.0.1", min_length=1, description="0.0.0.0: reachable from other machines")
    port: Port = Field(9808, description="0: any free port; process N of --concurrency listens on port + N")
    names: str = Field(
        "",
        description="public host names under which Prometheus may reach this process, separated by commas; always allowed are "
        "IP addresses, names without a dot, the machine's own name, `.localhost`, `.local`, `.internal` and `.svc`",
    )
    max_hashtags: Positive = Field(
        20, description="without a campaign: hashtags with a label of their own, the rest are `other`"
    )


class LogSettings(Section):
    """The log on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="the least that is told")
    format: Literal["text", "json"] = Field("text", description="json: an object a line, for log collectors")
