"""The messages about a spike in the format of each webhook, in which text from posts does no harm."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Spike
from streams.delivery.notice import notice_of
from streams.delivery.templates import escape_slack, render
from streams.settings import AlertsSettings, WebhookFormat
from tests.helpers.spikes import TEXTS, assert_visible, hostile_spike, spike, strings

FORMATS: tuple[WebhookFormat, ...] = ("json", "slack", "teams")
ALERTS = AlertsSettings(
    dashboard_url="https://grafana.example/d/mood?orgId=1", runbooks_url="https://guide.example/docs/runbooks/"
)


def _document(form: WebhookFormat, message: Spike, run: str = "live", *, test: bool = False) -> Any:
    return json.loads(render(form, notice_of(message, run, ALERTS, test=test), message, run, test=test))


@given(TEXTS)
def test_a_message_about_anything_is_short_and_visible_in_every_form(text: str) -> None:
    message = hostile_spike(text)
    for form in FORMATS:
        document = _document(form, message)
        assert len(json.dumps(document, ensure_ascii=False)) < 28_000  # the limit of Teams
        for part in strings(document):
            assert_visible(part)


def test_slack_gets_neither_links_nor_mentions_from_posts() -> None:
    document = _document("slack", hostile_spike())
    texts = [part for part in strings(document) if "channel" in part]
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
    assert not any("{{" in part or "${" in part for part in strings(document))
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


def test_template_syntax_is_kept_literally() -> None:
    assert "{{ .Labels }}" in _document("json", hostile_spike())["spike"]["explanation"]["summary"]


def test_slack_links_what_is_configured() -> None:
    *_, last = _document("slack", spike())["blocks"]
    (element,) = last["elements"]
    dashboard, runbook = element["text"].split(" · ")
    assert re.fullmatch(r"<https://grafana\.example/d/mood\?orgId=1&amp;\S+\|dashboard>", dashboard)
    assert runbook == "<https://guide.example/docs/runbooks/NegativeSpike.md|runbook>"
    bare = json.loads(
        render(
            "slack", notice_of(spike(), "live", AlertsSettings(dashboard_url=None, runbooks_url=None)), spike(), "live"
        )
    )
    assert "context" not in {block["type"] for block in bare["blocks"]}


@pytest.mark.parametrize(
    ("kind", "state", "colour"),
    [
        ("negative", "open", "attention"),
        ("silence", "growing", "warning"),
        ("volume", "open", "accent"),
        ("negative", "closed", "good"),
    ],
)
def test_teams_colours_the_title_by_severity(kind: str, state: str, colour: str) -> None:
    card = _document("teams", spike(1, state, kind=kind))["attachments"][0]["content"]
    (title,) = card["body"][0]["inlines"]
    assert title["color"] == colour


@given(st.text())
def test_escaped_text_has_no_markup(text: str) -> None:
    escaped = escape_slack(text)
    assert not set("<>") & set(escaped)
    assert escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text
