"""Formats a notice for a webhook: plain JSON, Slack or Teams.

In Slack's markup, escaping &, < and > as entities is enough to prevent links and mentions. Teams gets text runs, which
are shown literally, because its other text elements interpret Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from streams.contracts import Spike
from streams.delivery.notice import Fact, Notice
from streams.settings import WebhookFormat
from streams.text.safe_text import readable

_STRING_LENGTH = 500
_SECTION_LENGTH = 3_000  # Slack refuses more
_HEADER_LENGTH = 150
_POSTS = 6
_COLOURS = {"critical": "attention", "warning": "warning", "info": "accent"}


def render(form: WebhookFormat, notice: Notice, spike: Spike, run: str, *, test: bool = False) -> bytes:
    """Return the body of a request, as UTF-8 JSON."""
    document = _plain(notice, spike, run, test) if form == "json" else _FORMS[form](notice)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(notice: Notice, spike: Spike, run: str, test: bool) -> dict[str, Any]:
    links = {"dashboard": notice.dashboard, "runbook": notice.runbook}
    return {
        "version": 1,
        "key": notice.key,
        "run": run,
        "test": test,
        "alert": notice.kind.alert,
        "severity": notice.kind.severity,
        "state": notice.state,
        "title": notice.title,
        "text": "\n".join([notice.summary, *map(_line, (*notice.facts, *notice.drivers))]),
        "links": {name: url for name, url in links.items() if url},
        "spike": _sanitised(msgspec.to_builtins(spike)),
    }


def _sanitised(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value, _STRING_LENGTH)
    if isinstance(value, dict):
        return {key: _sanitised(part) for key, part in value.items()}
    return [_sanitised(part) for part in value] if isinstance(value, list | tuple) else value


def _line(fact: Fact) -> str:
    return f"{fact.name}: {fact.value}"


def escape_slack(text: str) -> str:
    """Escape text for Slack's mrkdwn, so that a post cannot contain links or mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack(notice: Notice) -> dict[str, Any]:
    header = {"type": "plain_text", "text": readable(notice.title, _HEADER_LENGTH), "emoji": False}
    blocks: list[dict[str, Any]] = [{"type": "header", "text": header}]
    if notice.summary:
        blocks.append(_slack_section(escape_slack(notice.summary)))
    if facts := [f"*{fact.name}*: {escape_slack(fact.value)}" for fact in (*notice.facts, *notice.drivers)]:
        blocks.append(_slack_section("\n".join(facts)))
    for post in notice.posts[:_POSTS]:
        by = f"{post.heading}: {escape_slack(post.by)}"
        link = f" <{escape_slack(post.url)}|open>" if post.url else ""
        blocks.append(_slack_section(f"> {escape_slack(post.text)}\n{by}{link}"))
    links = [("dashboard", notice.dashboard), ("runbook", notice.runbook)]
    if shown := [f"<{escape_slack(url)}|{name}>" for name, url in links if url]:
        elements = [{"type": "mrkdwn", "text": " · ".join(shown), "verbatim": True}]
        blocks.append({"type": "context", "elements": elements})
    # `text` is what phones and old clients show, and what Mattermost and Rocket.Chat use
    return {"text": escape_slack(f"{notice.title}\n{notice.summary}"), "blocks": blocks}


def _slack_section(text: str) -> dict[str, Any]:
    if len(text) > _SECTION_LENGTH:
        text = text[: _SECTION_LENGTH - 1]
        entity = text.rfind("&")
        whole = entity < 0 or ";" in text[entity:]
        text = (text if whole else text[:entity]) + "…"
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _teams(notice: Notice) -> dict[str, Any]:
    colour = "good" if notice.state == "closed" else _COLOURS[notice.kind.severity]
    title = _run(notice.title) | {"size": "large", "weight": "bolder", "color": colour}
    body = [_rich([title])]
    if notice.summary:
        body.append(_rich([_run(notice.summary)]))
    body += [
        _rich([_run(f"{fact.name}: ") | {"weight": "bolder"}, _run(fact.value)], close=True)
        for fact in (*notice.facts, *notice.drivers)
    ]
    for post in notice.posts[:_POSTS]:
        by = _run(f"{post.heading}: {post.by}") | {"isSubtle": True, "size": "small"}
        if post.url:
            by["selectAction"] = {"type": "Action.OpenUrl", "url": post.url}
        body += [_rich([_run(f"“{post.text}”") | {"italic": True}]), _rich([by], close=True)]
    links = [("Dashboard", notice.dashboard), ("Runbook", notice.runbook)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in links if url],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _run(text: str) -> dict[str, Any]:
    # cards expand {{DATE(…)}} and the like: an invisible joiner separates the braces
    return {"type": "TextRun", "text": text.replace("{{", "{\u2060{").replace("${", "$\u2060{")}


def _rich(runs: Sequence[dict[str, Any]], *, close: bool = False) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "RichTextBlock", "inlines": list(runs)}
    return block | {"spacing": "none"} if close else block


_FORMS: dict[WebhookFormat, Callable[[Notice], dict[str, Any]]] = {"slack": _slack, "teams": _teams}
