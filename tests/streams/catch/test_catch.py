"""What each topic catches, misses and shares with another, from the scores of a scripted model."""

from __future__ import annotations

import msgspec
import pytest

from models.enrichment import CampaignScore, Enrichment
from streams.campaign import Campaign, TopicDefinition
from streams.catch import CampaignTrial, TopicOverlap, TriedPost, try_topics
from tests.helpers.scripted_model import MODEL, ScriptedEnricher, answer

CAMPAIGN = Campaign(
    name="poltwt",
    topics=(
        TopicDefinition(name="dogs", description="Police dogs"),
        TopicDefinition(name="jobs", description="Joining the police", threshold=0.7),
        TopicDefinition(name="traffic", description="Roads"),
    ),
)


def scored(name: str | None, dogs: float, jobs: float) -> Enrichment:
    scores = {"dogs": dogs, "jobs": jobs, "traffic": 0.1}
    score = scores[name] if name else max(scores.values())
    return msgspec.structs.replace(answer(), campaign=CampaignScore(name=name, score=score, scores=scores))


SCRIPT = {
    "Rex": scored("dogs", 0.9, 0.2),
    "Rex has a job": scored("dogs", 0.8, 0.75),
    "puppy": scored("dogs", 0.6, 0.1),
    "apply": scored("jobs", 0.4, 0.9),
    "a job?": scored(None, 0.3, 0.69),
    "rain": scored(None, 0.2, 0.2),
}


def tried(*texts: str, shown: int = 5) -> CampaignTrial:
    posts = [TriedPost("test", str(number), text) for number, text in enumerate(texts)]
    return try_topics(CAMPAIGN, ScriptedEnricher(SCRIPT), posts, shown=shown)


def test_posts_are_counted_by_topic() -> None:
    found = tried(*SCRIPT)
    assert (found.campaign, found.model, found.posts, found.caught) == ("poltwt", f"{MODEL.name} {MODEL.version}", 6, 4)
    counts = {topic.name: (topic.threshold, topic.assigned, topic.reached) for topic in found.topics}
    assert counts == {"dogs": (0.5, 3, 3), "jobs": (0.7, 1, 2), "traffic": (0.5, 0, 0)}
    assert [topic.share for topic in found.topics] == [0.5, 0.1667, 0]
    assert found.overlaps == (TopicOverlap(a="dogs", b="jobs", posts=1),)


def test_near_misses_are_just_below_the_threshold() -> None:
    dogs, jobs, traffic = tried(*SCRIPT, shown=2).topics
    assert [(post.text, post.score) for post in jobs.near_misses] == [("a job?", 0.69), ("Rex", 0.2)]
    assert [post.text for post in dogs.near_misses] == ["apply", "a job?"]
    assert len(traffic.near_misses) == 2


@pytest.mark.parametrize(
    ("shown", "texts"),
    [(0, []), (1, ["Rex"]), (2, ["Rex", "puppy"]), (3, ["Rex", "Rex has a job", "puppy"])],
)
def test_examples_span_the_scores(shown: int, texts: list[str]) -> None:
    assert [post.text for post in tried(*SCRIPT, shown=shown).topics[0].examples] == texts


def test_a_repeated_text_counts_each_time_and_is_shown_once() -> None:
    (dogs, *_) = tried("Rex", "Rex", "rain", "rain").topics
    assert (dogs.assigned, dogs.share) == (2, 0.5)
    assert [post.text for post in dogs.examples] == ["Rex"]
    assert [post.text for post in dogs.near_misses] == ["rain"]


def test_progress_counts_every_post() -> None:
    done: list[int] = []
    posts = [TriedPost("test", str(number), "Rex") for number in range(600)]
    try_topics(CAMPAIGN, ScriptedEnricher(SCRIPT), posts, shown=1, advance=done.append)
    assert (sum(done), len(done)) == (600, 3)


def test_without_posts_nothing_is_caught() -> None:
    found = tried()
    assert (found.posts, found.caught, found.overlaps) == (0, 0, ())
    assert all(topic.share is None and not topic.examples for topic in found.topics)
