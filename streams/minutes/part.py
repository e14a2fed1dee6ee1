"""Builds the part of a minute and hashtag from its posts: counts, and the evidence for explanations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import fsum
from typing import Any

from streams.contracts import SEVERAL, Evidence, Excerpt, PulseMinute, SentimentCounts
from streams.minutes.post import CountedPost, time_of

TERMS = 60
AUTHORS = 20
TEXTS = 10
EXCERPTS = 5
MARKS = 32

NAMES = 50
"""Maximum number of languages, sources, or labels of an answer. With the limits above, this keeps parts small for any feed."""
_MAX_URL = 500

UNTOLD = datetime.fromtimestamp(0, UTC)
"""Placeholder watermark of a part that has none yet."""


def make_part(partition: int, minute: int, hashtag: str, posts: Iterable[CountedPost]) -> PulseMinute:
    """Return the part of these posts, given in any order. The caller sets its watermark."""
    ordered = sorted(posts, key=lambda post: (post.created, post.key))
    independent = _independent(ordered)
    languages, campaign_topics, sources = _Tally(), _Tally(), _Tally()
    labels = {name: _Tally() for name in SEVERAL}
    for post in ordered:
        languages.add(post.language, post)
        sources.add(post.source, post)
        for name, found in post.labels.items():
            for label in found:
                labels[name].add(label, post)
        if post.campaign_topic is not None:
            campaign_topics.add(post.campaign_topic, post)
    negative, neutral, positive = (
        zip(*(post.probabilities for post in ordered), strict=True) if ordered else ((), (), ())
    )
    counts: dict[str, Any] = {name: tally.counts() for name, tally in labels.items()}
    return PulseMinute(
        minute=time_of(minute),
        hashtag=hashtag,
        partition=partition,
        watermark=UNTOLD,
        sentiments=_sentiment_counts(ordered),
        independent=_sentiment_counts(independent),
        fingerprints=_fingerprints(independent, ordered),
        # exact sums, independent of the order of the posts
        probabilities=(fsum(negative), fsum(neutral), fsum(positive)),
        languages=languages.counts(),
        campaign_topics=campaign_topics.counts(),
        sources=sources.counts(),
        reposts=sum(post.is_repost for post in ordered),
        questions=sum(post.is_question for post in ordered),
        evidence=_evidence(ordered),
        **counts,
    )


class _Tally:
    """Posts grouped by name."""

    def __init__(self) -> None:
        self._posts: defaultdict[str, list[CountedPost]] = defaultdict(list)

    def add(self, name: str, post: CountedPost) -> None:
        self._posts[name].append(post)

    def counts(self, limit: int = NAMES) -> dict[str, SentimentCounts]:
        """Return the sentiment counts of the most frequent names, most frequent first."""
        ranked = sorted(self._posts.items(), key=lambda item: (-len(item[1]), item[0]))
        return {name: _sentiment_counts(posts) for name, posts in ranked[:limit]}


def _sentiment_counts(posts: Sequence[CountedPost]) -> SentimentCounts:
    labels = [post.label for post in posts]
    return SentimentCounts(
        negative=labels.count("negative"), neutral=labels.count("neutral"), positive=labels.count("positive")
    )


def _independent(posts: Sequence[CountedPost]) -> list[CountedPost]:
    """Return the posts that are not reposts and repeat neither a text nor an author."""
    texts, authors = set[str](), set[tuple[str, str]]()
    found = []
    for post in posts:
        author = post.source, post.author
        if post.is_repost:
            continue
        if post.fingerprint not in texts and (not post.author or author not in authors):
            found.append(post)
        texts.add(post.fingerprint)
        authors.add(author)
    return found


def _fingerprints(independent: Sequence[CountedPost], posts: Sequence[CountedPost]) -> dict[str, bool]:
    times = Counter(post.fingerprint for post in posts)
    ranked = sorted(independent, key=lambda post: (-times[post.fingerprint], post.fingerprint))
    return {post.fingerprint: post.label == "negative" for post in ranked[:MARKS]}


def _evidence(posts: Sequence[CountedPost]) -> Evidence:
    terms, authors, texts = _Tally(), _Tally(), _Tally()
    first: dict[str, str] = {}
    for post in posts:
        for word in post.words:
            terms.add(word, post)
        for tag in dict.fromkeys(post.hashtags):
            terms.add(f"#{tag}", post)
        if post.author:
            authors.add(post.author, post)
        texts.add(first.setdefault(post.fingerprint, post.prepared), post)
    return Evidence(
        terms=terms.counts(TERMS),
        authors=authors.counts(AUTHORS),
        texts=texts.counts(TEXTS),
        negative=_most_negative(posts),
        shared=_most_shared(posts),
    )


def _most_negative(posts: Sequence[CountedPost]) -> tuple[Excerpt, ...]:
    found: dict[str, CountedPost] = {}
    for post in sorted(posts, key=lambda post: -post.probabilities[0]):
        if post.label == "negative":
            found.setdefault(post.fingerprint, post)
    return tuple(_excerpt(post, post.id, post.reposts) for post in list(found.values())[:EXCERPTS])


def _most_shared(posts: Sequence[CountedPost]) -> tuple[Excerpt, ...]:
    """Return the most shared posts: a post is grouped with its reposts and represented by the original, if present."""
    groups: defaultdict[tuple[str, str], list[CountedPost]] = defaultdict(list)
    for post in posts:
        groups[post.source, post.repost_of or post.id].append(post)
    found = []
    for (_, original), group in groups.items():
        seen = sum(post.repost_of is not None for post in group)
        shared = max(seen, *(post.reposts for post in group))
        shown = next((post for post in group if post.repost_of is None), group[0])
        if shared:
            found.append(_excerpt(shown, original, shared))
    found.sort(key=lambda excerpt: (-excerpt.shared, excerpt.created_at, excerpt.source, excerpt.id))
    return tuple(found[:EXCERPTS])


def _excerpt(post: CountedPost, post_id: str, shared: int) -> Excerpt:
    return Excerpt(
        source=post.source,
        id=post_id,
        text=post.text,
        created_at=datetime.fromtimestamp(post.created, UTC),
        negative=post.probabilities[0],
        author=post.author,
        url=post.url if len(post.url or "") <= _MAX_URL else None,
        shared=shared,
    )
