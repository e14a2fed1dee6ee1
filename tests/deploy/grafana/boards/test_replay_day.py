from __future__ import annotations

import pytest

from deploy.grafana.boards.panels import USUAL
from deploy.grafana.boards.replay_day import board
from tests.helpers.grafana import drawn, panels, variables_in

BOARD = drawn(board())
TARGETS = [(panel["title"], target["rawSql"]) for panel in panels(BOARD) for target in panel["targets"]]


def test_a_past_day_is_not_refreshed_and_needs_only_postgresql() -> None:
    assert (BOARD["uid"], BOARD["time"]["from"], BOARD.get("refresh", "")) == ("tagpulse-replay-day", "now-24h", "")
    assert {panel["datasource"]["uid"] for panel in panels(BOARD)} == {"${postgres}"}


def test_each_run_has_the_same_headlines() -> None:
    titles = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "stat"]
    assert titles == [
        f"{what} of ${run}".replace("Negative of", "Negative in")
        for run in ("run", "against")
        for what in ("Posts", "Negative", "Spikes")
    ]
    queries = {title: query for title, query in TARGETS if title in titles}
    for what in ("Posts of", "Negative in", "Spikes of"):
        one, other = queries[f"{what} $run"], queries[f"{what} $against"]
        assert one.replace("${run:", "${against:") == other


@pytest.mark.parametrize(("title", "query"), TARGETS)
def test_every_query_selects_the_chosen_runs_hashtags_and_times(title: str, query: str) -> None:
    used = variables_in(query)
    assert used & {"run", "against"}, title
    assert used <= {"run", "against", "hashtag", "bucket"}, title
    assert "hashtag" in used, title
    assert "$__timeFilter(" in query or ("$__timeFrom()" in query and "$__timeTo()" in query), title


def test_comparisons_query_both_runs() -> None:
    both = {title for title, query in TARGETS if {"run", "against"} <= variables_in(query)}
    assert {"By language", "By topic", "By hashtag", "By source", "Posts that the two runs label differently"} <= both
    assert {"By emotion", "By act"} <= both
    queries = dict(TARGETS)
    for name in ("Emotions", "Acts"):
        assert queries[f"{name} of $run"].replace("${run:", "${against:") == queries[f"{name} of $against"]


def test_spikes_of_both_runs_are_marked_in_their_colours() -> None:
    marks = [mark for mark in BOARD["annotations"]["list"] if "target" in mark]
    assert [variables_in(mark["target"]["rawSql"]) for mark in marks] == [{"run"}, {"against"}]
    assert marks[1]["iconColor"] == USUAL != marks[0]["iconColor"]
