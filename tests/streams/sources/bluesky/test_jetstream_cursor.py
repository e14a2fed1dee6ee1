from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.sources.bluesky.jetstream_cursor import JetstreamCursor, Servers, read_cursor

A, B, C = (f"wss://{name}.example/subscribe" for name in "abc")


@given(
    st.integers(0, 10**17 - 1).map(JetstreamCursor)
    | st.builds(
        JetstreamCursor, st.integers(0, 10**17 - 1), st.integers(0, 10**15 - 1), st.from_regex(r"\A[a-z.:0-9]*\Z")
    )
)
def test_a_cursor_is_read_as_it_was_saved(cursor: JetstreamCursor) -> None:
    assert read_cursor(cursor.text) == cursor


def test_a_cursor_has_the_time_of_the_server() -> None:
    assert JetstreamCursor(1_785_585_600_500_000).made_at == datetime(2026, 8, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert JetstreamCursor(5, 7, "a.example").text == "5 7 a.example"
    assert JetstreamCursor(5).text == "5"


@pytest.mark.parametrize("text", ["", "x", "-1", "٣", "1" * 18, "5 7", "5 x a", "5 7 a b", f"5 {10**15} a", " 5"])
def test_anything_else_is_not_a_cursor(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"^TAGPULSE_PRODUCE__STATE_PATH: .* is not a Bluesky cursor: delete its file"
    ):
        read_cursor(text)


def test_an_unreachable_server_is_replaced_by_the_next_one() -> None:
    servers = Servers([A, B, C])
    assert (servers.current, servers.host, servers.several) == (A, "a.example", True)
    found = []
    for _ in range(4):
        servers.fails()
        found.append(servers.current)
    assert found == [B, C, A, B]


def test_a_server_that_worked_gets_another_chance() -> None:
    servers = Servers([A, B])
    servers.works()
    servers.fails()
    assert servers.current == A
    servers.fails()
    assert servers.current == B


def test_a_single_server_is_kept() -> None:
    servers = Servers([A])
    servers.fails()
    assert (servers.current, servers.several) == (A, False)
    assert servers.refuses()


def test_a_refusal_is_permanent_only_if_all_servers_refuse() -> None:
    servers = Servers([A, B])
    assert not servers.refuses()
    assert not servers.refuses(), "the same one again"
    servers.fails()
    servers.works()
    servers.fails()
    assert not servers.refuses(), "one of them worked meanwhile"
    servers.fails()
    assert servers.refuses()
