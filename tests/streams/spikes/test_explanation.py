from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contracts import (
    SPIKE_KINDS,
    Evidence,
    Excerpt,
    PulseMinute,
    SentimentCounts,
    SpikeKind,
    decode_spike,
    encode,
)
from streams.contracts import Spike as SpikeMessage
from streams.spikes.explanation import explain
from streams.text.safe_text import readable

_START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def _minute(number: int, sentiments: SentimentCounts, partition: int = 0, **parts: Any) -> PulseMinute:
    minute = _START + timedelta(minutes=number)
    watermark = minute + timedelta(minutes=1)
    return PulseMinute(
        minute=minute, hashtag="poltwt", partition=partition, watermark=watermark, sentiments=sentiments, **parts
    )


def _excerpt(text: str, *, negative: float = 0.9, shared: int = 0, id: str = "1", second: int = 0) -> Excerpt:  # noqa: A002
    created_at = _START + timedelta(seconds=second)
    return Excerpt(source="mastodon", id=id, text=text, created_at=created_at, negative=negative, shared=shared)


def _quiet(minutes: int = 60) -> list[PulseMinute]:
    sentiments = SentimentCounts(negative=2, neutral=5, positive=3)
    evidence = Evidence(
        terms={
            "#poltwt": sentiments,
            "the": sentiments,
            "#dogs": SentimentCounts(positive=2),
            "parking": SentimentCounts(negative=1),
        }
    )
    return [
        _minute(
            number,
            sentiments,
            evidence=evidence,
            languages={"en": sentiments},
            sources={"mastodon": sentiments},
            topics={"pets": SentimentCounts(positive=2)},
        )
        for number in range(minutes)
    ]


def _spike(minutes: int = 10, **evidence: Any) -> list[PulseMinute]:
    sentiments = SentimentCounts(negative=8, neutral=4, positive=2)
    terms = {
        "#poltwt": sentiments,
        "the": sentiments,
        "kick": SentimentCounts(negative=6),
        "#poltwtfail": SentimentCounts(negative=5),
        "video": SentimentCounts(negative=5, neutral=1),
        "parking": SentimentCounts(negative=1),
        "#dogs": SentimentCounts(positive=2),
    }
    return [
        _minute(
            60 + number,
            sentiments,
            languages={"en": SentimentCounts(negative=1, neutral=4, positive=2), "de": SentimentCounts(negative=7)},
            sources={"mastodon": sentiments},
            topics={"news_&_social_concern": SentimentCounts(negative=7)},
            campaign_topics={"use of force": SentimentCounts(negative=6)},
            evidence=Evidence(terms=terms, **evidence),
        )
        for number in range(minutes)
    ]


def test_a_negative_spike_names_what_its_negative_posts_have_more_of() -> None:
    found = explain("negative", "poltwt", _spike(), _quiet(), share=0.57, baseline=0.2)
    assert [driver.name for driver in found.terms] == ["kick", "#poltwtfail", "video"]
    assert [driver.name for driver in found.topics] == ["news_&_social_concern"]
    assert [driver.name for driver in found.campaign_topics] == ["use of force"]
    assert [driver.name for driver in found.languages] == ["de"]
    assert found.sources == ()
    kick = found.terms[0]
    assert (kick.posts, kick.share, kick.baseline) == (60, 0.75, 0.0)
    assert found.summary == (
        "#poltwt: 57 % negative (80 of 140 posts), usually 20 %. It is about use of force, kick, #poltwtfail and video."
    )


@pytest.mark.parametrize(
    ("emotions", "acts", "named"),
    [
        ({"sadness": 9, "support": 5, "anger": 1}, {"statement": 12}, "sadness and support"),
        ({"anger": 9, "sadness": 1}, {"complaint": 6, "question": 2, "statement": 6}, "anger and complaint"),
    ],
)
def test_a_day_of_mourning_is_told_from_a_day_of_anger(
    emotions: dict[str, int], acts: dict[str, int], named: str
) -> None:
    before = SentimentCounts(negative=2, neutral=5, positive=3)
    usual: dict[str, Any] = {
        "emotions": {"anger": SentimentCounts(negative=1), "sadness": SentimentCounts(negative=1)},
        "acts": {"statement": SentimentCounts(negative=2, neutral=5), "question": SentimentCounts(neutral=1)},
    }
    quiet = [_minute(number, before, **usual) for number in range(60)]
    counts: dict[str, Any] = {
        part: {name: SentimentCounts(negative=posts // 2, positive=posts - posts // 2) for name, posts in found.items()}
        for part, found in (("emotions", emotions), ("acts", acts))
    }
    now = [_minute(60 + number, SentimentCounts(negative=8, neutral=2, positive=4), **counts) for number in range(10)]
    found = explain("negative", "poltwt", now, quiet)
    assert found.summary.endswith(f" More frequent than usual: {named}.")
    first = found.emotions[0]
    assert (first.posts, first.share, first.baseline) == (90, 90 / 140, 0.1), "of all posts, not of the negative ones"
    assert explain("silence", "poltwt", [], quiet).emotions[0].name == "anger"


def test_what_few_posts_say_is_a_driver_but_not_what_the_spike_is_about() -> None:
    sentiments = SentimentCounts(negative=100)
    spike = [
        _minute(60 + n, sentiments, evidence=Evidence(terms={"rumour": SentimentCounts(negative=7)})) for n in range(8)
    ]
    found = explain("negative", "poltwt", spike, _quiet(300))
    assert [(driver.name, driver.share) for driver in found.terms] == [("rumour", 0.07)]
    assert found.summary.endswith("No one term or topic stands out.")


def test_what_negative_posts_always_said_explains_nothing() -> None:
    found = explain("negative", "poltwt", _quiet(10), _quiet())
    assert (found.terms, found.topics, found.languages) == ((), (), ())
    assert found.summary == "#poltwt: 20 % negative (20 of 100 posts). No one term or topic stands out."


def test_a_young_stream_is_compared_with_all_posts() -> None:
    found = explain("negative", "poltwt", _spike(), _quiet(5))
    assert "kick" in {driver.name for driver in found.terms}
    assert "the" not in {driver.name for driver in found.terms}


def test_without_any_baseline_there_is_still_an_explanation() -> None:
    found = explain("negative", "poltwt", _spike(texts={"They kick him": SentimentCounts(negative=5)}), [])
    assert found.top_text_share == pytest.approx(50 / 80)
    assert found.summary.endswith("One repeated text makes up 62 % of the negative posts: “They kick him”.")


def test_a_volume_spike_looks_at_all_posts() -> None:
    sentiments = SentimentCounts(neutral=20, positive=20)
    many = [
        _minute(60 + n, sentiments, evidence=Evidence(terms={"#puppy": SentimentCounts(positive=20)})) for n in range(5)
    ]
    found = explain("volume", "poltwt", many, _quiet(), rate=40.0, usual_rate=10.0)
    assert [driver.name for driver in found.terms] == ["#puppy"]
    assert found.summary == "#poltwt: 40 posts a minute, usually 10. It is about #puppy."


def test_a_spike_of_one_reposted_text_says_so() -> None:
    spike = _spike(texts={"Look at this": SentimentCounts(negative=6), "Other": SentimentCounts(negative=1)})
    found = explain("negative", "poltwt", spike, _quiet(), baseline=0.2)
    assert found.top_text == "Look at this"
    assert found.top_text_share == 0.75
    assert found.summary.endswith("One repeated text makes up 75 % of the negative posts: “Look at this”.")


def test_a_spike_of_one_account_says_so() -> None:
    spike = _spike(authors={"angry": SentimentCounts(negative=4), "k9": SentimentCounts(positive=6)})
    found = explain("negative", "poltwt", spike, _quiet())
    assert (found.top_author, found.top_author_share) == ("angry", 0.5)
    assert found.summary.endswith("; one account, angry, wrote 50 % of the negative posts.")


def test_a_silence_says_what_the_hashtag_was_like() -> None:
    shared = _excerpt("Puppies!", negative=0.0, shared=40)
    before = [*_quiet(), _minute(60, SentimentCounts(positive=1), evidence=Evidence(shared=(shared,)))]
    found = explain("silence", "poltwt", [], before, rate=0.0, usual_rate=10.0)
    assert found.summary == "#poltwt has fallen silent: 0 posts a minute, usually 10. Before, it was about #dogs."
    assert [(driver.name, driver.posts) for driver in found.terms] == [("#dogs", 0)]
    assert found.terms[0].baseline == pytest.approx(0.2, abs=0.01)
    assert found.shared == (shared,)


def test_typical_posts_have_the_terms_and_appear_once() -> None:
    posts = (
        _excerpt("I hate Mondays", negative=0.99, id="1"),
        _excerpt("They KICK him on video", negative=0.8, id="2", second=5),
        _excerpt("RT @x: they kick him  on video", negative=0.95, shared=3, id="3", second=9),
        _excerpt("lovely kick video", negative=0.1, id="4"),
    )
    found = explain("negative", "poltwt", _spike(10, negative=posts, shared=posts), _quiet())
    assert [excerpt.id for excerpt in found.typical] == ["3", "1"]
    assert [excerpt.id for excerpt in found.shared] == ["3"]


def test_parts_of_partitions_add_up_and_a_later_message_replaces_an_earlier_one() -> None:
    once = explain("negative", "poltwt", _spike(), _quiet())
    again = explain("negative", "poltwt", [*_spike(), *_spike()], _quiet())
    assert again == once
    other = [_minute(60 + n, SentimentCounts(negative=8), partition=1) for n in range(10)]
    both = explain("negative", "poltwt", [*_spike(), *other], _quiet())
    assert both.terms[0].share == once.terms[0].share / 2


_HOSTILE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    ["\u202e" * 5, "a" + "\u0301" * 10_000, "{{ .Labels }}", "<!channel>", "\x1b[2J", "`", "#", ""]
)
_MOODS = st.builds(
    SentimentCounts, negative=st.integers(0, 50), neutral=st.integers(0, 50), positive=st.integers(0, 50)
)
_PARTS = st.dictionaries(_HOSTILE, _MOODS, max_size=4)
_EXCERPTS = st.lists(
    st.builds(
        Excerpt,
        source=_HOSTILE,
        id=_HOSTILE,
        text=_HOSTILE,
        author=_HOSTILE,
        created_at=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        negative=st.floats(0, 1),
        shared=st.integers(0, 10),
    ),
    max_size=3,
).map(tuple)
_MINUTES = st.lists(
    st.builds(
        _minute,
        st.integers(0, 100),
        _MOODS,
        st.integers(0, 3),
        topics=_PARTS,
        emotions=_PARTS,
        acts=_PARTS,
        campaign_topics=_PARTS,
        languages=_PARTS,
        sources=_PARTS,
        evidence=st.builds(Evidence, terms=_PARTS, authors=_PARTS, texts=_PARTS, negative=_EXCERPTS, shared=_EXCERPTS),
    ),
    max_size=4,
)


@settings(max_examples=60)
@given(st.sampled_from(SPIKE_KINDS), _HOSTILE, _MINUTES, _MINUTES)
def test_whatever_the_posts_it_explains_in_plain_text(
    kind: SpikeKind, hashtag: str, spike: list[PulseMinute], before: list[PulseMinute]
) -> None:
    found = explain(kind, hashtag, spike, before)
    assert found == explain(kind, hashtag, spike, before)
    assert len(found.summary) < 600
    assert readable(found.summary, 1000) == found.summary
    message = SpikeMessage(
        id="x",
        kind=kind,
        hashtag=hashtag,
        state="open",
        sensitivity="middle",
        opened_at=_START,
        known_at=_START,
        at=_START,
        explanation=found,
    )
    assert decode_spike(encode(message)).explanation == found


def test_a_day_of_full_minutes_takes_no_longer_than_a_few_seconds() -> None:
    terms = {f"term{n}": SentimentCounts(negative=1, neutral=2) for n in range(200)}
    day = [_minute(n, SentimentCounts(negative=30, neutral=60), evidence=Evidence(terms=terms)) for n in range(1440)]
    started = time.perf_counter()
    explain("negative", "poltwt", day[-60:], day[:-60])
    assert time.perf_counter() - started < 5
