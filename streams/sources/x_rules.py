"""The rules of X's filtered stream, kept as the campaign wants them; those of others are left alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec

from streams.errors import Refused
from streams.sources import http
from streams.sources.untyped import dicts, mapping, string

logger = logging.getLogger(__name__)

_OR = " OR "


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


async def synchronise(
    session: aiohttp.ClientSession, base: str, headers: dict[str, str], wanted: Sequence[str], tag: str
) -> None:
    """Removes rules of ours that are not wanted any more, adds what is missing, and looks whether they stand.

    Raises Refused when X does not take them, http.BadAnswer and what is in http.TROUBLE.
    """
    url = f"{base}/2/tweets/search/stream/rules"
    ours = await _rules(session, url, headers, tag)
    stale = [rule_id for rule_id, value in ours.items() if value not in wanted]
    missing = [value for value in wanted if value not in ours.values()]
    if stale:  # first: plans have few rules
        await _change(session, url, headers, {"delete": {"ids": stale}})
    if missing:
        await _change(session, url, headers, {"add": [{"value": value, "tag": tag} for value in missing]})
    if not stale and not missing:
        return
    standing = sorted((await _rules(session, url, headers, tag)).values())
    if standing != sorted(wanted):
        raise _NotYet(f"the rules are {standing}, wanted {sorted(wanted)}")
    logger.info("the rules of the stream are now: %s", "; ".join(standing))


class _NotYet(aiohttp.ClientError):
    """X took the rules, but does not show them."""


async def _rules(session: aiohttp.ClientSession, url: str, headers: dict[str, str], tag: str) -> dict[str, str]:
    """Our rules by their ids."""
    answer = _decode(await http.ask(session, "GET", url, headers=headers))
    return {
        string(rule.get("id")): string(rule.get("value"))
        for rule in dicts(answer.get("data"))
        if rule.get("tag") == tag
    }


async def _change(session: aiohttp.ClientSession, url: str, headers: dict[str, str], change: dict[str, Any]) -> None:
    body = msgspec.json.encode(change)
    answer = _decode(
        await http.ask(session, "POST", url, headers=headers | {"Content-Type": "application/json"}, body=body)
    )
    for problem in dicts(answer.get("errors")):
        title = string(problem.get("title"))
        if title == "DuplicateRule" or "delete" in change:
            continue  # it stands there already, or is gone already
        details = "; ".join(part for part in (string(problem.get("value")), string(problem.get("detail"))) if part)
        raise Refused(f"X does not take the rules for the campaign's hashtags: {title} {details}"[:500])


def _decode(answer: bytes) -> dict[str, Any]:
    try:
        return mapping(msgspec.json.decode(answer))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _NotYet(f"X gave no JSON: {error}") from None
