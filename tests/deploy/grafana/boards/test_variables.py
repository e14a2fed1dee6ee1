from __future__ import annotations

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.boards.panels import ALARM, USUAL
from deploy.grafana.boards.queries import POSTGRES, PROMETHEUS
from deploy.grafana.boards.variables import asked, chosen, guide, new_board, postgres, prometheus, spike_marks
from tests.helpers.grafana import drawn, variables_in

HIDDEN = 2


def test_a_board_is_read_only_and_links_to_the_others_and_to_the_guide() -> None:
    board = drawn(new_board("uid", "Title", "Why.", since="now-3h", refresh="15s"))
    assert (board["uid"], board["title"], board["description"], board["tags"]) == ("uid", "Title", "Why.", ["tagpulse"])
    assert (board["editable"], board["refresh"], board["timezone"]) == (False, "15s", "browser")
    assert board["time"] == {"from": "now-3h", "to": "now"}
    others, book = board["links"]
    assert (others["type"], others["tags"], others["keepTime"]) == ("dashboards", ["tagpulse"], True)
    assert book["url"] == "${guide}/docs/guide.md"


def test_data_sources_are_hidden_and_set_to_the_provisioned_ones() -> None:
    for variable, kind, uid in (
        (prometheus(), "prometheus", "tagpulse-prometheus"),
        (postgres(), "grafana-postgresql-datasource", "tagpulse-postgres"),
    ):
        found = drawn(variable)
        assert (found["type"], found["query"], found["current"]["value"]) == ("datasource", kind, uid)
        assert found["hide"] == HIDDEN


def test_the_address_of_the_guide_can_be_changed() -> None:
    found = drawn(guide())
    assert (found["type"], found["query"], found["hide"]) == ("textbox", "https://tagpulse.example/guide", HIDDEN)


def test_values_are_queried_from_a_data_source() -> None:
    run = drawn(asked("run", "Run", "label_values(up, run)", PROMETHEUS, first="live"))
    assert run["query"] == {"query": "label_values(up, run)", "refId": "variable-run"}
    assert (run["current"]["value"], run.get("multi", False)) == ("live", False)
    tag = drawn(asked("tag", "Tag", "select 1", POSTGRES, several=True))
    assert (tag["query"], tag["multi"], tag["includeAll"], tag["current"]["value"]) == (
        "select 1",
        True,
        True,
        ["$__all"],
    )
    assert tag["datasource"] == json.loads(JSONEncoder().encode(POSTGRES))
    assert "value" not in drawn(asked("x", "X", "select 1", POSTGRES)).get("current", {})


def test_values_can_be_a_fixed_list() -> None:
    found = drawn(chosen("window", "Window", ("5m", "10m"), "10m", "Why"))
    assert (found["query"], found["current"]["value"], found["description"]) == ("5m,10m", "10m", "Why")
    assert [(option["value"], option["selected"]) for option in found["options"]] == [("5m", False), ("10m", True)]


def test_spikes_are_marked_with_escaped_text() -> None:
    marks = drawn(spike_marks("Spikes", "against", USUAL))
    assert (marks["name"], marks["enable"], marks["iconColor"]) == ("Spikes", True, USUAL)
    assert drawn(spike_marks("Spikes", "run"))["iconColor"] == ALARM
    query = marks["target"]["rawSql"]
    assert variables_in(query) == {"against"}
    assert "where run = ${against:sqlstring}" in query
    assert query.count("'&lt;'") == 2, "the text and the hashtag are escaped"
