from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Driver, Explanation
from streams.spikes.summary import Figures, pace, percent, summarise

FIGURES = Figures(posts=120, negative=62, share=0.52, baseline=0.21, rate=39.4, usual_rate=2.0)


def driver(name: str, share: float = 0.5, score: float = 6.0) -> Driver:
    return Driver(name=name, posts=10, share=share, baseline=0.0, score=score)


def test_a_negative_spike() -> None:
    explanation = Explanation(terms=(driver("rex"), driver("kick")))
    assert summarise("negative", "poltwt", FIGURES, explanation) == (
        "#poltwt: 52 % negative (62 of 120 posts), usually 21 %. It is about rex and kick."
    )


def test_a_volume_spike() -> None:
    assert summarise("volume", "poltwt", FIGURES, Explanation(terms=(driver("rex"),))) == (
        "#poltwt: 39 posts a minute, usually 2. It is about rex."
    )


def test_a_silence() -> None:
    assert summarise("silence", "poltwt", FIGURES, Explanation(terms=(driver("rex", 0.0, 0.0),))) == (
        "#poltwt has fallen silent: 39 posts a minute, usually 2. Before, it was about rex."
    )
    assert summarise("silence", "poltwt", Figures(), Explanation()) == "#poltwt has fallen silent: 0 posts."


def test_unknown_figures_are_counted_or_left_out() -> None:
    explanation = Explanation()
    nothing = "No one term or topic stands out."
    assert summarise("negative", "a", Figures(posts=8, negative=2), explanation) == (
        f"#a: 25 % negative (2 of 8 posts). {nothing}"
    )
    assert summarise("negative", "a", Figures(), explanation) == f"#a: 0 % negative (0 of 0 posts). {nothing}"
    assert summarise("volume", "a", Figures(posts=8), explanation) == f"#a: 8 posts. {nothing}"


def subjects(**parts: Any) -> str:
    return summarise("volume", "a", Figures(posts=8), Explanation(**parts)).removeprefix("#a: 8 posts. ")


def test_it_is_about_the_campaigns_topic_then_terms_otherwise_the_models_topics() -> None:
    terms = tuple(map(driver, ("one", "two", "three", "four")))
    topics = tuple(map(driver, ("news_&_social_concern", "sports", "pets")))
    assert subjects(campaign_topics=(driver("force"), driver("other")), terms=terms, topics=topics) == (
        "It is about force, one, two and three."
    )
    assert subjects(topics=topics) == "It is about news & social concern and sports."
    assert subjects(campaign_topics=(driver("one"),), terms=terms) == "It is about one, two and three.", "named once"


def test_the_emotions_and_acts_that_rose_are_named() -> None:
    mourning = Explanation(terms=(driver("rex"),), emotions=tuple(map(driver, ("sadness", "support", "fear"))))
    assert summarise("negative", "a", FIGURES, mourning).endswith(
        " It is about rex. More frequent than usual: sadness and support."
    )
    assert subjects(emotions=(driver("anger"), driver("joy", 0.07)), acts=(driver("complaint"),)) == (
        "No one term or topic stands out. More frequent than usual: anger and complaint."
    )
    silence = summarise("silence", "a", Figures(), Explanation(emotions=(driver("joy", 0.0, 0.0),)))
    assert silence == "#a has fallen silent: 0 posts."


def test_what_few_posts_have_is_not_what_it_is_about() -> None:
    assert subjects(terms=(driver("rare", 0.079), driver("rex", 0.08))) == "It is about rex."
    assert subjects(terms=(driver("rare", 0.079),)) == "No one term or topic stands out."


def test_a_dominant_text_or_account_is_the_cause() -> None:
    text = Explanation(top_text="They kick him", top_text_share=0.3, terms=(driver("kick"),))
    assert summarise("negative", "a", FIGURES, text).endswith(
        "One repeated text makes up 30 % of the negative posts: “They kick him”."
    )
    assert summarise("volume", "a", FIGURES, text).endswith(" 30 % of them: “They kick him”.")
    author = Explanation(top_author="k9", top_author_share=0.4)
    assert summarise("volume", "a", FIGURES, author).endswith(". One account, k9, wrote 40 % of them.")
    both = Explanation(top_author="k9", top_author_share=0.4, terms=(driver("kick"),))
    assert summarise("negative", "a", FIGURES, both).endswith(
        "It is about kick; one account, k9, wrote 40 % of the negative posts."
    )


@pytest.mark.parametrize(
    ("share", "posts", "named"), [(0.3, 17, True), (0.29, 100, False), (1.0, 5, True), (1.0, 4, False)]
)
def test_a_cause_has_a_third_of_the_spike_and_five_posts(share: float, posts: int, named: bool) -> None:
    explanation = Explanation(top_text="a text", top_text_share=share)
    assert ("One repeated text" in summarise("volume", "a", Figures(posts=posts), explanation)) is named


def test_names_are_shortened_and_have_no_control_characters() -> None:
    found = summarise("volume", "a\x1b[2J", Figures(posts=8), Explanation(terms=(driver("x" * 99),)))
    assert "\x1b" not in found
    assert "x" * 38 in found
    assert "x" * 41 not in found


@given(st.floats(0, 1))
def test_a_percentage_is_rounded(share: float) -> None:
    number, sign = percent(share).split(" ")
    assert sign == "%"
    assert abs(int(number) - 100 * share) <= 0.5


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (0.0, "0"),
        (8.9e-17, "0"),
        (0.04, "0.04"),
        (0.5, "0.5"),
        (3.94, "3.9"),
        (9.99, "10"),
        (39.4, "39"),
        (1e4, "10000"),
    ],
)
def test_a_pace_has_no_more_digits_than_it_needs(rate: float, shown: str) -> None:
    assert pace(rate) == shown
