"""The section of the settings that says where spikes are delivered."""

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
    """One of several webhooks."""

    name: TargetName
    url: SecretAddress
    format: WebhookFormat = "json"
    secret: SecretStr | None = Field(None, min_length=16)
    updates: bool = False


class AlertsSettings(Section):
    """Where spikes are delivered. A webhook's address is a secret: who has it can write there."""

    alertmanager_url: HttpAddresses | None = Field(
        None, description="http://HOST:9093 of Alertmanager, several of a cluster with commas between"
    )
    alertmanager_token: SecretStr | None = Field(None, description="bearer token, where Alertmanager asks for one")
    alertmanager_user: str | None = Field(
        None, description="name, where Alertmanager asks for one (basic authentication)"
    )
    alertmanager_password: SecretStr | None = Field(None, description="the password that belongs to the name")
    webhook_url: SecretAddress | None = Field(None, description="address that gets a POST for each spike")
    webhook_format: WebhookFormat = Field("json", description="what is sent: a template by its name")
    webhook_secret: SecretStr | None = Field(
        None, min_length=16, description="key of the signature (HMAC-SHA256), 16 characters or more; without one, none"
    )
    webhooks: Annotated[tuple[WebhookSettings, ...], NoDecode, BeforeValidator(_from_json)] = Field(
        (),
        description='more of them, as JSON: `[{"name": "shift", "url": "https://…", "format": "slack", "secret": "…", '
        '"updates": true}]`; name and url are needed; updates: also while a spike grows',
    )
    dashboard_url: HttpAddress | None = Field(
        None, description="of the dashboard *Live mood*: alerts link to their hashtag and time on it"
    )
    runbooks_url: HttpAddress | None = Field(
        None, description="folder of the runbooks: alerts link to `NegativeSpike.md`, … in it"
    )
    resend_seconds: Seconds = Field(
        60.0,
        description="Alertmanager hears of open spikes this often; not heard of for four times as long, they resolve",
    )
    timeout_seconds: Seconds = Field(10.0, description="a target may take this long to answer")
    max_backoff_seconds: Seconds = Field(
        60.0, description="the longest wait before the next attempt; `Retry-After` may ask for more"
    )
    replays: bool = Field(False, description="whether spikes of a replay are delivered, too")

    @model_validator(mode="after")
    def _targets(self) -> Self:
        if (self.alertmanager_user is None) != (self.alertmanager_password is None):
            raise ValueError("TAGPULSE_ALERTS__ALERTMANAGER_USER and __ALERTMANAGER_PASSWORD come together")
        if self.alertmanager_user is not None and self.alertmanager_token is not None:
            raise ValueError("TAGPULSE_ALERTS__ALERTMANAGER_TOKEN or __ALERTMANAGER_USER, not both")
        names = [webhook.name for webhook in self.all_webhooks]
        if len(set(names)) < len(names):
            raise ValueError(
                "TAGPULSE_ALERTS__WEBHOOKS has a name twice; `webhook` is that of TAGPULSE_ALERTS__WEBHOOK_URL"
            )
        if any(name.startswith("alertmanager") for name in names):
            raise ValueError("TAGPULSE_ALERTS__WEBHOOKS: alertmanager is no name of a webhook")
        return self

    @property
    def all_webhooks(self) -> tuple[WebhookSettings, ...]:
        """The one of `webhook_url` first."""
        if self.webhook_url is None:
            return self.webhooks
        first = WebhookSettings(
            name="webhook", url=self.webhook_url, format=self.webhook_format, secret=self.webhook_secret
        )
        return (first, *self.webhooks)
