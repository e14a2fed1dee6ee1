from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Driver
from streams.spikes.drivers import MIN_POSTS, MIN_SCORE, distinct, drivers, most_frequent, score

_counts = st.integers(0, 10_000)


def test_a_term_that_fills_half_of_the_spike_is_certain() -> None:
    assert score(31, 60, 1, 100) > 5
    assert score(1, 60, 31, 100) < -3


def test_an_unchanged_frequency_scores_nothing() -> None:
    assert abs(score(30, 100, 300, 1000)) < 0.1


def test_a_new_term_of_a_few_posts_counts_and_one_of_two_posts_does_not() -> None:
    found = drivers({"rex": 3, "kick": 2}, 20, {}, 500, 5)
    assert [driver.name for driver in found] == ["rex"]
    assert found[0].posts == 3
    assert found[0].share == 0.15
    assert found[0].baseline == 0.0


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_swapping_the_sides_changes_the_sign_of_the_score(posts: int, of: int, before: int, of_before: int) -> None:
    posts, before = min(posts, of), min(before, of_before)
    assert score(posts, of, before, of_before) + score(before, of_before, posts, of) == 0 or (
        abs(score(posts, of, before, of_before) + score(before, of_before, posts, of)) < 1e-9
    )


@given(
    st.dictionaries(st.text(max_size=5), _counts, max_size=8),
    _counts,
    st.dictionaries(st.text(max_size=5), _counts),
    _counts,
)
def test_drivers_are_valid_whatever_the_counts(
    spike: dict[str, int], of: int, before: dict[str, int], of_before: int
) -> None:
    found = drivers(spike, of, before, of_before, 4)
    assert len(found) <= 4
    assert [driver.score for driver in found] == sorted((driver.score for driver in found), reverse=True)
    for driver in found:
        assert driver.posts >= MIN_POSTS
        assert 0 < driver.share <= 1
        assert 0 <= driver.baseline <= 1
        assert driver.score >= MIN_SCORE - 0.01
    assert len(most_frequent(Counter(spike), of, Counter(before), of_before, 4)) <= 4


def test_terms_that_mean_the_same_are_shown_once() -> None:
    def term(name: str, posts: int, score: float) -> Driver:
        return Driver(name=name, posts=posts, share=0.5, baseline=0.0, score=score)

    found = [term("#policedog", 30, 9), term("policedog", 31, 8), term("dog", 80, 7), term("kick", 20, 6)]
    assert [driver.name for driver in distinct(found, 5)] == ["#policedog", "dog", "kick"]
    assert len(distinct(found, 2)) == 2


def test_from_one_text_a_hashtag_is_kept_or_else_a_longer_word() -> None:
    def term(name: str, posts: int, score: float) -> Driver:
        return Driver(name=name, posts=posts, share=0.5, baseline=0.0, score=score)

    texts = {"das ist pauli, acht wochen alt und ab heute dabei #diensthund", "the video is bad"}
    found = [
        term("ab", 17, 9),
        term("alt", 17, 8),
        term("video", 15, 7),
        term("#diensthund", 16, 6),
        term("acht", 17, 5),
    ]
    assert [driver.name for driver in distinct(found, 5, texts)] == ["#diensthund", "video"]
    assert [driver.name for driver in distinct(found[:3] + found[4:], 5, texts)] == ["acht", "video"]
    assert [driver.name for driver in distinct(found, 5)] == ["ab", "alt", "video", "#diensthund", "acht"]
