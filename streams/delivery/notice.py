"""The content of a message about a spike, in plain text, before it is formatted for a target."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from streams.contracts import SEVERAL, Driver, Excerpt, Spike, SpikeKind, SpikeState
from streams.settings import LIVE, AlertsSettings
from streams.spikes.summary import pace, percent
from streams.text.safe_text import readable

Severity = Literal["critical", "warning", "info"]

_HASHTAG_LENGTH = 100
_NAME_LENGTH = 60
_TEXT_LENGTH = 280
_SUMMARY_LENGTH = 500
_URL_LENGTH = 1_000
_KEY_LENGTH = 200
_POSTS = 5
_DRIVERS = 5
_MARGIN = timedelta(minutes=30)
"""The dashboard also shows this long before and after the spike."""
_URL_CHARACTERS = "/?#[]@!$&'()*+,;=:%~"


class Kind(NamedTuple):
    """The names and severity of a kind of spike."""

    alert: str
    """Name of the alert and of its runbook."""
    title: str
    severity: Severity


KINDS: dict[SpikeKind, Kind] = {
    "negative": Kind("NegativeSpike", "Negative spike", "critical"),
    "volume": Kind("VolumeSpike", "Volume spike", "info"),
    "silence": Kind("HashtagSilent", "Silence", "warning"),
}
_STATES: dict[SpikeState, str] = {"open": "", "growing": ", still open", "closed": ", over"}


class Fact(NamedTuple):
    name: str
    value: str


class Quote(NamedTuple):
    """A post that is safe to show."""

    heading: str
    text: str
    by: str
    url: str | None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A spike in plain text, of readable length and without invisible characters."""

    key: str
    """Unique key of this message in ASCII; the same for every attempt to deliver it."""
    kind: Kind
    state: SpikeState
    hashtag: str
    title: str
    summary: str
    facts: tuple[Fact, ...]
    drivers: tuple[Fact, ...]
    posts: tuple[Quote, ...]
    dashboard: str | None
    runbook: str | None


def notice_of(spike: Spike, run: str, alerts: AlertsSettings, *, test: bool = False) -> Notice:
    """Return the notice of a spike."""
    kind = KINDS[spike.kind]
    hashtag = readable(spike.hashtag, _HASHTAG_LENGTH)
    mark = "Test: " if test else "" if run == LIVE else f"Replay {run}: "
    return Notice(
        key=key_of(spike, run),
        kind=kind,
        state=spike.state,
        hashtag=hashtag,
        title=f"{mark}{kind.title}{_STATES[spike.state]}: #{hashtag}",
        summary=readable(spike.explanation.summary, _SUMMARY_LENGTH),
        facts=tuple(_facts(spike)),
        drivers=tuple(_drivers(spike)),
        posts=tuple(_quotes(spike)),
        dashboard=_dashboard(spike, run, alerts),
        runbook=f"{alerts.runbooks_url.rstrip('/')}/{kind.alert}.md" if alerts.runbooks_url else None,
    )


def key_of(spike: Spike, run: str) -> str:
    """Return RUN:ID:STATE (with the time for a growing spike), in characters that are valid in a header."""
    parts = [run, spike.id, spike.state]
    if spike.state == "growing":
        parts.append(f"{spike.at:%Y-%m-%dT%H:%M:%SZ}")
    key = quote(":".join(parts).encode("utf-8", "replace"), safe=":")
    return key if len(key) <= _KEY_LENGTH else hashlib.sha256(key.encode()).hexdigest()


def _facts(spike: Spike) -> Iterable[Fact]:
    yield Fact("since", _time(spike.opened_at))
    if spike.closed_at is not None:
        yield Fact("until", _time(spike.closed_at))
    if spike.share is not None:
        interval = ""
        if spike.low is not None and spike.high is not None:
            interval = f", {percent(spike.low)} to {percent(spike.high)} with 95 % confidence"
        usually = "" if spike.baseline is None else f"; usually {percent(spike.baseline)}"
        yield Fact("negative", f"{percent(spike.share)} ({spike.negative} of {spike.posts} posts{interval}){usually}")
    else:
        yield Fact("posts", f"{spike.posts}, {spike.negative} of them negative")
    if spike.rate is not None:
        usually = "" if spike.usual_rate is None else f"; usually {pace(spike.usual_rate)}"
        yield Fact("posts a minute", f"{pace(spike.rate)}{usually}")


def _drivers(spike: Spike) -> Iterable[Fact]:
    found = spike.explanation
    for name, drivers in (
        ("campaign topics", found.campaign_topics),
        ("terms", found.terms),
        *((part, getattr(found, part)) for part in SEVERAL),
        ("languages", found.languages),
        ("sources", found.sources),
    ):
        if text := _listed(drivers):
            yield Fact(name, text)
    if found.top_author:
        author = readable(found.top_author, _NAME_LENGTH)
        yield Fact("top account", f"{author} ({percent(found.top_author_share)} of the posts)")
    if found.top_text:
        text = readable(found.top_text, _TEXT_LENGTH)
        yield Fact("top repeated text", f"“{text}” ({percent(found.top_text_share)} of the posts)")


def _listed(drivers: Sequence[Driver]) -> str:
    return ", ".join(
        f"{readable(driver.name.replace('_', ' '), _NAME_LENGTH)} ({percent(driver.share)}, before {percent(driver.baseline)})"
        for driver in drivers[:_DRIVERS]
    )


def _quotes(spike: Spike) -> Iterable[Quote]:
    seen: set[str] = set()
    for heading, excerpts in (
        ("typical", spike.explanation.typical),
        ("most shared", spike.explanation.shared),
    ):
        for excerpt in excerpts[:_POSTS]:
            text = readable(excerpt.text, _TEXT_LENGTH)
            if text and text not in seen:
                seen.add(text)
                yield Quote(heading, text, _by(excerpt), harmless_url(excerpt.url))


def _by(excerpt: Excerpt) -> str:
    author = readable(excerpt.author, _NAME_LENGTH) or "unknown"
    shared = f", shared {excerpt.shared} times" if excerpt.shared > 1 else ""
    return f"{author} on {readable(excerpt.source, _NAME_LENGTH)}{shared}"


def harmless_url(url: str | None) -> str | None:
    """Return a web URL in ASCII, without characters that end a link in any markup; None if it is not one."""
    if not url or len(url) > _URL_LENGTH or readable(url, _URL_LENGTH) != url or " " in url:
        return None
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    if not all(character.isalnum() or character in ".-" for character in host):
        return None
    path, query, fragment = (_encoded(part) for part in (parts.path, parts.query, parts.fragment))
    return urlunsplit((parts.scheme, host + port, path, query, fragment))


def _encoded(part: str) -> str:
    for character in "()[]'":  # they end a link in Markdown
        part = part.replace(character, f"%{ord(character):02X}")
    return quote(part, safe=_URL_CHARACTERS)


def _dashboard(spike: Spike, run: str, alerts: AlertsSettings) -> str | None:
    if alerts.dashboard_url is None:
        return None
    until = "now" if spike.closed_at is None else str(_milliseconds(spike.closed_at + _MARGIN))
    query = urlencode(
        {
            "var-run": run,
            "var-hashtag": readable(spike.hashtag, _HASHTAG_LENGTH),
            "from": _milliseconds(spike.opened_at - _MARGIN),
            "to": until,
        }
    )
    return f"{alerts.dashboard_url}{'&' if '?' in alerts.dashboard_url else '?'}{query}"


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
