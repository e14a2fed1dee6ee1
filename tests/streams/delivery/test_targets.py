from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from streams.delivery.http import Poster, Response
from streams.delivery.signature import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, is_genuine
from streams.delivery.targets import AlertmanagerTarget, WebhookTarget, alertmanagers, webhooks
from streams.settings import AlertsSettings, Settings, WebhookFormat, WebhookSettings
from tests.helpers.spikes import OPENED_AT, spike

SECRET = "0123456789abcdef"
NOW = (OPENED_AT + timedelta(hours=2)).timestamp()


class Recorder(Poster):
    """A poster that keeps requests instead of sending them."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.requests: list[tuple[str, bytes, dict[str, str]]] = []

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        self.requests.append((url, body, dict(headers)))
        return Response("delivered", "200 OK")


async def sent(target: AlertmanagerTarget | WebhookTarget) -> tuple[str, bytes, dict[str, str]]:
    poster = Recorder()
    if isinstance(target, AlertmanagerTarget):
        answer = await target.send(poster, [spike(1), spike(2, "closed")])
    else:
        answer = await target.send(poster, spike(1))
    assert answer.outcome == "delivered"
    (request,) = poster.requests
    return request


def alertmanager(**alerts: Any) -> AlertmanagerTarget:
    return AlertmanagerTarget(
        "alertmanager", "http://am.example:9093/prefix/", "live", AlertsSettings(**alerts), lambda: NOW
    )


def webhook(run: str = "live", *, test: bool = False, **changes: Any) -> WebhookTarget:
    settings = WebhookSettings(**{"name": "hook", "url": "https://hooks.example/s3cret"} | changes)
    return WebhookTarget(settings, run, AlertsSettings(), lambda: NOW, test)


async def test_alertmanager_gets_all_spikes_in_one_request() -> None:
    url, body, headers = await sent(alertmanager(resend_seconds=60.0))
    assert (url, headers) == ("http://am.example:9093/prefix/api/v2/alerts", {})
    first, second = json.loads(body)
    assert (first["startsAt"], first["endsAt"]) == ("2026-11-01T10:31:00+00:00", "2026-11-01T11:35:00+00:00")
    assert second["startsAt"] == second["endsAt"] == "2026-11-01T11:31:00+00:00", "no later than now"


@pytest.mark.parametrize(
    ("login", "headers"),
    [
        ({"alertmanager_token": "t0ken"}, {"Authorization": "Bearer t0ken"}),
        (
            {"alertmanager_user": "änna", "alertmanager_password": "p:w"},
            {"Authorization": f"Basic {b64encode('änna:p:w'.encode()).decode()}"},
        ),
    ],
)
async def test_alertmanager_gets_the_login(login: dict[str, str], headers: dict[str, str]) -> None:
    assert (await sent(alertmanager(**login)))[2] == headers


async def test_a_webhook_gets_a_key_and_a_signature() -> None:
    url, body, headers = await sent(webhook(secret=SECRET))
    assert url == "https://hooks.example/s3cret"
    assert headers[KEY_HEADER] == json.loads(body)["key"] == "live:negative:poltwt:2026-11-01T10:31:00Z:open"
    assert headers[TIMESTAMP_HEADER] == str(int(NOW))
    assert is_genuine(SECRET, headers[KEY_HEADER], headers[TIMESTAMP_HEADER], headers[SIGNATURE_HEADER], body, NOW)


async def test_without_a_secret_nothing_is_signed() -> None:
    assert (await sent(webhook()))[2].keys() == {KEY_HEADER}


@pytest.mark.parametrize(("form", "field"), [("json", "key"), ("slack", "blocks"), ("teams", "attachments")])
async def test_a_webhook_gets_its_format(form: WebhookFormat, field: str) -> None:
    assert field in json.loads((await sent(webhook(format=form)))[1])


async def test_a_message_names_its_run_and_says_whether_it_is_a_test() -> None:
    replayed, tested = json.loads((await sent(webhook("again")))[1]), json.loads((await sent(webhook(test=True)))[1])
    assert (replayed["run"], replayed["test"]) == ("again", False)
    assert (tested["run"], tested["test"]) == ("live", True)


def test_growth_is_sent_only_on_request() -> None:
    states = ("open", "growing", "closed")
    assert [webhook().wants(spike(1, state)) for state in states] == [True, False, True]
    assert [webhook(updates=True).wants(spike(1, state)) for state in states] == [True, True, True]


def test_only_the_host_of_a_target_is_shown() -> None:
    assert (webhook().place, alertmanager().place) == ("hooks.example", "am.example:9093")


def test_the_configured_targets() -> None:
    settings = Settings(
        alerts={
            "alertmanager_url": "http://a.example:9093, http://b.example:9093",
            "webhook_url": "https://hooks.example/1",
            "webhooks": ({"name": "shift", "url": "https://hooks.example/2"},),
        }
    )
    assert [(target.name, target.url, target.test) for target in alertmanagers(settings)] == [
        ("alertmanager", "http://a.example:9093", False),
        ("alertmanager-2", "http://b.example:9093", False),
    ]
    assert [target.name for target in webhooks(settings)] == ["webhook", "shift"]
    assert [target.test for target in alertmanagers(settings, test=True)] == [True, True]
    assert [target.test for target in webhooks(settings, test=True)] == [True, True]
    assert (alertmanagers(Settings()), webhooks(Settings())) == ([], [])
