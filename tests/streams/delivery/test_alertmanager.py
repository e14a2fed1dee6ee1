from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from streams.contracts import SPIKE_KINDS, Spike
from streams.delivery.alertmanager import alert_of
from streams.delivery.notice import KINDS, notice_of
from streams.settings import AlertsSettings
from tests.helpers.spikes import OPENED_AT, TEXTS, assert_visible, hostile_spike, spike, strings

ALERTS = AlertsSettings(
    dashboard_url="https://grafana.example/d/mood?orgId=1", runbooks_url="https://guide.example/docs/runbooks/"
)
NOW = OPENED_AT + timedelta(hours=2)


def _alert(message: Spike, now: datetime = NOW, run: str = "live") -> dict[str, Any]:
    return alert_of(message, notice_of(message, run, ALERTS), run, now, 60.0)


@given(TEXTS)
def test_an_alert_with_any_text_is_visible(text: str) -> None:
    for part in strings(_alert(hostile_spike(text))):
        assert_visible(part)


def test_template_syntax_is_kept_literally() -> None:
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


def test_an_alert_from_the_future_does_not_end_before_it_starts() -> None:
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
def test_every_kind_has_its_own_name(kind: Any) -> None:
    alert = _alert(spike(kind=kind, share=None, rate=0.4))
    assert alert["labels"]["alertname"] == KINDS[kind].alert
    assert alert["annotations"]["runbook_url"].endswith(f"/{KINDS[kind].alert}.md")
    assert len({name.alert for name in KINDS.values()}) == len(SPIKE_KINDS)


def test_now_is_the_clock_of_the_machine() -> None:
    alert = _alert(spike(), datetime.now(UTC))
    assert datetime.fromisoformat(alert["endsAt"]).tzinfo is not None


def test_the_alert_of_a_replay_has_its_own_label() -> None:
    assert _alert(spike(), run="again")["labels"]["run"] == "again"


def test_a_test_is_marked_and_never_urgent() -> None:
    labels = alert_of(spike(), notice_of(spike(), "live", ALERTS), "live", NOW, 60.0, test=True)["labels"]
    assert (labels["test"], labels["severity"]) == ("true", "info")


def test_without_a_dashboard_nothing_links_to_one() -> None:
    alert = alert_of(spike(), notice_of(spike(), "live", AlertsSettings(dashboard_url=None)), "live", NOW, 60.0)
    assert "generatorURL" not in alert
    assert "dashboard" not in alert["annotations"]
    assert _alert(spike())["generatorURL"].startswith("https://grafana.example/")
