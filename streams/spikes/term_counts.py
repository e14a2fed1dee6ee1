"""Totals over several minutes: the counts that an explanation compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from streams.contracts import SEVERAL, Excerpt, PulseMinute, SentimentCounts
from streams.minutes.text import same_text

Count = Callable[[SentimentCounts], int]

NAMED = (*SEVERAL, "campaign_topics", "languages", "sources")
"""The fields of a minute that count posts by name, and in which an explanation looks for drivers."""
TONE = tuple(name for name in SEVERAL if name != "topics")
"""What posts express, not what they are about: counted in all posts, so that anger rises as the mood turns to it."""
_EVIDENCE = ("terms", "authors", "texts")


def all_posts(sentiments: SentimentCounts) -> int:
    return sentiments.posts


def negative_posts(sentiments: SentimentCounts) -> int:
    return sentiments.negative


@dataclass(frozen=True)
class TermCounts:
    """Counts over some minutes, of all posts or of the negative ones; those of `TONE` are always of all posts."""

    minutes: int = 0
    posts: int = 0
    all_posts: int = 0
    terms: Counter[str] = field(default_factory=Counter)
    authors: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    named: dict[str, Counter[str]] = field(default_factory=lambda: {part: Counter() for part in NAMED})
    """The counts of each part in `NAMED`."""

    def posts_of(self, part: str) -> int:
        """Return the number of posts among which a part of `NAMED` is counted."""
        return self.all_posts if part in TONE else self.posts


def count_terms(minutes: Iterable[PulseMinute], count: Count) -> TermCounts:
    """Add up minutes; `count` selects the posts to count."""
    totals = TermCounts()
    posts = every = 0
    times = set()
    for minute in minutes:
        times.add(minute.minute)
        posts += count(minute.sentiments)
        every += all_posts(minute.sentiments)
        for part in _EVIDENCE:
            _add(getattr(minute.evidence, part), getattr(totals, part), count)
        for part, counts in totals.named.items():
            _add(getattr(minute, part), counts, all_posts if part in TONE else count)
    return replace(totals, minutes=len(times), posts=posts, all_posts=every)


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
