"""All settings, as one frozen tree that is read once at start-up.

In order of increasing precedence, values come from: the defaults in this package, secret files (one file per setting in
`TAGPULSE_SECRETS_DIR`, named like the variable), environment variables (`TAGPULSE_…`, levels joined with `__`), and
command line options.
"""

from __future__ import annotations

import difflib
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as PydanticSettingsError

from streams.errors import SettingsError
from streams.settings.alerts import AlertsSettings
from streams.settings.networks import BlueskySettings, MastodonSettings, XSettings
from streams.settings.sections import (
    EnrichSettings,
    KafkaSettings,
    LakeSettings,
    LogSettings,
    MetricsSettings,
    ModelSettings,
    PostgresSettings,
    PrivacySettings,
    ProduceSettings,
    TopicsSettings,
    WatchSettings,
    WorkerSettings,
)
from streams.settings.types import FilePath, RunName

PREFIX = "TAGPULSE_"
SECRETS_DIR_VARIABLE = "TAGPULSE_SECRETS_DIR"
LIVE = "live"


class Settings(BaseSettings):
    """The root of the settings tree."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    campaign: FilePath | None = Field(
        None, description="path of the campaign file; without one, all hashtags are included"
    )
    run: RunName = Field(
        LIVE,
        description="`live`, or the name of a replay, which has its own topics, consumer groups, rows and metrics",
    )
    kafka: KafkaSettings = KafkaSettings()
    topics: TopicsSettings = TopicsSettings()
    produce: ProduceSettings = ProduceSettings()
    privacy: PrivacySettings = PrivacySettings()
    bluesky: BlueskySettings = BlueskySettings()
    mastodon: MastodonSettings = MastodonSettings()
    x: XSettings = XSettings()
    worker: WorkerSettings = WorkerSettings()
    enrich: EnrichSettings = EnrichSettings()
    model: ModelSettings = ModelSettings()
    lake: LakeSettings = LakeSettings()
    postgres: PostgresSettings = PostgresSettings()
    alerts: AlertsSettings = AlertsSettings()
    watch: WatchSettings = WatchSettings()
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
        return (
            init_settings,
            env_settings,
            NestedSecretsSettingsSource(file_secret_settings, secrets_dir=secrets, secrets_dir_missing="error"),
        )


@dataclass(frozen=True)
class Variable:
    """A setting and its environment variable."""

    name: str
    location: tuple[str, ...]
    field: FieldInfo

    def value(self, settings: Settings) -> Any:
        """Return the value of the setting; secrets stay masked."""
        return functools.reduce(getattr, self.location, settings)

    @property
    def origin(self) -> Literal["environment", "secret file", "default"]:
        """The source from which `load_settings` takes the value."""
        if any(value and name.upper() == self.name for name, value in os.environ.items()):
            return "environment"
        secrets = os.environ.get(SECRETS_DIR_VARIABLE)
        return "secret file" if secrets and (Path(secrets).expanduser() / self.name).is_file() else "default"


def variables() -> dict[str, Variable]:
    """Return every setting by the name of its variable, in the order of the tree."""
    locations: list[tuple[tuple[str, ...], FieldInfo]] = []
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            locations += [((name, key), inner) for key, inner in kind.model_fields.items()]
        else:
            locations.append(((name,), field))
    return {_variable(location): Variable(_variable(location), location, field) for location, field in locations}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings of the configured run.

    Topics and consumer groups carry the name of the run, see `for_run`.

    Args:
        overrides: Whole sections or single values, as `Settings` accepts them.

    Raises:
        SettingsError: Variables are invalid or unknown; the error names all of them.
    """
    faults = [
        _unknown(name) for name in sorted(os.environ) if name.startswith(PREFIX) and name not in _known_variables()
    ]
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        faults += map(_describe, error.errors())
    except PydanticSettingsError as error:
        faults.append(f"{SECRETS_DIR_VARIABLE}: {error}" if error.__cause__ is None else f"{error}: {error.__cause__}")
    if faults:
        raise SettingsError(*dict.fromkeys(faults))
    return for_run(settings, settings.run)


def for_run(settings: Settings, run: str) -> Settings:
    """Return the settings of a run, derived from those of the live run.

    A replay has its own topics (`TOPIC.RUN`) and consumer groups (`PREFIX.RUN.…`); its rows and metrics carry the name
    of the run.
    """
    if run == LIVE:
        return settings
    topics, kafka = settings.topics, settings.kafka
    names = {role: f"{name}.{run}" for role, name in topics.names.items()}
    return settings.model_copy(
        update={
            "run": run,
            "topics": topics.model_copy(update=names),
            "kafka": kafka.model_copy(update={"group_prefix": f"{kafka.group_prefix}.{run}"}),
        }
    )


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(str(part).upper() for part in location)


def _known_variables() -> list[str]:
    return [*variables(), SECRETS_DIR_VARIABLE]


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _known_variables(), n=1)
    return f"{name}: no such setting" + (f", did you mean {near[0]}?" if near else "")


def _describe(fault: ErrorDetails) -> str:
    location, reason = fault["loc"], fault["msg"].removeprefix("Value error, ")
    known = variables()
    for end in range(len(location), 0, -1):
        name = _variable(location[:end])
        if name in known:
            inside = ".".join(map(str, location[end:]))
            reason = "no such key" if inside and fault["type"] == "extra_forbidden" else reason
            return f"{name}: {inside}: {reason}" if inside else f"{name}: {reason}"
    if fault["type"] == "extra_forbidden":
        return _unknown(_variable(location))
    return reason  # the message of a check across several settings names them itself
