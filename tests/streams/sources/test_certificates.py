"""Sources connect only to servers with a trusted certificate for their name."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streams.sources.registry import NETWORKS
from tests.helpers import mastodon, x
from tests.helpers.brokers import own_settings
from tests.helpers.certificates import Authority, Certificate
from tests.helpers.networks import ALL, Network, Pauses, make
from tests.helpers.processes import Tagpulse, eventually


@asynccontextmanager
async def _server(certificate: Certificate, received: list[bytes]) -> AsyncIterator[int]:
    """Run a server that speaks TLS and records what it receives, and yield its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(1_000))
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key)
    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def _address(network: str, port: int) -> str:
    return f"{'wss' if network == 'bluesky' else 'https'}://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("network", ALL, ids=lambda network: network.name)
async def test_an_untrusted_certificate_is_refused(
    network: Network, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    certificate = authority.sign(network.name, "IP:127.0.0.1")
    received: list[bytes] = []
    async with _server(certificate, received) as port:
        pauses = Pauses()
        source = make(network, _address(network.name, port), pauses=pauses)
        listening = asyncio.ensure_future(anext(source.batches()))
        await eventually(lambda: len(pauses.seconds) >= 3, 10, "it tries again and again")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert received == [], "nothing is sent to such a server, in particular no token"
        assert "certificate verify failed" in caplog.text
        # the server itself works: it accepts clients that trust its authority, even strict ones (default since 3.13)
        trusting = ssl.create_default_context(cafile=authority.path)
        trusting.verify_flags |= ssl.VERIFY_X509_STRICT
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.write(b"hello")
        await eventually(lambda: received == [b"hello"], 10, "a client that trusts it")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_certificate_for_another_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    certificate = authority.sign("elsewhere.example")
    received: list[bytes] = []
    async with _server(certificate, received) as port, contextlib.AsyncExitStack() as stack:
        env = {
            "SSL_CERT_FILE": str(authority.path),
            "TAGPULSE_BLUESKY__URL": _address("bluesky", port),
            "TAGPULSE_MASTODON__INSTANCES": _address("mastodon", port),
            "TAGPULSE_MASTODON__TOKENS": mastodon.TOKEN,
            "TAGPULSE_X__URL": _address("x", port),
            "TAGPULSE_X__TOKEN": x.TOKEN,
        }
        settings = own_settings("127.0.0.1:1", tmp_path)
        processes = [
            Tagpulse(
                "record", name, "--tag", "poltwt", "--to", tmp_path / name, settings=settings, folder=tmp_path, env=env
            )
            for name in NETWORKS.names()
        ]
        for process in processes:
            stack.enter_context(process)
        for process in processes:
            await eventually(lambda process=process: "certificate is not valid for" in process.stderr, 20)  # type: ignore[misc]
        assert received == []
