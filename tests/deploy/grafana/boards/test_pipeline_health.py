from __future__ import annotations

import re

import pytest

from deploy.grafana.boards.pipeline_health import board
from tests.helpers.grafana import drawn, panels

BOARD = drawn(board())
TARGETS = [(panel["title"], target["expr"]) for panel in panels(BOARD) for target in panel["targets"]]


def test_each_question_about_the_pipeline_has_a_row() -> None:
    assert (BOARD["uid"], BOARD["time"]["from"], BOARD["refresh"]) == ("tagpulse-pipeline-health", "now-1h", "15s")
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Now", "Rate", "Errors", "Duration", "Lag", "Watch", "Saturation"]
    kinds = [panel["type"] for panel in BOARD["panels"]]
    assert all(kinds[at + 1] != "row" for at, kind in enumerate(kinds[:-1]) if kind == "row"), "no row is empty"


def test_it_needs_nothing_but_prometheus() -> None:
    assert {panel["datasource"]["uid"] for panel in panels(BOARD)} == {"${prometheus}"}
    assert [variable["name"] for variable in BOARD["templating"]["list"]] == ["prometheus", "guide", "run", "worker"]


@pytest.mark.parametrize(("title", "query"), TARGETS)
def test_every_query_selects_the_chosen_run(title: str, query: str) -> None:
    for metric in re.findall(r"tagpulse_\w+(?:\{[^}]*\})?", query):
        assert 'run="$run"' in metric, metric


def test_durations_are_quantiles_of_all_processes() -> None:
    [row] = [at for at, panel in enumerate(BOARD["panels"]) if panel["title"] == "Duration"]
    for panel in BOARD["panels"][row + 1 : row + 4]:
        for target in panel["targets"]:
            assert re.match(r"histogram_quantile\(0\.\d+, sum by \(le", target["expr"]), target["expr"]


def test_panels_with_thresholds_have_a_runbook() -> None:
    for panel in panels(BOARD):
        if len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1:
            assert panel["links"], panel["title"]
