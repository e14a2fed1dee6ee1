"""The example receiver in docs/examples accepts each signed message once, and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.delivery.http import Poster, Response
from streams.delivery.signature import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from streams.delivery.targets import WebhookTarget
from streams.processes.broker import free_port
from streams.settings import AlertsSettings, WebhookSettings
from tests.helpers.brokers import ROOT
from tests.helpers.processes import wait_until
from tests.helpers.spikes import hostile_spike, spike

EXAMPLE = ROOT / "docs" / "examples" / "webhook_receiver.py"
SECRET = "0123456789abcdef"


class Receiver(NamedTuple):
    port: int
    out: Path


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """Run the example receiver as a process with the secret of these tests."""
    port, out = free_port(), tmp_path / "out"
    environment = os.environ | {"TAGPULSE_ALERTS__WEBHOOK_SECRET": SECRET}
    with out.open("wb") as file:
        process = subprocess.Popen([sys.executable, EXAMPLE, str(port)], env=environment, stdout=file, stderr=file)
    try:
        wait_until(lambda: _listens(port))
        yield Receiver(port, out)
    finally:
        process.terminate()
        process.wait(10)


async def test_the_example_receiver_accepts_each_genuine_message_once(receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.port}/"
    poster = Poster(5)
    genuine, forged = (
        WebhookTarget(WebhookSettings(name="hook", url=url, secret=secret), "live", AlertsSettings())
        for secret in (SECRET, SECRET[::-1])
    )
    late = WebhookTarget(genuine.webhook, "live", AlertsSettings(), clock=lambda: 1e9)
    headers = {KEY_HEADER: "x", TIMESTAMP_HEADER: "²", SIGNATURE_HEADER: "v1="}
    try:
        answers = [await genuine.send(poster, each) for each in (spike(1), spike(1), hostile_spike())]
        refusals = [await target.send(poster, spike(2)) for target in (forged, late)]
        refusals.append(await poster.post(url, b"{}", {}))
        refusals.append(await poster.post(url, b"{}", headers))
        refusals.append(await _under_another_key(poster, genuine))
    finally:
        await poster.close()
    assert [answer.outcome for answer in answers] == ["delivered"] * 3
    assert [answer.detail[:3] for answer in refusals] == ["401"] * 5
    titles = [line for line in receiver.out.read_text().splitlines() if "spike:" in line]
    assert len(titles) == 2
    assert titles[0] == "Negative spike: #poltwt"


async def _under_another_key(poster: Poster, target: WebhookTarget) -> Response:
    """Send a genuine request under another key, as if it had been intercepted and replayed as a new message."""

    class Interceptor(Poster):
        async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
            return await poster.post(url, body, {**headers, KEY_HEADER: headers[KEY_HEADER] + "2"})

    return await target.send(Interceptor(5), spike(1))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
