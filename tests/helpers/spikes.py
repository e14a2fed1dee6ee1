"""Spikes for tests."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from streams.contracts import Driver, Excerpt, Explanation, Spike, decode_spike
from tests.helpers.brokers import ROOT
from tests.helpers.rows import START

OPENED_AT = datetime(2026, 11, 1, 9, 31, tzinfo=UTC)

FULL = decode_spike((ROOT / "tests" / "contracts" / "v1" / "spike_full.json").read_bytes())
"""A spike with all fields set."""

HOSTILE = (
    "<!channel> <@U123> @everyone <script>alert(1)</script> &lt; *b* _i_ `c` [x](http://evil.example) {{ .Labels }} "
    "${x} {{DATE(2026-01-01T00:00:00Z)}}\x1b[2J\x00\u202eevil\u2066\r\n# head " + "e" + "\u0301" * 10_000
)

TEXTS = st.text(max_size=60) | st.sampled_from([HOSTILE, "", "javascript:alert(1)", "https://a.example/(x)|<y>"])


def spike(number: int = 1, state: str = "open", **changes: Any) -> Spike:
    """Return spike `number` of #poltwt when it opens, grows or closes."""
    opened_at = OPENED_AT + timedelta(hours=number)
    excerpt = Excerpt(
        source="mastodon",
        id="1",
        text="Our dog Rex was hurt today",
        created_at=opened_at,
        negative=0.91,
        author="k9",
        url="https://police.example/@k9/1",
        shared=12,
    )
    fields: dict[str, Any] = {
        "id": f"negative:poltwt:{opened_at:%Y-%m-%dT%H:%M:%SZ}",
        "kind": "negative",
        "hashtag": "poltwt",
        "state": state,
        "sensitivity": "middle",
        "opened_at": opened_at,
        "known_at": opened_at + timedelta(minutes=3),
        "at": opened_at + timedelta(minutes={"open": 3, "growing": 9, "closed": 30}[state]),
        "closed_at": opened_at + timedelta(minutes=27) if state == "closed" else None,
        "posts": 120,
        "negative": 62,
        "share": 62 / 120,
        "low": 0.43,
        "high": 0.6,
        "baseline": 0.21,
        "rate": 3.9,
        "usual_rate": 2.0,
        "explanation": Explanation(
            summary="#poltwt: 52 % negative (62 of 120 posts), usually 21 %. It is about rex.",
            terms=(Driver(name="rex", posts=31, share=0.5, baseline=0.01, score=6.2),),
            typical=(excerpt,),
            shared=(excerpt,),
            top_author="k9",
            top_author_share=0.1,
        ),
    }
    return Spike(**fields | changes)


def hostile_spike(text: str = HOSTILE, state: str = "open") -> Spike:
    """Return a spike in which `text` replaces everything that strangers can write."""
    excerpt = Excerpt(
        source=text, id=text, text=text, created_at=OPENED_AT, negative=0.9, author=text, url=text, shared=3
    )
    driver = Driver(name=text, posts=31, share=0.5, baseline=0.01, score=6.2)
    return spike(
        state=state,
        id=f"negative:{text}",
        hashtag=text,
        explanation=Explanation(
            summary=text,
            terms=(driver,),
            topics=(driver,),
            campaign_topics=(driver,),
            languages=(driver,),
            sources=(driver,),
            typical=(excerpt,),
            shared=(excerpt,),
            top_author=text,
            top_author_share=0.4,
            top_text=text,
            top_text_share=0.4,
        ),
    )


def excerpt(post_id: str, **values: Any) -> Excerpt:
    return Excerpt(source="test", id=post_id, text=f"text of {post_id}", created_at=START, negative=0.9, **values)


def published(minutes: int = 0, **values: Any) -> Spike:
    """Return a message about the spike of `FULL`, sent `minutes` after it opened."""
    at = FULL.opened_at + timedelta(minutes=minutes)
    return msgspec.structs.replace(FULL, **{"at": at, "state": "open", "closed_at": None} | values)


def explained(**values: Any) -> Spike:
    """Return a message about the spike of `FULL` with other values in its explanation."""
    return published(explanation=msgspec.structs.replace(FULL.explanation, **values))


def strings(value: Any) -> Iterator[str]:
    """Yield the keys and texts of a document."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
    elif isinstance(value, str):
        yield value


def assert_visible(text: str) -> None:
    """Assert that the text has no invisible characters and no piles of combining marks."""
    lines = text.split("\n")
    assert not {unicodedata.category(c) for line in lines for c in line if c not in "\u2060\u200c\u200d"} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
    }
    assert "\u0301" * 4 not in text
