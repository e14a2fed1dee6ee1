from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from streams.settings.alerts import AlertsSettings, WebhookSettings

SHIFT = {"name": "shift", "url": "https://hooks.example/2", "format": "slack", "updates": True}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"alertmanager_user": "shift"}, "come together"),
        ({"alertmanager_user": "shift", "alertmanager_password": "p", "alertmanager_token": "t"}, "not both"),
    ],
)
def test_credentials_must_be_complete_and_of_one_kind(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        AlertsSettings(**changes)


def test_webhooks_are_given_as_json_or_as_values() -> None:
    written = AlertsSettings(webhooks=json.dumps([SHIFT]))
    assert written == AlertsSettings(webhooks=(SHIFT,))
    (webhook,) = written.webhooks
    assert (webhook.name, webhook.format, webhook.secret, webhook.updates) == ("shift", "slack", None, True)
    with pytest.raises(ValidationError, match="must be a JSON list: "):
        AlertsSettings(webhooks="shift")


def test_the_webhook_of_the_single_settings_comes_first() -> None:
    settings = AlertsSettings.model_validate(
        {
            "webhook_url": "https://hooks.example/1",
            "webhook_format": "teams",
            "webhook_secret": "0123456789abcdef",
            "webhooks": (SHIFT,),
        }
    )
    first, second = settings.all_webhooks
    assert first == WebhookSettings.model_validate(
        {"name": "webhook", "url": "https://hooks.example/1", "format": "teams", "secret": "0123456789abcdef"}
    )
    assert second.name == "shift"
    assert AlertsSettings().all_webhooks == ()


@pytest.mark.parametrize(
    ("names", "url", "message"),
    [
        (("shift", "shift"), None, "names must be unique"),
        (("webhook",), "https://hooks.example/1", "`webhook` is the name of TAGPULSE_ALERTS__WEBHOOK_URL"),
        (("alertmanager-2",), None, "must not start with `alertmanager`"),
    ],
)
def test_a_name_belongs_to_one_target(names: tuple[str, ...], url: str | None, message: str) -> None:
    webhooks = [SHIFT | {"name": name} for name in names]
    with pytest.raises(ValidationError, match=re.escape(message)):
        AlertsSettings.model_validate({"webhook_url": url, "webhooks": webhooks})


def test_without_the_single_webhook_its_name_is_free() -> None:
    settings = AlertsSettings.model_validate({"webhooks": [SHIFT | {"name": "webhook"}]})
    assert [webhook.name for webhook in settings.all_webhooks] == ["webhook"]
