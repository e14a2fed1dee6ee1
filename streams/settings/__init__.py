"""All settings: one frozen tree, read once at the start."""

from streams.settings.alerts import AlertsSettings, WebhookFormat, WebhookSettings
from streams.settings.sections import (
    BlueskySettings,
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
    "SECRETS_DIR_VARIABLE",
    "AlertsSettings",
    "BlueskySettings",
    "EnrichSettings",
    "KafkaSettings",
    "LakeSettings",
    "LogSettings",
    "MetricsSettings",
    "ModelSettings",
    "PostgresSettings",
    "PrivacySettings",
    "ProduceSettings",
    "Settings",
    "TopicsSettings",
    "Variable",
    "WebhookFormat",
    "WebhookSettings",
    "WorkerSettings",
    "for_run",
    "load_settings",
    "variables",
]
