"""The rules of X's filtered stream, kept as the campaign wants them; those of others are left alone."""

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
    """As few rules as hold all hashtags. Raises Refused when one alone is longer than the plan's limit."""
    rules: list[str] = []
    for tag in tags:
        word = f"#{tag}"
        if len(word) > limit:
            raise Refused(f"#{tag}: X takes rules of {limit} characters at most (TAGPULSE_X__RULE_CHARACTERS)")
        if rules and len(rules[-1]) + len(_OR) + len(word) <= limit:
            rules[-1] += _OR + word
        else:
            rules.append(word)
    return rules


async def synchronise(client: http.Client, base: str, headers: dict[str, str], wanted: Sequence[str], tag: str) -> None:
    """Removes rules of ours that are not wanted any more, adds what is missing, and looks whether they stand.

    Raises Refused when X does not take them, http.BadAnswer and what is in http.TROUBLE.
    """
    url = f"{base}/2/tweets/search/stream/rules"
    ours = await _rules(client, url, headers, tag)
    stale = [rule_id for rule_id, value in ours.items() if value not in wanted]
    missing = [value for value in wanted if value not in ours.values()]
    if stale:  # first: plans have few rules
        await _change(client, url, headers, {"delete": {"ids": stale}})
    if missing:
        await _change(client, url, headers, {"add": [{"value": value, "tag": tag} for value in missing]})
    if not stale and not missing:
        return
    standing = sorted((await _rules(client, url, headers, tag)).values())
    if standing != sorted(wanted):
        raise _NotYet(f"the rules are {standing}, wanted {sorted(wanted)}")
    logger.info("the rules of the stream are now: %s", "; ".join(standing))


class _NotYet(aiohttp.ClientError):
    """X took the rules, but does not show them."""


async def _rules(client: http.Client, url: str, headers: dict[str, str], tag: str) -> dict[str, str]:
    """Our rules by their ids."""
    answer = _decode(await client.ask("GET", url, headers=headers))
    return {rule.id: rule.value for rule in answer.data if rule.tag == tag}


async def _change(client: http.Client, url: str, headers: dict[str, str], change: dict[str, Any]) -> None:
    body = msgspec.json.encode(change)
    answer = _decode(await client.ask("POST", url, headers=headers | {"Content-Type": "application/json"}, body=body))
    for problem in answer.errors:
        if problem.title == "DuplicateRule" or "delete" in change:
            continue  # it stands there already, or is gone already
        details = "; ".join(part for part in (problem.value, problem.detail) if part)
        raise Refused(f"X does not take the rules for the campaign's hashtags: {problem.title} {details}"[:500])


def _decode(answer: bytes) -> _Answer:
    try:
        return _ANSWER.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _NotYet(f"X gave no list of rules: {error}") from None
