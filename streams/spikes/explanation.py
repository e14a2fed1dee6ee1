"""Explains a spike by what is over-represented in its minutes compared with the minutes before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from streams.contracts import Driver, Excerpt, Explanation, PulseMinute, SpikeKind
from streams.minutes.text import same_text
from streams.spikes.drivers import distinct, drivers, most_frequent
from streams.spikes.summary import Figures, summarise
from streams.spikes.term_counts import NAMED, TermCounts, all_posts, count_terms, excerpts, negative_posts, newest

_TERMS = 8
_OTHERS = 5
_EXCERPTS = 5
_CANDIDATES = 4
"""Candidates examined per term shown, before terms that mean the same are removed."""
_MIN_NEGATIVE_BEFORE = 30
"""With fewer negative posts in its baseline, a negative spike is compared with all posts."""
_LIKELY_NEGATIVE = 0.5
_MAX_MATCHING_TERMS = 3
"""A post with this many of the terms is as typical as possible."""


def explain(
    kind: SpikeKind,
    hashtag: str,
    spike_minutes: Sequence[PulseMinute],
    baseline_minutes: Sequence[PulseMinute],
    *,
    posts: int | None = None,
    negative: int | None = None,
    share: float | None = None,
    baseline: float | None = None,
    rate: float | None = None,
    usual_rate: float | None = None,
) -> Explanation:
    """Compare the minutes of a spike with those of its baseline; the minutes may be parts of several partitions.

    A negative spike compares negative posts with negative posts, a volume spike all posts; emotions and acts of speech
    are those of all posts. A silence has nothing to
    compare: its terms, labels and posts are those of the baseline, and `Driver.posts` and `Driver.share` are what
    remains of them. The keyword arguments are the figures of the `Spike` for the summary; missing figures are counted
    from the minutes. The time grows with the entries of the minutes: a day of full minutes takes about a second.
    """
    now, before = newest(spike_minutes), newest(baseline_minutes)
    count = negative_posts if kind == "negative" else all_posts
    spike, earlier = count_terms(now, count), count_terms(before, count)
    if kind == "negative" and earlier.posts < _MIN_NEGATIVE_BEFORE:
        earlier = count_terms(before, all_posts)
    shown = before if kind == "silence" else now
    found = _usual(spike, earlier, hashtag) if kind == "silence" else _driving(spike, earlier, hashtag, _texts(now))
    author, author_share = _top(earlier if kind == "silence" else spike, "authors")
    text, text_share = _top(earlier if kind == "silence" else spike, "texts", at_least=2)
    named: dict[str, Any] = {part: tuple(found[part]) for part in NAMED}
    explanation = Explanation(
        terms=tuple(found["terms"]),
        typical=_typical(kind, shown, found["terms"]),
        shared=_shared(shown),
        top_author=author,
        top_author_share=author_share,
        top_text=text,
        top_text_share=text_share,
        **named,
    )
    sentiments = [minute.sentiments for minute in now]
    figures = Figures(
        posts=sum(map(all_posts, sentiments)) if posts is None else posts,
        negative=sum(map(negative_posts, sentiments)) if negative is None else negative,
        share=share,
        baseline=baseline,
        rate=rate,
        usual_rate=usual_rate,
    )
    return msgspec.structs.replace(explanation, summary=summarise(kind, hashtag, figures, explanation))


def _driving(spike: TermCounts, before: TermCounts, hashtag: str, texts: set[str]) -> dict[str, list[Driver]]:
    terms = drivers(_others(spike.terms, hashtag), spike.posts, before.terms, before.posts, _TERMS * _CANDIDATES)
    found = {"terms": distinct(terms, _TERMS, texts)}
    for part, counts in spike.named.items():
        found[part] = drivers(counts, spike.posts_of(part), before.named[part], before.posts_of(part), _OTHERS)
    return found


def _usual(spike: TermCounts, before: TermCounts, hashtag: str) -> dict[str, list[Driver]]:
    """Return the most frequent names of the baseline; its terms are the hashtags, if any, since authors chose them."""
    terms = _others(before.terms, hashtag)
    tags = Counter({name: n for name, n in terms.items() if name.startswith("#")})
    found = {"terms": most_frequent(spike.terms, spike.posts, tags or terms, before.posts, _TERMS)}
    for part, counts in spike.named.items():
        found[part] = most_frequent(counts, spike.posts_of(part), before.named[part], before.posts_of(part), _OTHERS)
    return found


def _others(terms: Counter[str], hashtag: str) -> Counter[str]:
    """Return the terms without the hashtag itself, which every post has."""
    itself = hashtag.casefold()
    return Counter({name: n for name, n in terms.items() if name.casefold().removeprefix("#") != itself})


def _texts(minutes: Sequence[PulseMinute]) -> set[str]:
    return {
        same_text(excerpt.text)
        for minute in minutes
        for excerpt in (*minute.evidence.negative, *minute.evidence.shared)
    }


def _top(of: TermCounts, part: str, at_least: int = 1) -> tuple[str, float]:
    counts: Counter[str] = getattr(of, part)
    name, posts = min(counts.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
    if posts < at_least or not of.posts:
        return "", 0.0
    return name, min(posts / of.posts, 1.0)


def _typical(kind: SpikeKind, minutes: Sequence[PulseMinute], terms: Sequence[Driver]) -> tuple[Excerpt, ...]:
    """Return typical negative posts, most terms first; for other kinds of spikes, only posts with terms."""
    names = [term.name.casefold() for term in terms]

    def matching_terms(excerpt: Excerpt) -> int:
        text = same_text(excerpt.text)
        return min(sum(name in text for name in names), _MAX_MATCHING_TERMS)

    found = excerpts(minutes, lambda minute: minute.evidence.negative)
    ranked = [
        (
            -matching_terms(excerpt),
            -excerpt.negative,
            -excerpt.shared,
            excerpt.created_at,
            excerpt.source,
            excerpt.id,
            excerpt,
        )
        for excerpt in found
        if excerpt.negative >= _LIKELY_NEGATIVE and (kind == "negative" or matching_terms(excerpt))
    ]
    return tuple(row[-1] for row in sorted(ranked, key=lambda row: row[:-1])[:_EXCERPTS])


def _shared(minutes: Sequence[PulseMinute]) -> tuple[Excerpt, ...]:
    found = [excerpt for excerpt in excerpts(minutes, lambda minute: minute.evidence.shared) if excerpt.shared]
    return tuple(sorted(found, key=lambda excerpt: (-excerpt.shared, excerpt.created_at))[:_EXCERPTS])
