from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from streams.sources import http
from streams.sources.mastodon.instance import BEFORE_ALL, PAGE, Instance, Status, order

URL = "https://one.example"
TIMELINE = f"{URL}/api/v1/timelines/tag/poltwt"
LOGIN = {"Authorization": "Bearer canary"}


class Server(http.Client):
    """A fake instance that answers by URL; its timeline has the ids of `posts`, in pages."""

    def __init__(self, answers: Mapping[str, bytes | int] | None = None, posts: range = range(0)) -> None:
        super().__init__(URL)
        self.answers = dict(answers or {})
        self.posts = posts
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.listened: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = []

    async def ask(self, method: str, url: str, **options: Any) -> bytes:
        self.asked.append((url, dict(options.get("headers") or {})))
        if url.startswith(f"{URL}/api/v1/timelines/") and url not in self.answers:
            return self._page(options["params"])
        answer = self.answers.get(url, 404)
        if isinstance(answer, int):
            raise http.BadResponse(answer, {}, b"")
        return answer

    def _page(self, bounds: Mapping[str, str]) -> bytes:
        assert bounds["limit"] == str(PAGE)
        posts = [post for post in self.posts if int(bounds.get("min_id", 0)) < post < int(bounds.get("max_id", 10**9))]
        page = posts[:PAGE] if "min_id" in bounds else posts[-PAGE:]
        return json.dumps([{"id": str(post), "created_at": None} for post in reversed(page)]).encode()

    @asynccontextmanager
    async def listen(self, url: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes | Any]]:
        self.listened.append((url, options["params"], options["headers"]))

        async def lines() -> AsyncIterator[bytes]:
            yield b":"

        yield lines()


def about(**fields: Any) -> dict[str, bytes | int]:
    return {f"{URL}/api/v2/instance": json.dumps(fields).encode()}


def streaming(url: str) -> dict[str, bytes | int]:
    return about(domain="social.example", configuration={"urls": {"streaming": url}})


def instance(server: Server, url: str = URL) -> Instance:
    return Instance(server, url, SecretStr("canary"))


def numbers(statuses: list[Status]) -> list[int]:
    return [int(status.head.id) for status in statuses]


async def stream_of(server: Server, url: str = URL) -> tuple[str, Mapping[str, str]]:
    found = instance(server, url)
    await found.discover()
    async with found.listen("poltwt", 60.0):
        pass
    [(address, params, headers)] = server.listened
    assert params == {"tag": "poltwt"}
    assert headers["Accept"] == "text/event-stream"
    return address, headers


async def test_it_streams_from_the_host_that_it_names() -> None:
    server = Server(streaming("wss://streaming.example/"))
    assert await stream_of(server) == (
        "https://streaming.example/api/v1/streaming/hashtag",
        LOGIN | {"Accept": "text/event-stream"},
    )
    assert server.asked == [(f"{URL}/api/v2/instance", LOGIN)]


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {f"{URL}/api/v2/instance": b"<html>"},
        {f"{URL}/api/v2/instance": b"[" * 100_000},
        about(),
        streaming("ftp://streaming.example"),
        streaming("wss://[::1"),
        streaming("wss://"),
    ],
)
async def test_otherwise_it_streams_from_its_own_host(answers: dict[str, bytes | int]) -> None:
    assert (await stream_of(Server(answers)))[0] == f"{URL}/api/v1/streaming/hashtag"


async def test_the_token_is_not_sent_unencrypted_by_an_encrypted_instance() -> None:
    _, headers = await stream_of(Server(streaming("ws://streaming.example")))
    assert headers == {"Accept": "text/event-stream"}


async def test_it_is_asked_again_only_after_its_host_may_have_moved() -> None:
    server = Server(streaming("wss://streaming.example"))
    found = instance(server)
    assert found.domain == "one.example"
    await found.discover()
    await found.discover()
    assert (len(server.asked), found.domain) == (1, "social.example")
    found.forget()
    await found.discover()
    assert len(server.asked) == 2


async def test_an_error_of_the_instance_is_raised() -> None:
    with pytest.raises(http.BadResponse, match="503"):
        await instance(Server({f"{URL}/api/v2/instance": 503})).discover()


async def test_missed_posts_arrive_in_pages_with_the_oldest_first() -> None:
    pages = [numbers(page) async for page in instance(Server(posts=range(10, 110))).missed("poltwt", "19")]
    assert [len(page) for page in pages] == [40, 40, 10]
    assert [number for page in pages for number in page] == list(range(20, 110))
    assert [page async for page in instance(Server(posts=range(10, 20))).missed("poltwt", "19")] == []


async def test_the_newest_posts_are_one_page() -> None:
    assert numbers(await instance(Server(posts=range(100, 200))).newest("poltwt")) == list(range(199, 159, -1))
    assert await instance(Server()).newest("poltwt") == []


async def test_the_latest_posts_reach_back_to_the_floor() -> None:
    found = instance(Server(posts=range(100, 300)))
    assert numbers(await found.latest("poltwt", "250", 60, BEFORE_ALL)) == list(range(250, 190, -1))
    assert numbers(await found.latest("poltwt", "250", 60, order("240"))) == list(range(250, 239, -1))
    assert numbers(await found.latest("poltwt", "105", 60, BEFORE_ALL)) == list(range(105, 99, -1))


@pytest.mark.parametrize(("answer", "gone"), [(b"{}", False), (404, True), (410, True)])
async def test_a_post_is_gone_if_the_instance_says_so(answer: bytes | int, gone: bool) -> None:
    server = Server({f"{URL}/api/v1/statuses/a%2Fb": answer})
    assert await instance(server).is_gone("a/b") is gone


async def test_whether_a_post_is_gone_may_be_unknown() -> None:
    with pytest.raises(http.BadResponse, match="500"):
        await instance(Server({f"{URL}/api/v1/statuses/5": 500})).is_gone("5")


@pytest.mark.parametrize("answer", [b"{}", b"<html>", b'[{"id":5}]', b'[{"id":""}]', b"\xff"])
async def test_any_other_response_is_a_temporary_error(answer: bytes) -> None:
    with pytest.raises(http.TRANSIENT_ERRORS, match="did not return a list of posts"):
        await instance(Server({TIMELINE: answer})).newest("poltwt")


@given(st.integers(0), st.integers(0))
def test_ids_are_ordered_as_numbers(one: int, two: int) -> None:
    assert (order(str(one)) < order(str(two))) is (one < two)
    assert order(str(one)) > BEFORE_ALL
