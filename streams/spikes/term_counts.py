"""What minutes hold together: the counts that an explanation compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.contracts import Excerpt, PulseMinute, SentimentCounts
from streams.minutes.text import same_text

Count = Callable[[SentimentCounts], int]


def all_posts(moods: SentimentCounts) -> int:
    return moods.posts


def negative_posts(moods: SentimentCounts) -> int:
    return moods.negative


@dataclass(frozen=True)
class TermCounts:
    """The posts of some minutes that are counted: all, or the negative ones."""

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
    """Adds minutes up."""
    whole = TermCounts()
    posts = 0
    times = set()
    for minute in minutes:
        times.add(minute.minute)
        posts += count(minute.moods)
        for parts, counts in (
            (minute.evidence.terms, whole.terms),
            (minute.evidence.authors, whole.authors),
            (minute.evidence.texts, whole.texts),
            (minute.topics, whole.topics),
            (minute.campaign_topics, whole.campaign_topics),
            (minute.languages, whole.languages),
            (minute.sources, whole.sources),
        ):
            _add(parts, counts, count)
    return TermCounts(
        len(times),
        posts,
        whole.terms,
        whole.authors,
        whole.texts,
        whole.topics,
        whole.campaign_topics,
        whole.languages,
        whole.sources,
    )


def _add(parts: Mapping[str, SentimentCounts], counts: Counter[str], count: Count) -> None:
    for name, moods in parts.items():
        if number := count(moods):
            counts[name] += number


def newest(minutes: Iterable[PulseMinute]) -> list[PulseMinute]:
    """The last message of each minute and partition: a later one takes the place of an earlier one."""
    return list({(minute.minute, minute.partition): minute for minute in minutes}.values())


def excerpts(minutes: Iterable[PulseMinute], part: Callable[[PulseMinute], Sequence[Excerpt]]) -> list[Excerpt]:
    """The posts that minutes show, each text once: the one that was shared most, then the earliest."""
    best: dict[str, Excerpt] = {}
    for minute in minutes:
        for excerpt in part(minute):
            text = same_text(excerpt.text)
            known = best.get(text)
            if known is None or (-known.shared, known.created_at) > (-excerpt.shared, excerpt.created_at):
                best[text] = excerpt
    return list(best.values())
