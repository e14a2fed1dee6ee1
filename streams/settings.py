"""All settings: one frozen tree, read once at the start.

Sources, later ones win: the defaults here, secret files (a file per setting in `TAGPULSE_SECRETS_DIR`, named like the
variable), environment variables `TAGPULSE_…` with `__` between the levels, and what a command line option sets.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as PydanticSettingsError

from streams.errors import SettingsError

PREFIX = "TAGPULSE_"
SECRETS_DIR_VARIABLE = "TAGPULSE_SECRETS_DIR"

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
FilePath = Annotated[Path, BeforeValidator(lambda value: Path(str(value)).expanduser())]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Section):
    """How every client reaches Kafka."""

    bootstrap_servers: str = Field(
        "127.0.0.1:9092", description="host:port of one or more brokers, with commas between"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    ssl_ca_file: FilePath | None = Field(
        None, description="PEM of the authority that signed the brokers; default: the system's"
    )
    ssl_cert_file: FilePath | None = Field(None, description="PEM of our own certificate (mutual TLS)")
    ssl_key_file: FilePath | None = None
    ssl_key_password: SecretStr | None = None
    ssl_check_hostname: bool = True
    group_prefix: str = Field(
        "tagpulse", min_length=1, description="consumer groups are PREFIX.enrich, PREFIX.store-parquet, …"
    )
    instance_id: str | None = Field(None, description="static membership (e.g. the pod's name): fewer rebalances")
    compression: Literal["none", "gzip", "lz4", "zstd"] = "lz4"
    session_timeout_seconds: Seconds = 6.0
    heartbeat_seconds: Seconds = 2.0
    rebalance_timeout_seconds: Seconds = 3.0
    request_timeout_seconds: Seconds = 10.0

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (self.username and self.password):
            raise ValueError(f"security_protocol {self.security_protocol} needs kafka.username and kafka.password")
        if bool(self.ssl_cert_file) != bool(self.ssl_key_file):
            raise ValueError("kafka.ssl_cert_file and kafka.ssl_key_file go together")
        for name in ("ssl_ca_file", "ssl_cert_file", "ssl_key_file"):
            path = getattr(self, name)
            if path and not path.is_file():
                raise ValueError(f"kafka.{name}: no file {path}")
        servers = self.bootstrap_servers.split(",")
        if not all(host and port.isdigit() for host, _, port in (server.strip().rpartition(":") for server in servers)):
            raise ValueError("kafka.bootstrap_servers must be host:port, with commas between")
        if self.heartbeat_seconds * 2 > self.session_timeout_seconds:
            raise ValueError("kafka.heartbeat_seconds must be at most half of kafka.session_timeout_seconds")
        return self


class TopicsSettings(_Section):
    """Names and shape of the Kafka topics. Retention follows record times, which are the posts' own: see the guide."""

    raw: str = "posts.raw"
    enriched: str = "posts.enriched"
    dead: str = "posts.dead"
    partitions: Positive = 4
    replication: Positive = 1
    retention_hours: float = Field(-1, description="by record time, -1: none; with a limit, old posts vanish at once")
    retention_bytes: int = Field(20 * 2**30, description="for each partition, -1: none")
    dead_retention_bytes: int = Field(-1, description="for each partition of the dead letters, -1: none")
    max_message_bytes: Positive = 1_048_576
    min_insync_replicas: Positive = 1

    @model_validator(mode="after")
    def _replicas(self) -> Self:
        if self.min_insync_replicas > self.replication:
            raise ValueError("topics.min_insync_replicas cannot be above topics.replication")
        if len({self.raw, self.enriched, self.dead}) < 3:
            raise ValueError("topics.raw, topics.enriched and topics.dead must differ")
        return self


class ProduceSettings(_Section):
    """From the sources to `posts.raw`."""

    max_in_flight: Positive = Field(5_000, description="posts sent but not confirmed; above it the source waits")
    linger_ms: int = Field(20, ge=0)
    cursor_seconds: Seconds = Field(2.0, description="how often the cursor of a live source is saved")
    state_path: FilePath = Field(Path(".tagpulse"), description="folder of the saved cursors")


class BlueskySettings(_Section):
    """The Jetstream of Bluesky; no account is needed."""

    url: str = Field("wss://jetstream2.us-east.bsky.network/subscribe", pattern=r"^wss?://")
    rewind_seconds: Seconds = Field(5.0, description="how far the saved cursor is set back at a reconnect")
    silence_seconds: Seconds = Field(30.0, description="without a frame for this long the connection is made anew")
    max_backoff_seconds: Seconds = 60.0


class EnrichSettings(_Section):
    """`posts.raw` → `posts.enriched`."""

    batch_size: Positive = 256
    within_seconds: Annotated[float, Field(gt=0, le=2)] = Field(
        0.2, description="a batch that is not full waits at most this long"
    )
    batches_in_flight: Positive = Field(3, description="batches read, in the model or being sent at once")
    max_post_bytes: Positive = Field(262_144, description="a larger record goes to the dead letters")
    dead_window: Positive = Field(1_000, description="records over which the share of dead letters is judged")
    dead_share: Share = Field(0.5, description="above this share of a window the worker stops")
    stall_seconds: Seconds = Field(
        120.0, description="with posts to read and none acknowledged for this long the worker exits"
    )


class ModelSettings(_Section):
    """The model and the processor it may use."""

    path: FilePath | None = Field(None, description="folder of the weights; default: the shipped ones")
    threads: int = Field(0, ge=0, description="0: all cores")
    cache_size: int = Field(50_000, ge=0, description="distinct texts whose answers are remembered")


class LakeSettings(_Section):
    """The Parquet lake."""

    path: FilePath = Path("lake")
    flush_rows: Positive = 50_000
    flush_seconds: Seconds = 5.0
    batch_size: Positive = 4_000


class MetricsSettings(_Section):
    """/metrics, /healthz and /readyz of each process; a port in use gives way to the next free one, with a warning."""

    host: str = "127.0.0.1"
    port: Port = Field(9808, description="0: any free port; process N of --concurrency listens on port + N")
    max_hashtags: Positive = Field(
        50, description="without a campaign: hashtags with a label of their own, the rest are `other`"
    )


class LogSettings(_Section):
    """The log on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    campaign: FilePath | None = Field(None, description="the campaign file; without one every hashtag counts")
    kafka: KafkaSettings = KafkaSettings()
    topics: TopicsSettings = TopicsSettings()
    produce: ProduceSettings = ProduceSettings()
    bluesky: BlueskySettings = BlueskySettings()
    enrich: EnrichSettings = EnrichSettings()
    model: ModelSettings = ModelSettings()
    lake: LakeSettings = LakeSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings
        secrets = os.environ.get(SECRETS_DIR_VARIABLE)
        if not secrets:
            return init_settings, env_settings
        return init_settings, env_settings, NestedSecretsSettingsSource(file_secret_settings, secrets_dir=secrets)


def load_settings(**overrides: Any) -> Settings:
    """Reads the settings. `overrides` are whole sections or single values, as `Settings` takes them.

    Raises SettingsError with the name of every faulty or unknown variable.
    """
    faults = _unknown_variables()
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        faults += [f"{_variable(fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    except PydanticSettingsError as error:
        faults.append(f"{error}: {error.__cause__}")
    if faults:
        raise SettingsError("; ".join(faults))
    return settings


def variables() -> dict[str, Any]:
    """Every environment variable with the field it sets, in the order of the tree."""
    found: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found.update({_variable((name, key)): inner for key, inner in field.annotation.model_fields.items()})
        else:
            found[_variable((name,))] = field
    return found


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(str(part).upper() for part in location)


def _unknown_variables() -> list[str]:
    known = [*variables(), SECRETS_DIR_VARIABLE]
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    near = {name: difflib.get_close_matches(name, known, n=1) for name in unknown}
    return [f"{name}: no such setting" + (f", did you mean {near[name][0]}?" if near[name] else "") for name in unknown]
