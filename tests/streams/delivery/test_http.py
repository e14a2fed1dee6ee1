from __future__ import annotations

import gzip
from base64 import b64encode

import pytest

from streams.delivery.http import Poster, place
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.webhooks import Reply, WebhookServer


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        *(("delivered", status) for status in (200, 204)),
        *(("refused", status) for status in (301, 400, 404, 410)),
        *(("failed", status) for status in (408, 425, 429, 500, 503)),
    ],
)
async def test_a_status_says_whether_to_try_again(outcome: str, status: int) -> None:
    with WebhookServer(Reply(status, {"Location": "/elsewhere"}, b"")) as server:
        poster = Poster(5)
        answer = await poster.post(server.url, b"{}", {})
        await poster.close()
    assert answer.outcome == outcome
    assert len(server.requests) == 1
    assert server.requests[0].headers["user-agent"].startswith("tagpulse/")


async def test_a_huge_response_is_not_read_to_the_end() -> None:
    with WebhookServer(Reply(body=b"x" * 5_000_000)) as server:
        poster = Poster(5)
        answer = await poster.post(server.url, b"{}", {})
        await poster.close()
    assert answer.outcome == "delivered"
    assert len(answer.detail) <= 200


async def test_an_unreachable_target_is_reported_without_its_full_url() -> None:
    poster = Poster(2)
    answer = await poster.post("http://127.0.0.1:1/s3cret?token=s3cret", b"{}", {})
    await poster.close()
    assert answer.outcome == "failed"
    assert "127.0.0.1:1" in answer.detail
    assert "s3cret" not in answer.detail


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", "127.1", "[::1"])
async def test_an_address_that_cannot_be_used_is_refused(host: str) -> None:
    poster = Poster(2)
    answer = await poster.post(f"http://{host}/s3cret-hook", b"{}", LOGIN)
    await poster.close()
    assert (answer.outcome, answer.detail) == ("refused", "the address cannot be used")


LOGIN = {"Authorization": "Bearer canary-of-a-token"}


@pytest.mark.parametrize(
    "target", ["http://user:pw@a.example/", "http://a..b/", "http://[", "http://canary-of-a-token/"]
)
async def test_any_redirect_is_a_refusal(target: str) -> None:
    with WebhookServer(Reply(302, {"Location": target}, b"")) as server:
        poster = Poster(5)
        answer = await poster.post(server.url, b"{}", LOGIN)
        await poster.close()
    assert answer.outcome == "refused"
    assert "canary" not in answer.detail


@pytest.mark.parametrize(
    "words",
    [
        "canary-of-a-token",
        "canary-of-the-path",
        "canary of the query",
        "canary%20of%20the%20query",
        "/hook/canary-of-the-path",
    ],
)
async def test_a_secret_echoed_by_the_server_is_not_shown(words: str) -> None:
    async def repeat(request: Request, connection: Connection) -> None:
        await connection.send(f"HTTP/1.1 500 {words}\r\nContent-Length: {len(words)}\r\n\r\n{words}".encode())

    async with http_server(repeat) as url:
        poster = Poster(5)
        answer = await poster.post(f"{url}/hook/canary-of-the-path?key=canary%20of%20the%20query", b"{}", LOGIN)
        await poster.close()
    assert answer.outcome == "failed"
    assert answer.detail.startswith("500 ")
    assert "canary" not in answer.detail


async def test_a_password_echoed_by_the_server_is_not_shown() -> None:
    async def repeat(request: Request, connection: Connection) -> None:
        await connection.answer(
            401, b"anna with canary-password may not, nor " + request.headers["authorization"].encode()
        )

    async with http_server(repeat) as url:
        poster = Poster(5)
        login = "Basic " + b64encode(b"anna:canary-password").decode()
        answer = await poster.post(url, b"{}", {"Authorization": login})
        await poster.close()
    assert "anna with ********** may not" in answer.detail
    assert login.rpartition(" ")[2] not in answer.detail


async def test_a_compressed_reply_is_not_unpacked() -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    with WebhookServer(Reply(500, {"Content-Encoding": "gzip"}, bomb)) as server:
        poster = Poster(5)
        answer = await poster.post(server.url, b"{}", {})
        await poster.close()
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert answer.outcome == "failed"
    assert "xxx" not in answer.detail


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:s3cret@hooks.example/T/B/x", "hooks.example"),
        ("http://[::1]:9093/", "[::1]:9093"),
    ],
)
def test_only_host_and_port_of_a_url_are_shown(url: str, shown: str) -> None:
    assert place(url) == shown
