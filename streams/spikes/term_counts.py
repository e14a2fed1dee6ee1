"""Totals over several minutes: the counts that an explanation compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.contracts import Excerpt, PulseMinute, SentimentCounts
from streams.minutes.text import same_text

Count = Callable[[SentimentCounts], int]


def all_posts(sentiments: SentimentCounts) -> int:
    return sentiments.posts


def negative_posts(sentiments: SentimentCounts) -> int:
    return sentiments.negative


@dataclass(frozen=True)
class TermCounts:
    """Counts over some minutes, of all posts or of the negative ones."""

    minutes: int = 0
    posts: int = 0
    terms: Counter[str] = field(default_factory=Counter)
    authors: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    campaign_topics: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)


def count_terms(minutes: Iterable[PulseMinute], count: Count) -> TermCounts:
    """Add up minutes; `count` selects the posts to count."""
    totals = TermCounts()
    posts = 0
    times = set()
    for minute in minutes:
        times.add(minute.minute)
        posts += count(minute.sentiments)
        for parts, counts in (
            (minute.evidence.terms, totals.terms),
            (minute.evidence.authors, totals.authors),
            (minute.evidence.texts, totals.texts),
            (minute.topics, totals.topics),
            (minute.campaign_topics, totals.campaign_topics),
            (minute.languages, totals.languages),
            (minute.sources, totals.sources),
        ):
            _add(parts, counts, count)
    return TermCounts(
        len(times),
        posts,
        totals.terms,
        totals.authors,
        totals.texts,
        totals.topics,
        totals.campaign_topics,
        totals.languages,
        totals.sources,
    )


def _add(parts: Mapping[str, SentimentCounts], counts: Counter[str], count: Count) -> None:
    for name, sentiments in parts.items():
        if number := count(sentiments):
            counts[name] += number


def newest(minutes: Iterable[PulseMinute]) -> list[PulseMinute]:
    """Return the last message of each minute and partition: a later one replaces an earlier one."""
    return list({(minute.minute, minute.partition): minute for minute in minutes}.values())


def excerpts(minutes: Iterable[PulseMinute], part: Callable[[PulseMinute], Sequence[Excerpt]]) -> list[Excerpt]:
    """Return one excerpt per text from the minutes: the most shared, and of these the earliest."""
    best: dict[str, Excerpt] = {}
    for minute in minutes:
        for excerpt in part(minute):
            text = same_text(excerpt.text)
            known = best.get(text)
            if known is None or (-known.shared, known.created_at) > (-excerpt.shared, excerpt.created_at):
                best[text] = excerpt
    return list(best.values())
