"""The settings section for alert delivery."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from streams.settings.sections import Section
from streams.settings.types import HttpAddress, HttpAddresses, Seconds, SecretAddress, TargetName

WebhookFormat = Literal["json", "slack", "teams"]


def _from_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"must be a JSON list: {error}") from None


class WebhookSettings(Section):
    """A webhook in `TAGPULSE_ALERTS__WEBHOOKS`."""

    name: TargetName
    url: SecretAddress
    format: WebhookFormat = "json"
    secret: SecretStr | None = Field(None, min_length=16)
    updates: bool = False


class AlertsSettings(Section):
    """Where spikes are delivered. A webhook URL is a secret: anyone who has it can post to it."""

    alertmanager_url: HttpAddresses | None = Field(
        None, description="Alertmanager URL, e.g. http://HOST:9093; comma-separated list for a cluster"
    )
    alertmanager_token: SecretStr | None = Field(None, description="bearer token, if Alertmanager requires one")
    alertmanager_user: str | None = Field(
        None, description="user name for basic authentication, if Alertmanager requires it"
    )
    alertmanager_password: SecretStr | None = Field(None, description="password for basic authentication")
    webhook_url: SecretAddress | None = Field(None, description="URL that receives a POST for each spike")
    webhook_format: WebhookFormat = Field("json", description="payload template")
    webhook_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="HMAC-SHA256 signing key, at least 16 characters; requests are unsigned without it",
    )
    webhooks: Annotated[tuple[WebhookSettings, ...], NoDecode, BeforeValidator(_from_json)] = Field(
        (),
        description='further webhooks as JSON: `[{"name": "shift", "url": "https://…", "format": "slack", '
        '"secret": "…", "updates": true}]`; name and url are required; updates: also notify while a spike grows',
    )
    dashboard_url: HttpAddress | None = Field(
        None, description="URL of the *Live mood* dashboard; alerts link to their hashtag and time on it"
    )
    runbooks_url: HttpAddress | None = Field(
        None, description="base URL of the runbooks; alerts link to `NegativeSpike.md` and others below it"
    )
    resend_seconds: Seconds = Field(
        60.0,
        description="how often open spikes are re-sent to Alertmanager; it resolves a spike that is not re-sent for "
        "four times as long",
    )
    timeout_seconds: Seconds = Field(10.0, description="timeout of a request to a target")
    max_backoff_seconds: Seconds = Field(
        60.0, description="maximum delay between attempts; `Retry-After` may extend it"
    )
    replays: bool = Field(False, description="whether spikes found by a replay are delivered as well")

    @model_validator(mode="after")
    def _targets(self) -> Self:
        if (self.alertmanager_user is None) != (self.alertmanager_password is None):
            raise ValueError(
                "TAGPULSE_ALERTS__ALERTMANAGER_USER and TAGPULSE_ALERTS__ALERTMANAGER_PASSWORD come together: "
                "set both or neither"
            )
        if self.alertmanager_user is not None and self.alertmanager_token is not None:
            raise ValueError("set TAGPULSE_ALERTS__ALERTMANAGER_TOKEN or TAGPULSE_ALERTS__ALERTMANAGER_USER, not both")
        names = [webhook.name for webhook in self.all_webhooks]
        if len(set(names)) < len(names):
            raise ValueError(
                "TAGPULSE_ALERTS__WEBHOOKS: names must be unique; `webhook` is the name of TAGPULSE_ALERTS__WEBHOOK_URL"
            )
        if any(name.startswith("alertmanager") for name in names):
            raise ValueError("TAGPULSE_ALERTS__WEBHOOKS: the name of a webhook must not start with `alertmanager`")
        return self

    @property
    def all_webhooks(self) -> tuple[WebhookSettings, ...]:
        """All webhooks, starting with the one of `webhook_url` if it is set."""
        if self.webhook_url is None:
            return self.webhooks
        first = WebhookSettings(
            name="webhook", url=self.webhook_url, format=self.webhook_format, secret=self.webhook_secret
        )
        return (first, *self.webhooks)
