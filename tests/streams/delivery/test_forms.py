"""The messages about a spike in the format of each target, in which text from posts does no harm."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import SPIKE_KINDS, Spike
from streams.delivery.alertmanager import alert_of
from streams.delivery.notice import KINDS, harmless_url, key_of, notice_of
from streams.delivery.templates import render
from streams.settings import AlertsSettings, WebhookFormat
from tests.helpers.spikes import HOSTILE, OPENED_AT, hostile_spike, spike

FORMATS: tuple[WebhookFormat, ...] = ("json", "slack", "teams")
ALERTS = AlertsSettings(
    dashboard_url="https://grafana.example/d/mood?orgId=1", runbooks_url="https://guide.example/docs/runbooks/"
)
NOW = OPENED_AT + timedelta(hours=2)
_TEXT = st.text(max_size=60) | st.sampled_from([HOSTILE, "", "javascript:alert(1)", "https://a.example/(x)|<y>"])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, str):
        yield value


def _document(form: WebhookFormat, message: Spike, run: str = "live", *, test: bool = False) -> Any:
    return json.loads(render(form, notice_of(message, run, ALERTS, test=test), message, run, test=test))


def _alert(message: Spike, now: datetime = NOW, run: str = "live") -> dict[str, Any]:
    return alert_of(message, notice_of(message, run, ALERTS), run, now, 60.0)


def _assert_visible(text: str) -> None:
    lines = text.split("\n")
    assert not {unicodedata.category(c) for line in lines for c in line if c not in "\u2060\u200c\u200d"} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
    }
    assert "\u0301" * 4 not in text


@given(_TEXT)
def test_a_notice_of_anything_is_short_and_visible_in_every_form(text: str) -> None:
    message = hostile_spike(text)
    for form in FORMATS:
        document = _document(form, message)
        assert len(json.dumps(document, ensure_ascii=False)) < 28_000  # the limit of Teams
        for part in _strings(document):
            _assert_visible(part)
    for part in _strings(_alert(message)):
        _assert_visible(part)


def test_slack_gets_neither_links_nor_mentions_from_posts() -> None:
    document = _document("slack", hostile_spike())
    texts = [part for part in _strings(document) if "channel" in part]
    assert texts
    shown = [document["text"]] + [
        block["text"]["text"] for block in document["blocks"] if block.get("text", {}).get("type") == "mrkdwn"
    ]
    for text in shown:
        assert not re.search(r"<(?!https://(?:grafana|guide)\.example)", text)
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
    assert "&lt;!channel&gt;" in document["text"]
    assert all(block["text"].get("verbatim", True) for block in document["blocks"] if "text" in block)


@given(st.text(alphabet="&<>a\u0301 ", min_size=100, max_size=400))
def test_every_block_fits_the_limits_of_slack(text: str) -> None:
    document = _document("slack", hostile_spike(text * 20))
    assert len(document["blocks"]) <= 50
    for block in document["blocks"]:
        if "text" in block:
            shown = block["text"]["text"]
            assert 0 < len(shown) <= (150 if block["type"] == "header" else 3_000)
            if block["type"] == "section":
                assert not re.search(r"&(?!amp;|lt;|gt;)", shown)


def test_teams_shows_text_from_posts_literally() -> None:
    document = _document("teams", hostile_spike())
    card = document["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert not any("{{" in part or "${" in part for part in _strings(document))
    assert card["actions"][0]["url"].startswith("https://grafana.example/d/mood?orgId=1&var-run=live&var-hashtag=")


def test_plain_json_holds_the_spike_as_text_and_as_data() -> None:
    document = _document("json", spike(), test=True)
    assert document["key"] == "live:negative:poltwt:2026-11-01T10:31:00Z:open"
    assert (document["test"], document["alert"], document["severity"]) == (True, "NegativeSpike", "critical")
    assert document["title"] == "Test: Negative spike: #poltwt"
    assert document["text"].splitlines() == [
        "#poltwt: 52 % negative (62 of 120 posts), usually 21 %. It is about rex.",
        "since: 2026-11-01 10:31 UTC",
        "negative: 52 % (62 of 120 posts, 43 % to 60 % with 95 % confidence); usually 21 %",
        "posts a minute: 3.9; usually 2",
        "terms: rex (50 %, before 1 %)",
        "top account: k9 (10 % of the posts)",
    ]
    assert document["spike"]["id"] == "negative:poltwt:2026-11-01T10:31:00Z"
    assert document["links"]["runbook"] == "https://guide.example/docs/runbooks/NegativeSpike.md"


def test_template_syntax_stays_as_it_was_written() -> None:
    assert "{{ .Labels }}" in _document("json", hostile_spike())["spike"]["explanation"]["summary"]
    assert "{{ .Labels }}" in _alert(hostile_spike())["annotations"]["summary"]


def test_an_alert_keeps_its_labels_from_its_first_to_its_last_message() -> None:
    first, grown, last = (_alert(spike(state=state)) for state in ("open", "growing", "closed"))
    assert first["labels"] == grown["labels"] == last["labels"]
    assert first["labels"] == {
        "alertname": "NegativeSpike",
        "component": "mood",
        "hashtag": "poltwt",
        "kind": "negative",
        "severity": "critical",
        "run": "live",
    }
    assert first["startsAt"] == "2026-11-01T10:31:00+00:00"
    assert first["endsAt"] == (NOW + timedelta(minutes=4)).isoformat()
    assert last["endsAt"] == "2026-11-01T10:58:00+00:00"
    assert set(first["annotations"]) == {
        "summary",
        "description",
        "explanation",
        "top_posts",
        "dashboard",
        "runbook_url",
    }
    assert (
        "“Our dog Rex was hurt today” — k9 on mastodon, shared 12 times https://police.example/@k9/1"
        in (first["annotations"]["top_posts"])
    )


def test_an_alert_of_a_day_ahead_of_the_clock_does_not_end_before_it_starts() -> None:
    early = OPENED_AT - timedelta(days=300)
    for state in ("open", "closed"):
        alert = _alert(spike(state=state), early)
        assert alert["startsAt"] <= alert["endsAt"]
        assert alert["startsAt"] <= early.isoformat()


def test_text_from_posts_mentions_no_one_through_alertmanager() -> None:
    alert = _alert(hostile_spike())
    for text in [*alert["labels"].values(), *alert["annotations"].values()]:
        assert "<" not in text
        assert "@everyone" not in text
    assert "\u2039!channel\u203a" in alert["annotations"]["summary"]


@pytest.mark.parametrize("kind", SPIKE_KINDS)
def test_every_kind_has_a_name_of_its_own(kind: Any) -> None:
    alert = _alert(spike(kind=kind, share=None, rate=0.4))
    assert alert["labels"]["alertname"] == KINDS[kind].alert
    assert alert["annotations"]["runbook_url"].endswith(f"/{KINDS[kind].alert}.md")
    assert len({name.alert for name in KINDS.values()}) == len(SPIKE_KINDS)


def test_a_replay_says_so() -> None:
    assert notice_of(spike(), "again", ALERTS).title == "Replay again: Negative spike: #poltwt"
    assert _alert(spike(), run="again")["labels"]["run"] == "again"


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


def test_now_is_the_clock_of_the_machine() -> None:
    alert = _alert(spike(), datetime.now(UTC))
    assert datetime.fromisoformat(alert["endsAt"]).tzinfo is not None
