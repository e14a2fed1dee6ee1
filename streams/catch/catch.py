"""What the topics of a campaign would catch among given posts: `tagpulse campaign try`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import msgspec

from models.enricher import TextEnricher
from models.enrichment import CampaignScore
from streams.campaign import Campaign, TopicDefinition

_AT_ONCE = 256


class TriedPost(NamedTuple):
    """A post to try the topics on."""

    source: str
    id: str
    text: str


class ScoredPost(msgspec.Struct, frozen=True, kw_only=True):
    """A post with its score for a topic."""

    source: str
    id: str
    text: str
    score: float


class TopicCatch(msgspec.Struct, frozen=True, kw_only=True):
    """What one topic would catch.

    Attributes:
        name: Name of the topic.
        threshold: Score from which a post may be assigned the topic.
        reached: Number of posts whose score reaches the threshold.
        assigned: Number of those that get the topic, because no other has a higher score.
        share: Share of all posts that get the topic; None without posts.
        examples: A few of the posts that get it, from the highest score to the lowest; each text once.
        near_misses: The posts with the highest scores below the threshold; each text once.
    """

    name: str
    threshold: float
    reached: int
    assigned: int
    share: float | None
    examples: tuple[ScoredPost, ...]
    near_misses: tuple[ScoredPost, ...]


class TopicOverlap(msgspec.Struct, frozen=True, kw_only=True):
    """Two topics, and the number of posts that reach the thresholds of both."""

    a: str
    b: str
    posts: int


class CampaignTrial(msgspec.Struct, frozen=True, kw_only=True):
    """What all topics would catch.

    Attributes:
        campaign: Name of the campaign.
        model: Name and version of the model.
        posts: Number of posts tried.
        caught: Number of posts that get a topic.
        topics: What each topic would catch, in the order of the campaign file.
        overlaps: Pairs of topics with posts in common, the largest first.
    """

    campaign: str
    model: str
    posts: int
    caught: int
    topics: tuple[TopicCatch, ...]
    overlaps: tuple[TopicOverlap, ...]


def try_topics(
    campaign: Campaign,
    enricher: TextEnricher,
    posts: Sequence[TriedPost],
    *,
    shown: int,
    advance: Callable[[int], None] = lambda _: None,
) -> CampaignTrial:
    """Run the model on posts and count what each topic catches.

    Args:
        campaign: Its topics are tried.
        enricher: A model that was loaded with them.
        posts: The posts to try.
        shown: Maximum number of examples and of near misses of each topic.
        advance: Called with the number of further posts that are done.
    """
    answers: list[CampaignScore] = []
    for start in range(0, len(posts), _AT_ONCE):
        batch = posts[start : start + _AT_ONCE]
        answers += [answer.campaign for answer in enricher.enrich([post.text for post in batch])]
        advance(len(batch))
    found = list(zip(posts, answers, strict=True))
    reached = {topic.name: _reached(topic, answers) for topic in campaign.topics}
    overlaps = [
        TopicOverlap(a=a, b=b, posts=len(reached[a] & reached[b]))
        for a, b in combinations(reached, 2)
        if reached[a] & reached[b]
    ]
    return CampaignTrial(
        campaign=campaign.name,
        model=f"{enricher.name} {enricher.version}",
        posts=len(posts),
        caught=sum(answer.name is not None for answer in answers),
        topics=tuple(_catch(topic, found, len(reached[topic.name]), shown) for topic in campaign.topics),
        overlaps=tuple(sorted(overlaps, key=lambda overlap: -overlap.posts)),
    )


def _reached(topic: TopicDefinition, answers: Iterable[CampaignScore]) -> set[int]:
    """Return the indices of the answers that reach the threshold of a topic."""
    return {index for index, answer in enumerate(answers) if answer.scores[topic.name] >= topic.threshold}


def _catch(
    topic: TopicDefinition, found: Sequence[tuple[TriedPost, CampaignScore]], reached: int, shown: int
) -> TopicCatch:
    caught = [(post, answer) for post, answer in found if answer.name == topic.name]
    missed = [(post, answer) for post, answer in found if answer.scores[topic.name] < topic.threshold]
    return TopicCatch(
        name=topic.name,
        threshold=topic.threshold,
        reached=reached,
        assigned=len(caught),
        share=round(len(caught) / len(found), 4) if found else None,
        examples=_spread(_scored(topic, caught), shown),
        near_misses=tuple(_scored(topic, missed)[:shown]),
    )


def _scored(topic: TopicDefinition, found: Iterable[tuple[TriedPost, CampaignScore]]) -> list[ScoredPost]:
    """Return the posts by descending score, each text once."""
    texts = {post.text: (post, answer) for post, answer in found}
    scored = [
        ScoredPost(source=post.source, id=post.id, text=post.text, score=answer.scores[topic.name])
        for post, answer in texts.values()
    ]
    return sorted(scored, key=lambda post: (-post.score, post.text))


def _spread(posts: Sequence[ScoredPost], count: int) -> tuple[ScoredPost, ...]:
    """Return the first, the last and evenly spaced ones of those between, at most `count`."""
    if len(posts) <= count:
        return tuple(posts)
    return tuple(posts[round(index * (len(posts) - 1) / max(1, count - 1))] for index in range(count))
