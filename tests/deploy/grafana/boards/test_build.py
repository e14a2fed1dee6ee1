"""Tests of the committed dashboards: they match the code, have a valid layout, and every panel is fully described."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.boards.build import FOLDER, rendered
from streams.metrics import REGISTRY
from tests.helpers.brokers import ROOT
from tests.helpers.grafana import BOARDS, load, panels, variables_in

PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
RUNBOOKS = ROOT / "docs" / "runbooks"
WIDTH = 24


@pytest.fixture(params=BOARDS, ids=lambda path: path.stem)
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def variables(board: dict[str, Any]) -> set[str]:
    return {variable["name"] for variable in board["templating"]["list"]}


def test_the_files_match_the_code() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == rendered(), (
        "run `python -m deploy.grafana.boards`"
    )


def test_the_sdk_can_read_its_output(board: dict[str, Any]) -> None:
    register_default_plugins()
    read = Dashboard.from_json(board)
    assert [panel.title for panel in read.panels or []] == [panel["title"] for panel in board["panels"]]


def test_uids_and_titles_are_unique() -> None:
    for name in ("uid", "title"):
        values = [load(path)[name] for path in BOARDS]
        assert len(set(values)) == len(values) == 3


def test_panels_have_unique_ids_and_do_not_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    occupied: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= WIDTH, panel["title"]
        for cell in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        ):
            assert cell not in occupied, f"{panel['title']} overlaps {occupied[cell]}"
            occupied[cell] = panel["title"]


def test_the_grid_has_no_holes(board: dict[str, Any]) -> None:
    """The panels fill the whole width in every row, so that nothing moves when Grafana packs them."""
    heights: dict[int, int] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        for y in range(place["y"], place["y"] + place["h"]):
            heights[y] = heights.get(y, 0) + place["w"]
    assert set(heights.values()) == {WIDTH}
    assert sorted(heights) == list(range(len(heights)))


def test_a_number_is_readable_at_1280_pixels_and_on_a_wall(board: dict[str, Any]) -> None:
    narrowest = {"stat": 4, "timeseries": 6, "table": 8}
    for panel in panels(board):
        assert panel["gridPos"]["w"] >= narrowest[panel["type"]], panel["title"]
        assert panel["gridPos"]["h"] >= 4, panel["title"]
        assert len(panel["title"]) <= 60


def test_every_panel_has_a_description_a_unit_and_a_source(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    for panel in panels(board):
        title, defaults = panel["title"], panel["fieldConfig"]["defaults"]
        assert len(panel["description"]) > 20, title
        assert panel["description"].endswith("."), title
        assert defaults["unit"], title
        assert defaults["thresholds"]["steps"][0]["value"] is None, title
        values = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
        assert values == sorted(values), title
        assert panel["datasource"]["uid"] in ("${prometheus}", "${postgres}"), title
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references), title
        assert {json.dumps(target["datasource"]) for target in panel["targets"]} == {json.dumps(panel["datasource"])}
        titles.append(title)
    shown = [(panel["title"], panel["gridPos"]["y"]) for panel in panels(board)]
    assert len(set(shown)) == len(shown)


def test_the_variables_are_those_that_are_used(board: dict[str, Any]) -> None:
    known = variables(board)
    used = variables_in(json.dumps({name: value for name, value in board.items() if name != "templating"}))
    for variable in board["templating"]["list"]:
        asked = variables_in(json.dumps([variable.get("query"), variable.get("datasource")]))
        assert asked <= known, variable["name"]
        used |= asked
        assert variable["label"], variable["name"]
    assert used == known


def test_variables_come_after_those_they_depend_on(board: dict[str, Any]) -> None:
    before: set[str] = set()
    for variable in board["templating"]["list"]:
        assert variables_in(json.dumps([variable.get("query"), variable.get("datasource")])) <= before
        before.add(variable["name"])


def test_every_metric_exists(board: dict[str, Any]) -> None:
    kinds = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    exposed = {family.name + ending for family in REGISTRY.collect() for ending in kinds[family.type]}
    asked = {
        name
        for panel in panels(board)
        for target in panel["targets"]
        for name in re.findall(r"\btagpulse_\w+", target.get("expr", ""))
    }
    assert asked <= exposed


def test_every_runbook_exists(board: dict[str, Any]) -> None:
    linked = {
        link["url"].removeprefix("${guide}/docs/runbooks/")
        for panel in panels(board)
        for link in panel.get("links", ())
    }
    assert all(re.fullmatch(r"\w+\.md", name) for name in linked)
    if RUNBOOKS.is_dir():
        assert {name for name in linked if not (RUNBOOKS / name).is_file()} == set()


def test_no_table_cell_is_interpreted_as_markup(board: dict[str, Any]) -> None:
    text = json.dumps(board)
    for kind in ('"markdown"', '"type": "html"', '"mode": "html"', "sanitize"):
        assert kind not in text
    links = [
        link["url"]
        for panel in panels(board)
        for override in panel["fieldConfig"].get("overrides", ())
        for property_ in override["properties"]
        if property_["id"] == "links"
        for link in property_["value"]
    ]
    assert set(links) <= {"${__value.raw}"}


@pytest.mark.parametrize("path", sorted(PROVISIONING.rglob("*.yml")), ids=lambda path: path.parent.name)
def test_secrets_come_from_files_only(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["apiVersion"] == 1
    for line in text.splitlines():
        if line.strip().startswith("password:"):
            assert line.split(":", 1)[1].strip().startswith("$__file{/run/secrets/")


def test_the_dashboards_use_the_provisioned_data_sources() -> None:
    file = yaml.safe_load((PROVISIONING / "datasources" / "tagpulse.yml").read_text(encoding="utf-8"))
    provisioned = {source["uid"]: source["type"] for source in file["datasources"]}
    for path in BOARDS:
        for variable in load(path)["templating"]["list"]:
            if variable["type"] == "datasource":
                assert provisioned[variable["current"]["value"]] == variable["query"]
