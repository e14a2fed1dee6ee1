from __future__ import annotations

import pytest

from deploy.grafana.boards.live_mood import board
from tests.helpers.grafana import drawn, panels, variables_in

BOARD = drawn(board())
TARGETS = [(panel["title"], target) for panel in panels(BOARD) for target in panel["targets"]]


def test_it_shows_the_last_hours_and_is_refreshed() -> None:
    assert (BOARD["uid"], BOARD["time"]["from"], BOARD["refresh"]) == ("tagpulse-live-mood", "now-3h", "15s")


def test_what_matters_most_comes_first() -> None:
    titles = [panel["title"] for panel in BOARD["panels"]]
    assert titles[:6] == [
        "Posts a minute", "Negative now", "Usual share", "Credibly above usual by", "Open spikes", "Questions",
    ]  # fmt: skip
    assert "Share of negative posts with its 95 % interval" in titles
    assert "Latest negative posts" in titles
    assert {"Emotions", "Acts", "By emotion", "By act", "Open questions, requests and complaints"} <= set(titles)


def test_one_run_is_chosen_and_several_of_everything_else() -> None:
    chosen = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert chosen["run"]["current"]["value"] == "live"
    for name in ("hashtag", "source", "language"):
        assert chosen[name]["multi"] is True
        assert 'run="$run"' in chosen[name]["query"]["query"]
    assert (chosen["window"]["current"]["value"], chosen["baseline"]["current"]["value"]) == ("10m", "6h")


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_query_selects_the_chosen_run(title: str, target: dict[str, str]) -> None:
    query = target.get("expr") or target["rawSql"]
    assert 'run="$run"' in query or "run = ${run:sqlstring}" in query
    assert "run" in variables_in(query)


def test_the_usual_share_is_measured_before_the_window() -> None:
    [usual] = [target["expr"] for title, target in TARGETS if title == "Usual share"]
    assert "[$baseline] offset $window" in usual
    [now] = [target["expr"] for title, target in TARGETS if title == "Negative now"]
    assert "[$window]" in now
    assert "offset" not in now


def test_spikes_are_marked() -> None:
    [marks] = [mark for mark in BOARD["annotations"]["list"] if "target" in mark]
    assert "${run:sqlstring}" in marks["target"]["rawSql"]
