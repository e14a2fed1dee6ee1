"""Converts a spike to an alert of Alertmanager's API v2."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from streams.contracts import Spike
from streams.delivery.notice import Fact, Notice

PATH = "/api/v2/alerts"
LIFETIMES = 4
"""An open alert ends after this many resend periods, as with Prometheus: it outlives a restart, but not an outage."""

# Receivers insert annotations into their own templates, often without escaping. `<!channel>` would notify everyone in a
# Slack channel, and a tag would be HTML in an email: angle quotation marks look similar and do neither.
_INERT = str.maketrans({"<": "\u2039", ">": "\u203a"})
_MENTIONS = ("@everyone", "@here", "@channel", "@all")
_JOINER = "\u2060"


def alert_of(
    spike: Spike, notice: Notice, run: str, now: datetime, resend_seconds: float, *, test: bool = False
) -> dict[str, Any]:
    """Return the alert. All messages about a spike have the same labels, so that Alertmanager updates it in place.

    Times are event times, but no later than `now`, which they can be in a replayed day: Alertmanager refuses an alert
    that ends before it starts.
    """
    starts_at = min(spike.opened_at, now)
    if spike.state == "closed":
        ends_at = max(min(spike.closed_at or spike.at, now), starts_at)
    else:
        ends_at = now + timedelta(seconds=LIFETIMES * resend_seconds)
    alert: dict[str, Any] = {
        "labels": {
            "alertname": notice.kind.alert,
            "component": "mood",
            "hashtag": _inert(notice.hashtag),
            "kind": spike.kind,
            "severity": "info" if test else notice.kind.severity,
            "run": run,
        }
        | ({"test": "true"} if test else {}),
        "annotations": {name: text for name, text in _annotations(notice).items() if text},
        "startsAt": starts_at.isoformat(),
        "endsAt": ends_at.isoformat(),
    }
    return alert | ({"generatorURL": notice.dashboard} if notice.dashboard else {})


def _annotations(notice: Notice) -> dict[str, str | None]:
    return {
        "summary": _inert(notice.summary or notice.title),
        "description": _lines(notice.facts),
        "explanation": _lines(notice.drivers),
        "top_posts": "\n".join(
            _inert(f"{post.heading}: “{post.text}” — {post.by}") + (f" {post.url}" if post.url else "")
            for post in notice.posts
        ),
        "dashboard": notice.dashboard,
        "runbook_url": notice.runbook,
    }


def _lines(facts: tuple[Fact, ...]) -> str:
    return "\n".join(_inert(f"{fact.name}: {fact.value}") for fact in facts)


def _inert(text: str) -> str:
    text = text.translate(_INERT)
    for mention in _MENTIONS:
        text = text.replace(mention, f"@{_JOINER}{mention[1:]}")
    return text
