from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Driver, Excerpt, Explanation
from streams.delivery.notice import Fact, harmless_url, key_of, notice_of
from streams.settings import AlertsSettings
from tests.helpers.spikes import OPENED_AT, TEXTS, assert_visible, hostile_spike, spike

ALERTS = AlertsSettings(
    dashboard_url="https://grafana.example/d/mood?orgId=1", runbooks_url="https://guide.example/docs/runbooks/"
)
NOW = OPENED_AT + timedelta(hours=2)


def test_a_replay_says_so() -> None:
    assert notice_of(spike(), "again", ALERTS).title == "Replay again: Negative spike: #poltwt"


@pytest.mark.parametrize(("state", "title"), [("open", ""), ("growing", ", still open"), ("closed", ", over")])
def test_the_title_shows_the_state(state: str, title: str) -> None:
    assert notice_of(spike(state=state), "live", ALERTS).title == f"Negative spike{title}: #poltwt"
    assert notice_of(spike(state=state), "again", ALERTS, test=True).title == f"Test: Negative spike{title}: #poltwt"


def test_unknown_facts_are_left_out() -> None:
    facts = notice_of(spike(1, "closed", share=None, rate=None), "live", ALERTS).facts
    assert facts == (
        Fact("since", "2026-11-01 10:31 UTC"),
        Fact("until", "2026-11-01 10:58 UTC"),
        Fact("posts", "120, 62 of them negative"),
    )
    (_, negative, rate) = notice_of(spike(low=None, baseline=None, usual_rate=None), "live", ALERTS).facts
    assert negative == Fact("negative", "52 % (62 of 120 posts)")
    assert rate == Fact("posts a minute", "3.9")


def test_all_drivers_of_a_spike_are_listed() -> None:
    def driver(name: str) -> Driver:
        return Driver(name=name, posts=31, share=0.5, baseline=0.01, score=6.2)

    explanation = Explanation(
        terms=tuple(driver(f"t{number}") for number in range(9)),
        topics=(driver("news_&_social_concern"),),
        emotions=(driver("anger"), driver("fear")),
        acts=(driver("complaint"),),
        campaign_topics=(driver("force"),),
        languages=(driver("de"),),
        sources=(driver("x"),),
        top_author="k9",
        top_author_share=0.1,
        top_text="They kick him",
        top_text_share=0.4,
    )
    found = dict(notice_of(spike(explanation=explanation), "live", ALERTS).drivers)
    assert list(found) == [
        "campaign topics", "terms", "topics", "emotions", "acts", "languages", "sources", "top account", "top repeated text",
    ]  # fmt: skip
    assert found["terms"] == ", ".join(f"t{number} (50 %, before 1 %)" for number in range(5))
    assert found["topics"] == "news & social concern (50 %, before 1 %)"
    assert found["emotions"] == "anger (50 %, before 1 %), fear (50 %, before 1 %)"
    assert found["acts"] == "complaint (50 %, before 1 %)"
    assert found["top account"] == "k9 (10 % of the posts)"
    assert found["top repeated text"] == "“They kick him” (40 % of the posts)"


def test_each_text_is_quoted_once() -> None:
    def excerpt(text: str, shared: int = 0, author: str = "k9") -> Excerpt:
        return Excerpt(
            source="x",
            id="1",
            text=text,
            created_at=OPENED_AT,
            negative=0.9,
            author=author,
            shared=shared,
            url="data:,",
        )

    explanation = Explanation(
        typical=(excerpt("one", 1), excerpt("\u200b"), *(excerpt(f"t{number}") for number in range(9))),
        shared=(excerpt("one", 3), excerpt("two", 3, "")),
    )
    posts = notice_of(spike(explanation=explanation), "live", ALERTS).posts
    assert [(post.heading, post.text, post.by) for post in posts] == [
        ("typical", "one", "k9 on x"),
        *(("typical", f"t{number}", "k9 on x") for number in range(3)),
        ("most shared", "two", "unknown on x, shared 3 times"),
    ]
    assert {post.url for post in posts} == {None}, "not a web address"


def test_the_dashboard_shows_half_an_hour_more_on_either_side() -> None:
    def milliseconds(hours: float) -> int:
        return int((OPENED_AT + timedelta(hours=hours)).timestamp() * 1000)

    opened, closed = (notice_of(spike(1, state), "live", ALERTS).dashboard for state in ("open", "closed"))
    begin = f"https://grafana.example/d/mood?orgId=1&var-run=live&var-hashtag=poltwt&from={milliseconds(0.5)}&to="
    assert (opened, closed) == (f"{begin}now", f"{begin}{milliseconds(1.95)}")
    alone = AlertsSettings(dashboard_url="https://grafana.example/d/mood")
    assert str(notice_of(spike(), "live", alone).dashboard).startswith("https://grafana.example/d/mood?var-run=live&")


def test_without_addresses_nothing_is_linked() -> None:
    notice = notice_of(spike(), "live", AlertsSettings(dashboard_url=None, runbooks_url=None))
    assert (notice.dashboard, notice.runbook) == (None, None)
    assert notice_of(spike(kind="silence"), "live", ALERTS).runbook == (
        "https://guide.example/docs/runbooks/HashtagSilent.md"
    )


@given(TEXTS)
def test_a_notice_with_any_text_is_short_and_visible(text: str) -> None:
    notice = notice_of(hostile_spike(text), "live", ALERTS)
    shown = [notice.title, notice.summary, notice.hashtag]
    shown += [part for fact in (*notice.facts, *notice.drivers) for part in fact]
    shown += [part for post in notice.posts for part in (post.heading, post.text, post.by)]
    for part in shown:
        assert_visible(part)
        assert len(part) <= 600


@given(st.text(max_size=300), st.sampled_from(["open", "growing", "closed"]))
def test_a_key_fits_into_a_header(text: str, state: str) -> None:
    key = key_of(spike(state=state, id=text), "live")
    assert re.fullmatch(r"[A-Za-z0-9:%._~-]{1,200}", key)
    assert key == key_of(spike(state=state, id=text, posts=7), "live")
    assert key != key_of(spike(state=state, id=text + "x"), "live")


def test_keys_differ_by_run_state_and_growth() -> None:
    keys = [
        key_of(spike(), "live"),
        key_of(spike(), "again"),
        key_of(spike(state="growing"), "live"),
        key_of(spike(state="growing", at=NOW), "live"),
        key_of(spike(state="closed"), "live"),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/x?y=1&z=2#w", "https://a.example/x?y=1&z=2#w"),
        ("https://a.example/a(b)[c]|<d>\"e'", "https://a.example/a%28b%29%5Bc%5D%7C%3Cd%3E%22e%27"),
        ("https://münchen.example/ü", "https://xn--mnchen-3ya.example/%C3%BC"),
        ("http://a.example:8080/", "http://a.example:8080/"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://user@a.example/", None),
        ("https://a.example/\u202ex", None),
        ("https://a.example/ x", None),
        ("https://a.example:99999/", None),
        ("https://[::1]/", None),
        ("https://", None),
        ("//a.example", None),
        ("https://a.example/" + "x" * 1_000, None),
        ("", None),
        (None, None),
    ],
)
def test_only_web_urls_are_links(url: str | None, shown: str | None) -> None:
    assert harmless_url(url) == shown


@given(st.text(max_size=60).map(lambda text: f"https://a.example/{text}") | st.text(max_size=60))
def test_no_url_ends_the_markup_around_it(url: str) -> None:
    shown = harmless_url(url)
    assert shown is None or (shown.isascii() and not set(shown) & set("<>\"'()[]|` \n\\{}"))
