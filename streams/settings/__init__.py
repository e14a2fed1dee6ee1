"""All settings, as one frozen tree that is read once at start-up."""

from streams.settings.alerts import AlertsSettings, WebhookFormat, WebhookSettings
from streams.settings.networks import BlueskySettings, MastodonSettings, XSettings
from streams.settings.sections import (
    ROLES,
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
from streams.settings.tree import (
    LIVE,
    PREFIX,
    SECRETS_DIR_VARIABLE,
    Settings,
    Variable,
    for_run,
    load_settings,
    variables,
)

__all__ = [
    "LIVE",
    "PREFIX",
    "ROLES",
    "SECRETS_DIR_VARIABLE",
    "AlertsSettings",
    "BlueskySettings",
    "EnrichSettings",
    "KafkaSettings",
    "LakeSettings",
    "LogSettings",
    "MastodonSettings",
    "MetricsSettings",
    "ModelSettings",
    "PostgresSettings",
    "PrivacySettings",
    "ProduceSettings",
    "Settings",
    "TopicsSettings",
    "Variable",
    "WatchSettings",
    "WebhookFormat",
    "WebhookSettings",
    "WorkerSettings",
    "XSettings",
    "for_run",
    "load_settings",
    "variables",
]
