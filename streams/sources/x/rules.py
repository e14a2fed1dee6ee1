"""Keeps our rules of X's filtered stream in line with the campaign; leaves other rules alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec

from streams.errors import Refused
from streams.sources import http

logger = logging.getLogger(__name__)

_OR = " OR "


class _Rule(msgspec.Struct):
    id: str = ""
    value: str = ""
    tag: str | None = None


class _Problem(msgspec.Struct):
    title: str = ""
    value: str | None = None
    detail: str | None = None


class _Answer(msgspec.Struct):
    data: tuple[_Rule, ...] = ()
    errors: tuple[_Problem, ...] = ()


_ANSWER: msgspec.json.Decoder[_Answer] = msgspec.json.Decoder(_Answer)


def wanted_rules(tags: Sequence[str], limit: int) -> list[str]:
    """Return as few rules as possible that cover all hashtags.

    Args:
        tags: Hashtags without the `#`.
        limit: Maximum length of a rule, in characters.

    Raises:
        Refused: A single hashtag is longer than the limit.
    """
    rules: list[str] = []
    for tag in tags:
        word = f"#{tag}"
        if len(word) > limit:
            raise Refused(
                f"#{tag} is too long: X accepts rules of at most {limit} characters (TAGPULSE_X__RULE_CHARACTERS)"
            )
        if rules and len(rules[-1]) + len(_OR) + len(word) <= limit:
            rules[-1] += _OR + word
        else:
            rules.append(word)
    return rules


async def synchronise(client: http.Client, base: str, headers: dict[str, str], wanted: Sequence[str], tag: str) -> None:
    """Remove our stale rules, add the missing ones, and check the result.

    Args:
        client: Client of the X API.
        base: URL of the X API.
        headers: Headers of every request, with the token.
        wanted: The rules to have.
        tag: Tag that marks our rules.

    Raises:
        Refused: X rejects the rules.
        BadResponse: The status of a response is an error.
        ClientError, OSError, EOFError: A temporary error (`http.TRANSIENT_ERRORS`), or the rules are not active yet.
    """
    url = f"{base}/2/tweets/search/stream/rules"
    ours = await _rules(client, url, headers, tag)
    stale = [rule_id for rule_id, value in ours.items() if value not in wanted]
    missing = [value for value in wanted if value not in ours.values()]
    if stale:  # remove before adding: plans allow few rules
        await _change(client, url, headers, {"delete": {"ids": stale}})
    if missing:
        await _change(client, url, headers, {"add": [{"value": value, "tag": tag} for value in missing]})
    if not stale and not missing:
        return
    active = sorted((await _rules(client, url, headers, tag)).values())
    if active != sorted(wanted):
        raise _RulesNotActive(f"the stream's rules are {active} instead of {sorted(wanted)}")
    logger.info("the stream's rules are now: %s", "; ".join(active))


class _RulesNotActive(aiohttp.ClientError):
    """Raised when X does not list the rules, or does not list the changed ones yet."""


async def _rules(client: http.Client, url: str, headers: dict[str, str], tag: str) -> dict[str, str]:
    """Return our rules by id."""
    answer = _decode(await client.ask("GET", url, headers=headers))
    return {rule.id: rule.value for rule in answer.data if rule.tag == tag}


async def _change(client: http.Client, url: str, headers: dict[str, str], change: dict[str, Any]) -> None:
    body = msgspec.json.encode(change)
    answer = _decode(await client.ask("POST", url, headers=headers | {"Content-Type": "application/json"}, body=body))
    for problem in answer.errors:
        if problem.title == "DuplicateRule" or "delete" in change:
            continue  # the rule exists already, or was removed already
        details = "; ".join(part for part in (problem.value, problem.detail) if part)
        raise Refused(f"X rejected the rules for the campaign's hashtags: {problem.title} {details}"[:500])


def _decode(answer: bytes) -> _Answer:
    try:
        return _ANSWER.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _RulesNotActive(f"X did not return a list of rules: {error}") from None
