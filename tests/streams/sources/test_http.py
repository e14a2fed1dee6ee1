"""The HTTP client: which redirects it follows, and how it protects its token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from streams.sources import addresses, http
from streams.sources.addresses import is_public
from tests.helpers.http_server import Connection, Request, http_server

TOKEN = "canary-of-the-source"
LOGIN = {"Authorization": f"Bearer {TOKEN}"}

Answer = Callable[[Request, Connection], Awaitable[None]]


@asynccontextmanager
async def client_of(answer: Answer) -> AsyncIterator[tuple[http.Client, str]]:
    async with http_server(answer) as url, http.Client(url) as client:
        yield client, url


@pytest.fixture
def _as_if_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat the address of the test servers as a public one."""
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1" or is_public(address))


@pytest.mark.usefixtures("_as_if_public")
@pytest.mark.parametrize("host", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.2]"])
async def test_no_redirect_and_no_streaming_host_leads_to_a_private_network(host: str) -> None:
    async def redirect(request: Request, connection: Connection) -> None:
        if request.path == "/":
            await connection.answer(200, b"here")
        else:
            await connection.answer(302, Location=f"http://{host}/latest/meta-data")

    async with client_of(redirect) as (client, url):
        with pytest.raises(http.InvalidResponse, match="is in a private network"):
            await client.ask("GET", f"{url}/away")
        with pytest.raises(http.InvalidResponse, match="is in a private network"):
            async with client.listen(f"http://{host}/", params={}, headers={}, silence_seconds=1):
                pass
        assert await client.ask("GET", f"{url}/") == b"here"


@pytest.mark.parametrize(
    "target", ["http://user:pw@{host}/", "http://a..b/", f"http://{'a' * 64}.example/", "http://[", "http://x:99999/"]
)
async def test_an_address_that_cannot_be_used_is_a_temporary_error(target: str) -> None:
    async def redirect(request: Request, connection: Connection) -> None:
        await connection.answer(302, Location=target.format(host=request.headers["host"]))

    async with client_of(redirect) as (client, url):
        with pytest.raises(http.TRANSIENT_ERRORS):
            await client.ask("GET", url, headers=LOGIN)
        with pytest.raises(http.TRANSIENT_ERRORS):
            async with client.listen(target.format(host="x"), params={}, headers=LOGIN, silence_seconds=1):
                pass


async def test_only_read_requests_follow_redirects() -> None:
    paths: list[str] = []

    async def redirect(request: Request, connection: Connection) -> None:
        paths.append(request.path)
        await connection.answer(307, Location="/elsewhere")

    async with client_of(redirect) as (client, url):
        with pytest.raises(http.BadResponse, match="HTTP 307"):
            await client.ask("POST", url, body=b"{}")
    assert paths == ["/"]


ECHOES = {
    "the status line": f"HTTP/1.1 403 {TOKEN}\r\nContent-Length: 2\r\n\r\nno",
    "the body": f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(TOKEN)}\r\n\r\n{TOKEN}",
    "no HTTP": f"{TOKEN}\r\n\r\n",
    "a bad header": f"HTTP/1.1 200 OK\r\n{TOKEN}\0: x\r\n\r\n",
    "a bad chunk": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{TOKEN}\r\n",
    "a redirect": f"HTTP/1.1 302 Found\r\nLocation: ftp://{TOKEN}/?{TOKEN}\r\nContent-Length: 0\r\n\r\n",
    "a redirect to nowhere": f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/{TOKEN}\r\nContent-Length: 0\r\n\r\n",
    "a success": f"HTTP/1.1 200 OK\r\nContent-Length: {len(TOKEN) + 1}\r\n\r\n{TOKEN}\n",
}


@pytest.mark.parametrize("echo", ECHOES)
async def test_an_echoed_token_is_never_revealed(echo: str) -> None:
    async def repeat(request: Request, connection: Connection) -> None:
        assert request.headers["authorization"] == LOGIN["Authorization"]
        await connection.send(ECHOES[echo].encode())
        connection.close()

    texts: list[str] = []
    async with client_of(repeat) as (client, url):
        try:
            texts.append(str(await client.ask("GET", url, headers=LOGIN)))
        except (http.BadResponse, *http.TRANSIENT_ERRORS) as error:
            texts.append(f"{error} {error!r} {error.__cause__}")
        try:
            async with client.listen(url, params={}, headers=LOGIN, silence_seconds=5) as lines:
                texts.append(str([line async for line in lines]))
        except (http.BadResponse, *http.TRANSIENT_ERRORS) as error:
            texts.append(f"{error} {error!r} {error.__cause__}")
    assert len(texts) == 2
    assert not any(TOKEN in text for text in texts), texts


async def test_a_body_above_the_limit_is_refused() -> None:
    async def answer(request: Request, connection: Connection) -> None:
        await connection.answer(200, b"x" * 10_001)

    async with client_of(answer) as (client, url):
        with pytest.raises(http.BadResponse, match="larger than 10000 bytes"):
            await client.ask("GET", url, limit=10_000)
        assert len(await client.ask("GET", url, limit=10_001)) == 10_001
