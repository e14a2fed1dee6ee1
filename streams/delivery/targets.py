"""The targets that spikes are delivered to; each can make one delivery attempt."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.contracts import Spike
from streams.delivery.alertmanager import PATH, alert_of
from streams.delivery.http import Poster, Response, place
from streams.delivery.notice import notice_of
from streams.delivery.signature import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from streams.delivery.templates import render
from streams.settings import AlertsSettings, Settings, WebhookSettings


@dataclass(frozen=True)
class AlertmanagerTarget:
    """An Alertmanager. Sending the same alerts again changes nothing."""

    name: str
    url: str
    run: str
    alerts: AlertsSettings
    clock: Callable[[], float] = time.time
    test: bool = False

    @property
    def place(self) -> str:
        return place(self.url)

    async def send(self, poster: Poster, spikes: Sequence[Spike]) -> Response:
        """Send all spikes in one request."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        alerts = [
            alert_of(
                spike,
                notice_of(spike, self.run, self.alerts, test=self.test),
                self.run,
                now,
                self.alerts.resend_seconds,
                test=self.test,
            )
            for spike in spikes
        ]
        body = json.dumps(alerts, ensure_ascii=False).encode()
        return await poster.post(self.url.rstrip("/") + PATH, body, self._login())

    def _login(self) -> dict[str, str]:
        token, user, password = (
            self.alerts.alertmanager_token,
            self.alerts.alertmanager_user,
            self.alerts.alertmanager_password,
        )
        if token is not None:
            return {"Authorization": f"Bearer {token.get_secret_value()}"}
        if user is not None and password is not None:
            login = f"{user}:{password.get_secret_value()}".encode()
            return {"Authorization": f"Basic {b64encode(login).decode()}"}
        return {}


@dataclass(frozen=True)
class WebhookTarget:
    """A webhook. Every request is a message that people may read."""

    webhook: WebhookSettings
    run: str
    alerts: AlertsSettings
    clock: Callable[[], float] = time.time
    test: bool = False

    @property
    def name(self) -> str:
        return self.webhook.name

    @property
    def place(self) -> str:
        return place(self.webhook.url.get_secret_value())

    def wants(self, spike: Spike) -> bool:
        """Return whether this message should be sent; growing spikes are sent only if the webhook asks for updates."""
        return self.webhook.updates or spike.state != "growing"

    async def send(self, poster: Poster, spike: Spike) -> Response:
        """Make one delivery attempt; every attempt has its own signature but the same key."""
        notice = notice_of(spike, self.run, self.alerts, test=self.test)
        body = render(self.webhook.format, notice, spike, self.run, test=self.test)
        headers = {KEY_HEADER: notice.key}
        if self.webhook.secret is not None:
            timestamp = int(self.clock())
            headers[TIMESTAMP_HEADER] = str(timestamp)
            headers[SIGNATURE_HEADER] = sign(self.webhook.secret.get_secret_value(), notice.key, timestamp, body)
        return await poster.post(self.webhook.url.get_secret_value(), body, headers)


def alertmanagers(settings: Settings, *, test: bool = False) -> list[AlertmanagerTarget]:
    """Return the configured Alertmanagers, named `alertmanager`, `alertmanager-2`, …"""
    urls = [url.strip() for url in (settings.alerts.alertmanager_url or "").split(",") if url.strip()]
    return [
        AlertmanagerTarget(
            "alertmanager" if number == 1 else f"alertmanager-{number}", url, settings.run, settings.alerts, test=test
        )
        for number, url in enumerate(urls, 1)
    ]


def webhooks(settings: Settings, *, test: bool = False) -> list[WebhookTarget]:
    """Return the configured webhooks."""
    return [
        WebhookTarget(webhook, settings.run, settings.alerts, test=test) for webhook in settings.alerts.all_webhooks
    ]
