"""A made-up spike for testing the delivery of alerts."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from streams.contracts import DEFAULT_SENSITIVITY, Driver, Excerpt, Explanation, Spike, SpikeKind
from streams.spikes.summary import Figures, summarise

_TEXT = "Sample: the dog picture was nice, the answer to my question was not. 🐕 <b>&</b> {{ .Labels }}"
_FIGURES = {
    "negative": Figures(posts=120, negative=62, share=62 / 120, baseline=0.21, rate=3.9, usual_rate=2.0),
    "volume": Figures(posts=480, negative=90, share=90 / 480, baseline=0.2, rate=39.0, usual_rate=4.0),
    "silence": Figures(posts=0, rate=0.0, usual_rate=4.0),
}


def sample_spikes(kind: SpikeKind, hashtag: str, now: datetime) -> tuple[Spike, Spike]:
    """Return a spike as it opens and as it closes. Each call makes a new spike."""
    opened_at = (now - timedelta(minutes=4)).replace(second=0, microsecond=0)
    figures = _FIGURES[kind]
    author = "sample-account"
    excerpt = Excerpt(
        source="mastodon",
        id="sample",
        text=_TEXT,
        created_at=opened_at,
        negative=0.9,
        author=author,
        url="https://social.example/@sample-account/1",
        shared=12,
    )
    explanation = Explanation(
        terms=(Driver(name="question", posts=31, share=0.5, baseline=0.02, score=6.2),),
        languages=(Driver(name="en", posts=40, share=0.65, baseline=0.4, score=3.1),),
        typical=(excerpt,),
        shared=(excerpt,),
        top_author=author,
        top_author_share=0.1,
    )
    known = summarise(kind, hashtag, figures, explanation)
    spike = Spike(
        id=f"test:{kind}:{hashtag}:{now:%Y-%m-%dT%H:%M:%S.%fZ}",
        kind=kind,
        hashtag=hashtag,
        state="open",
        sensitivity=DEFAULT_SENSITIVITY,
        opened_at=opened_at,
        known_at=now,
        at=now,
        posts=figures.posts,
        negative=figures.negative,
        share=figures.share,
        low=0.43 if kind == "negative" else None,
        high=0.6 if kind == "negative" else None,
        baseline=figures.baseline,
        rate=figures.rate,
        usual_rate=figures.usual_rate,
        explanation=replace(explanation, summary=f"This is a test alert from tagpulse; nothing happened. {known}"),
    )
    return spike, replace(spike, state="closed", closed_at=now)
