from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import Refused
from streams.sources import http
from streams.sources.x.rules import synchronise, wanted_rules
from tests.helpers.http_server import Connection, Request, http_server

TAG = "tagpulse"


def test_hashtags_share_rules_up_to_the_plans_limit() -> None:
    assert wanted_rules(["a", "bb", "ccc", "d"], 10) == ["#a OR #bb", "#ccc OR #d"]
    with pytest.raises(Refused, match="#long"):
        wanted_rules(["long"], 4)


@given(st.lists(st.from_regex(r"\A[a-z]{1,9}\Z"), unique=True, max_size=20), st.integers(10, 60))
def test_rules_cover_all_hashtags_within_the_limit(tags: list[str], limit: int) -> None:
    rules = wanted_rules(tags, limit)
    assert [word for rule in rules for word in rule.split(" OR ")] == [f"#{tag}" for tag in tags]
    assert all(len(rule) <= limit for rule in rules)
    assert all(len(f"{one} OR {two.split(' OR ')[0]}") > limit for one, two in pairwise(rules))


class Rules:
    """A server with X's list of rules."""

    def __init__(self, *values: str, others: Sequence[str] = ()) -> None:
        self.rules = {str(number): {"value": value, "tag": TAG} for number, value in enumerate(values)}
        self.rules |= {f"9{number}": {"value": value, "tag": "someone"} for number, value in enumerate(others)}
        self.changes: list[dict[str, Any]] = []
        self.problems: list[dict[str, str]] = []
        self.answer: bytes | None = None
        self.is_slow = False

    @property
    def ours(self) -> list[str]:
        return sorted(rule["value"] for rule in self.rules.values() if rule["tag"] == TAG)

    async def handle(self, request: Request, connection: Connection) -> None:
        assert request.path == "/2/tweets/search/stream/rules"
        assert request.headers["authorization"] == "Bearer canary"
        if request.method == "GET":
            listed = [{"id": rule_id} | rule for rule_id, rule in self.rules.items()]
            await connection.answer(200, self.answer or json.dumps({"data": listed}).encode())
            return
        change = json.loads(request.body)
        self.changes.append(change)
        for rule_id in [] if self.is_slow else change.get("delete", {}).get("ids", []):
            del self.rules[rule_id]
        for number, rule in enumerate([] if self.is_slow else change.get("add", [])):
            self.rules[f"5{number}"] = rule
        await connection.answer(201, json.dumps({"errors": self.problems}).encode())


@asynccontextmanager
async def client_of(rules: Rules) -> AsyncIterator[tuple[http.Client, str]]:
    async with http_server(rules.handle) as url, http.Client(url) as client:
        yield client, url


async def synchronised(rules: Rules, *wanted: str) -> None:
    async with client_of(rules) as (client, url):
        await synchronise(client, url, {"Authorization": "Bearer canary"}, wanted, TAG)


async def test_stale_rules_are_deleted_before_missing_ones_are_added() -> None:
    rules = Rules("#old", "#kept", others=["#old", "#new"])
    await synchronised(rules, "#kept", "#new")
    assert rules.changes == [{"delete": {"ids": ["0"]}}, {"add": [{"value": "#new", "tag": TAG}]}]
    assert rules.ours == ["#kept", "#new"]
    assert len(rules.rules) == 4, "the rules of others are left alone"


async def test_existing_rules_are_not_changed() -> None:
    rules = Rules("#a", "#b")
    await synchronised(rules, "#b", "#a")
    assert rules.changes == []


async def test_a_rejected_rule_is_a_refusal_that_names_it() -> None:
    rules = Rules()
    rules.problems = [{"title": "Invalid", "value": "#new", "detail": "too long"}]
    with pytest.raises(Refused, match="X rejected the rules for the campaign's hashtags: Invalid #new; too long"):
        await synchronised(rules, "#new")


async def test_a_rule_that_already_exists_or_is_already_gone_is_not_a_problem() -> None:
    rules = Rules()
    rules.problems = [{"title": "DuplicateRule", "value": "#new"}]
    await synchronised(rules, "#new")
    rules = Rules("#old")
    rules.problems = [{"title": "Not Found Error"}]
    await synchronised(rules)
    assert rules.ours == []


async def test_rules_that_are_not_active_yet_are_waited_for() -> None:
    rules = Rules()
    rules.is_slow = True
    with pytest.raises(http.TRANSIENT_ERRORS, match=r"the stream's rules are \[\] instead of \['#new'\]"):
        await synchronised(rules, "#new")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"data":5}', b"\xff"])
async def test_any_other_response_is_a_temporary_error(answer: bytes) -> None:
    rules = Rules()
    rules.answer = answer
    with pytest.raises(http.TRANSIENT_ERRORS, match="X did not return a list of rules"):
        await synchronised(rules, "#new")
