from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import PulseMinute, SentimentCounts
from streams.spikes.counts import MinuteCounts, merge_parts
from tests.streams.spikes.feed import at


def test_parts_are_merged() -> None:
    parts = [
        PulseMinute(
            minute=at(1),
            hashtag="a",
            partition=number,
            watermark=at(3),
            sentiments=SentimentCounts(negative=2, neutral=3),
            independent=SentimentCounts(negative=1, neutral=3),
        )
        for number in range(2)
    ]
    merged = merge_parts(parts)
    assert merged == MinuteCounts(at(1), "a", 10, 4, 6, 0, 8, 2)
    assert merged.independent == (8, 2)
    assert MinuteCounts(at(1), "a", 10, 4, 6).independent == (10, 4)


def part(number: int, negative: int, neutral: int, fingerprints: dict[str, bool]) -> PulseMinute:
    counts = SentimentCounts(negative=negative, neutral=neutral)
    return PulseMinute(
        minute=at(1),
        hashtag="a",
        partition=number,
        watermark=at(3),
        sentiments=counts,
        independent=counts,
        fingerprints=fingerprints,
    )


def test_a_text_in_several_partitions_counts_once() -> None:
    merged = merge_parts(
        [part(0, 2, 1, {"x": True}), part(1, 1, 3, {"x": True, "y": False}), part(2, 1, 0, {"x": True})]
    )
    assert (merged.posts, merged.negative) == (8, 4)
    assert merged.independent == (6, 2)
    assert merged.fingerprints == {"x": True, "y": False}


def test_the_first_partition_decides_the_mood_of_a_text() -> None:
    merged = merge_parts([part(0, 1, 0, {"x": True}), part(1, 0, 1, {"x": False})])
    assert (merged.independent, merged.fingerprints) == ((1, 1), {"x": True})
    merged = merge_parts([part(0, 0, 1, {"x": False}), part(1, 1, 0, {"x": True})])
    assert (merged.independent, merged.fingerprints) == ((1, 0), {"x": False})


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.just(True)), min_size=1, max_size=4))
def test_the_independent_posts_are_the_distinct_texts(partitions: list[dict[str, bool]]) -> None:
    merged = merge_parts([part(number, len(texts), 0, texts) for number, texts in enumerate(partitions)])
    distinct = {text for texts in partitions for text in texts}
    assert merged.independent == (len(distinct), len(distinct))
    assert merged.posts == sum(map(len, partitions))


def test_without_independent_counts_every_post_is_a_voice() -> None:
    assert MinuteCounts(at(1), "a", 10, 4, independent_posts=8).independent == (10, 4)
    assert MinuteCounts(at(1), "a", 10, 4, independent_posts=0, independent_negative=0).independent == (0, 0)
