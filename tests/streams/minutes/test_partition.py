"""The minutes of a partition: what is published when, independently of batches, kills and restarts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from streams.contracts import END_OF_INPUT, EnrichedMessage, PulseMinute, SentimentCounts, SentimentLabel, encode
from streams.minutes.counted_hashtags import CountedHashtags
from streams.minutes.merge import CompleteMinute, Merger
from streams.minutes.partition import PartitionMinutes, PublishedPart
from streams.minutes.resume_state import KnownParts, ResumeState
from streams.minutes.text import fingerprint
from tests.helpers.minutes import START, Item, content, deletion, enriched, fold, items, last_parts

LATENESS = 180.0


def minutes(
    known: ResumeState | None = None, names: Sequence[str] = ("poltwt", "k9"), **changes: float
) -> PartitionMinutes:
    known = known or ResumeState()
    seconds = {"lateness_seconds": LATENESS, "settle_seconds": 10.0} | changes
    return PartitionMinutes(0, CountedHashtags(names, 3, known.since), known, **seconds)


def feed(partition: PartitionMinutes, records: Sequence[Item]) -> list[PublishedPart]:
    return [
        published
        for record in records
        for published in partition.add(record.message, record.record_ms, record.offset)[1]
    ]


def described(published: Sequence[PublishedPart]) -> list[tuple[str, int, str, int]]:
    return [
        (
            each.state,
            int((each.part.minute - START).total_seconds() // 60),
            each.part.hashtag,
            each.part.sentiments.posts,
        )
        for each in published
    ]


def test_a_minute_is_published_when_it_closes_changes_and_becomes_final() -> None:
    partition = minutes()
    messages = [
        enriched(1, 5, "negative"),
        enriched(2, 65),  # the minute is over, but not yet by the settling time
        enriched(3, 50),  # so this one is part of the first publication
        enriched(4, 71),
        enriched(5, 40, "positive"),  # late, published when the next minute closes
        enriched(6, 131),
        enriched(7, 10 + 4 * 60),
        enriched(8, 20),  # too late
    ]
    published = [described(feed(partition, [item])) for item in items(messages)]
    assert published[0] == [("empty", -2, "other", 0)], "the first record sets the watermark"
    assert published[1:3] == [[("empty", -1, "other", 0)], []]
    assert published[3] == [("closed", 0, "poltwt", 2)]
    assert published[4] == []
    assert published[5] == [("corrected", 0, "poltwt", 3), ("closed", 1, "poltwt", 2)]
    assert published[6] == [("closed", 2, "poltwt", 1), ("final", 0, "poltwt", 3)]
    assert published[7] == []
    assert partition.add(messages[-1], 0, 8)[0] == "late"


def test_the_counts_match_the_posts() -> None:
    partition = minutes()
    posts: list[EnrichedMessage] = [
        enriched(1, 1, "negative", text="Where is Rex? https://t.co/a", hashtags=("poltwt", "k9")),
        enriched(2, 2, "negative", text="Where is Rex? https://t.co/b", repost_of="1"),
        enriched(3, 3, "positive", text="well done", author="author 1"),
        enriched(4, 4, text="https://a.example/?q=1"),
        enriched(5, 5, text="nothing of the campaign", hashtags=("else",)),
        enriched(6, 6, "negative", text="RT @somebody: where is Rex? https://t.co/c"),
    ]
    feed(partition, items(posts))
    parts = {published.part.hashtag: published.part for published in partition.end()}
    assert list(parts) == ["k9", "other", "poltwt"]
    part = parts["poltwt"]
    assert part.sentiments == SentimentCounts(negative=3, neutral=1, positive=1)
    assert part.independent == SentimentCounts(negative=1, neutral=1), (
        "no reposts, and each text and author counts once"
    )
    assert part.fingerprints == {fingerprint("where is rex? http"): True, fingerprint("http"): False}
    assert (part.reposts, part.questions) == (2, 3)
    assert part.probabilities == pytest.approx((2.55, 1.4, 1.05))
    assert part.languages == {"en": part.sentiments}
    assert part.topics == {"sports": part.sentiments}
    assert part.sources == {"test": part.sentiments}
    assert part.evidence.terms["rex"] == SentimentCounts(negative=3)
    assert part.evidence.terms["#poltwt"] == part.sentiments
    assert "where" not in part.evidence.terms, "a stop word"
    assert part.evidence.texts == {
        "Where is Rex? http": SentimentCounts(negative=3),
        "http": SentimentCounts(neutral=1),
        "well done": SentimentCounts(positive=1),
    }
    assert [(each.id, each.shared) for each in part.evidence.shared] == [("1", 1)]
    assert [each.text for each in part.evidence.negative] == ["Where is Rex? https://t.co/a"]
    assert all(part.final for part in parts.values())
    assert parts["poltwt"].watermark == END_OF_INPUT, "the last part has the watermark of the partition"


def test_edits_replace_and_deletions_remove_whatever_their_order() -> None:
    partition = minutes()
    messages: list[EnrichedMessage] = [
        enriched(1, 1, "negative"),
        enriched(1, 1, "positive", edited=30),
        enriched(1, 1, "negative"),  # the same again, but late
        enriched(2, 2, "negative"),
        deletion(2, 20),
        enriched(2, 2, "negative"),  # a deleted post that arrives again
        deletion(3, 20),
        enriched(3, 3, "negative"),
        enriched(4, 4, "negative"),
        deletion(4, 20),
        enriched(4, 4, "neutral", edited=40),  # edited after the deletion
    ]
    feed(partition, items(messages))
    (published,) = partition.end()
    assert published.part.sentiments == SentimentCounts(neutral=1, positive=1)


def test_a_part_that_lost_all_its_posts_is_published_as_empty() -> None:
    partition = minutes()
    published = feed(partition, items([enriched(1, 1), enriched(2, 80), deletion(1, 90), enriched(3, 140)]))
    assert described(published)[1:] == [
        ("closed", 0, "poltwt", 1),
        ("corrected", 0, "poltwt", 0),
        ("closed", 1, "poltwt", 1),
    ]
    assert ("final", 0, "poltwt", 0) in described(partition.end())


def test_posts_are_released_once_their_minute_is_final() -> None:
    partition = minutes()
    feed(partition, items([enriched(1, 1), enriched(2, 70), enriched(3, 2)]))
    assert (partition.handled, partition.released) == (3, 0)
    partition.add(enriched(4, 61 + LATENESS), 0, 3)
    assert partition.released == 1, "the second minute is still open, and records are released in order"
    partition.end()
    assert partition.released == partition.handled == 4


def test_idle_time_closes_minutes_but_makes_none_final() -> None:
    partition = minutes()
    feed(partition, items([enriched(1, 1)]))
    start = START.timestamp()
    assert described(partition.idle(start + 65)) == [("empty", -1, "other", 0)]
    assert described(partition.idle(start + 71)) == [("closed", 0, "poltwt", 1)]
    assert described(partition.idle(start + 131)) == [("empty", 1, "other", 0)]
    assert partition.idle(start + 140) == []
    assert partition.released == 0
    late = partition.add(enriched(2, 3), 0, 1)
    assert late == ("counted", []), "the clock alone makes nothing late"
    assert described(partition.idle(start + 200)) == [("corrected", 0, "poltwt", 2)]


def test_a_post_of_the_future_counts_when_it_was_collected() -> None:
    partition = minutes()
    ahead = enriched(1, 10_000_000, collected_at=START + timedelta(seconds=5))
    unknown = enriched(2, 10_000_000, collected_at=None)
    partition.add(ahead, 0, 0)
    partition.add(unknown, int(START.timestamp() * 1000) + 7_000, 1)
    (published,) = partition.end()
    assert (published.part.minute, published.part.sentiments.posts) == (START, 2)


def test_without_a_campaign_the_first_hashtags_are_counted_separately() -> None:
    partition = minutes(names=())
    feed(
        partition,
        items(
            [
                *(enriched(number, 1, hashtags=("a", "b")) for number in range(2)),
                enriched(5, 2, hashtags=("c", "d")),
                enriched(6, 3, hashtags=("c",)),
                enriched(7, 80, hashtags=("d",)),
            ]
        ),
    )
    assert sorted((each.part.hashtag, each.part.sentiments.posts) for each in partition.end()) == [
        ("a", 2), ("b", 2), ("c", 2), ("other", 1),
    ]  # fmt: skip


# The following tests run whole partitions with random stops and restarts.

_labels = st.sampled_from(["negative", "neutral", "positive"])
_numbers = st.integers(0, 12)
_steps: st.SearchStrategy[tuple[str, int, int, SentimentLabel, tuple[str, ...]]] = st.one_of(
    st.builds(
        lambda number, back, label, tags: ("post", number, back, label, tags),
        _numbers,
        st.integers(0, 400),
        _labels,
        st.sampled_from([("poltwt",), ("k9",), ("poltwt", "k9"), ()]),
    ),
    st.builds(lambda number, back: ("delete", number, back, "", ()), _numbers, st.integers(0, 100)),
    st.builds(
        lambda number, back, label: ("edit", number, back, label, ("k9",)), _numbers, st.integers(0, 400), _labels
    ),
)


@st.composite
def partitions_of_posts(draw: st.DrawFn) -> list[Item]:
    """Draw posts, edits and deletions with arbitrary times, some of them twice."""
    messages: list[EnrichedMessage] = []
    now, written = 0.0, dict[int, float]()
    for kind, number, back, label, tags in draw(st.lists(_steps, max_size=30)):
        now += draw(st.sampled_from([0.5, 7.0, 31.0, 200.0]))
        created = written.setdefault(number, max(0.0, now - back))
        if kind == "delete":
            messages.append(deletion(number, now))
        else:
            edited = now if kind == "edit" else None
            messages.append(enriched(number, created, label, hashtags=tags, edited=edited))
        if draw(st.integers(0, 9)) == 0:
            messages.append(draw(st.sampled_from(messages)))
    return items(messages)


@dataclass
class Worker:
    """Simulates a worker that writes to a topic, commits, and may be killed at any of these steps."""

    records: Sequence[Item]
    dice: random.Random
    names: Sequence[str] = ("poltwt", "k9")
    topic: list[PulseMinute] = field(default_factory=list)
    committed: int = 0

    def run(self, *, kills: int) -> None:
        for _ in range(kills):
            self._life(killed=True)
        self._life(killed=False)

    def _life(self, *, killed: bool) -> None:
        known = KnownParts()  # what a new worker reads first
        for part in self.topic:
            known.add(encode(part))
        partition = minutes(known.of(0), self.names)
        at = self.committed
        while at < len(self.records):
            batch = self.records[at : at + self.dice.randint(1, 8)]
            if not self._write(feed(partition, batch), killed):
                return
            at += len(batch)
            # commits happen any time after the acknowledgements, and may cover only some of them
            self.committed = self.dice.randint(self.committed, max(self.committed, partition.released))
            if killed and self.dice.random() < 0.2:
                return
        if self._write(partition.end(), killed):
            self.committed = self.dice.randint(self.committed, max(self.committed, partition.released))

    def _write(self, published: Sequence[PublishedPart], killed: bool) -> bool:
        """Write parts; return whether the worker survived until all were written."""
        whole = not killed or self.dice.random() > 0.3
        self.topic += [each.part for each in published][: None if whole else self.dice.randint(0, len(published))]
        return whole


@given(partitions_of_posts(), st.randoms(use_true_random=False), st.integers(0, 5))
@examples(max_examples=100)
def test_the_final_minutes_match_the_fold_whatever_the_batches_and_kills(
    records: list[Item], dice: random.Random, kills: int
) -> None:
    worker = Worker(records, dice)
    worker.run(kills=kills)
    wanted = content(fold({0: records}, ("poltwt", "k9"), LATENESS))
    assert last_parts(worker.topic) == wanted


@given(partitions_of_posts(), st.randoms(use_true_random=False), st.integers(0, 5))
@examples(max_examples=50)
def test_the_hashtags_that_are_chosen_are_the_same_after_kills(
    records: list[Item], dice: random.Random, kills: int
) -> None:
    tags = ["a", "b", "c", "d", "e", "f"]
    spread = [
        item
        if not isinstance(item.message, type(enriched(0, 0)))
        else item._replace(message=enriched(
            item.message.post.id, (item.message.post.created_at - START).total_seconds(),
            hashtags=(tags[int(item.message.post.id) % 6], tags[item.offset % 6]),
        ))
        for item in records
    ]  # fmt: skip
    whole, broken = Worker(spread, dice, names=()), Worker(spread, dice, names=())
    whole.run(kills=0)
    broken.run(kills=kills)
    assert last_parts(broken.topic) == last_parts(whole.topic)


def merged(
    topics: Sequence[Sequence[PulseMinute]], dice: random.Random
) -> tuple[list[CompleteMinute], datetime | None]:
    """Merge the topics of several partitions, randomly interleaved."""
    merger, found = Merger(range(len(topics))), list[CompleteMinute]()
    left = [list(topic) for topic in topics]
    while any(left):
        number = dice.choice([number for number, topic in enumerate(left) if topic])
        part = left[number].pop(0)
        found += merger.add(
            PulseMinute(**{name: getattr(part, name) for name in part.__struct_fields__} | {"partition": number})
        )
    return found, merger.until


def seen(found: tuple[Sequence[CompleteMinute], datetime | None]) -> list[tuple[Any, ...]]:
    whole, until = found
    return [(until,)] + [
        (each.minute, hashtag, part.partition, part.sentiments, part.evidence)
        for each in whole
        for hashtag, parts in each.parts.items()
        for part in parts
    ]


@given(st.lists(partitions_of_posts(), min_size=1, max_size=3), st.randoms(use_true_random=False), st.integers(0, 4))
@examples(max_examples=50)
def test_the_merged_minutes_do_not_depend_on_kills_or_the_order_of_partitions(
    partitions: list[list[Item]], dice: random.Random, kills: int
) -> None:
    quiet, restless = [], []
    for records in partitions:
        worker, killed = Worker(records, dice), Worker(records, dice)
        worker.run(kills=0)
        killed.run(kills=kills)
        quiet.append(worker.topic)
        restless.append(killed.topic)
    wanted = seen(merged(quiet, dice))
    assert seen(merged(restless, dice)) == wanted
    minutes_seen = [each[0] for each in wanted[1:]]
    assert minutes_seen == sorted(minutes_seen)
