from __future__ import annotations

from typing import Any

from deploy.grafana.boards.panels import (
    ALARM,
    CALM,
    NEGATIVE,
    PER_MINUTE,
    SHARE,
    USUAL,
    WARNING,
    above,
    course,
    headline,
    rows,
)
from deploy.grafana.boards.queries import POSTGRES, PROMETHEUS, prom, sql
from tests.helpers.grafana import drawn


def overrides(panel: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is set for each series or column, by its name."""
    return {
        each["matcher"]["options"]: {part["id"]: part["value"] for part in each["properties"]}
        for each in panel["fieldConfig"]["overrides"]
    }


def test_thresholds_warn_and_alarm() -> None:
    assert above(0.35, 0.5) == ((None, CALM), (0.35, WARNING), (0.5, ALARM))


def test_a_headline_is_one_large_number_with_its_thresholds_and_its_runbook() -> None:
    panel = drawn(
        headline(
            "Negative",
            "Why.",
            SHARE,
            prom("up"),
            PROMETHEUS,
            steps=above(0.35, 0.5),
            runbook="NegativeShareHigh",
            decimals=1,
        )
    )
    defaults = panel["fieldConfig"]["defaults"]
    assert (panel["type"], panel["title"], panel["description"]) == ("stat", "Negative", "Why.")
    assert (panel["gridPos"]["w"], panel["gridPos"]["h"]) == (4, 4)
    assert (defaults["unit"], defaults["decimals"], defaults["noValue"]) == (SHARE, 1, "–")
    assert [(step["value"], step["color"]) for step in defaults["thresholds"]["steps"]] == [
        (None, CALM), (0.35, WARNING), (0.5, ALARM),
    ]  # fmt: skip
    assert panel["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]
    [link] = panel["links"]
    assert link["url"] == "${guide}/docs/runbooks/NegativeShareHigh.md"
    assert link["targetBlank"] is True
    assert [target["expr"] for target in panel["targets"]] == ["up"]


def test_a_headline_links_to_nothing_by_default() -> None:
    panel = drawn(headline("Posts", "Why.", PER_MINUTE, prom("up"), PROMETHEUS))
    assert not panel.get("links")
    assert "decimals" not in panel["fieldConfig"]["defaults"]


def test_a_course_has_a_band_a_dashed_line_and_colours() -> None:
    panel = drawn(
        course(
            "Share",
            "Why.",
            SHARE,
            [prom("a", "negative"), prom("b", "usual", ref="B")],
            PROMETHEUS,
            colours={"negative": NEGATIVE},
            band=("low", "high"),
            dashed=("usual",),
            lines=True,
            top=1.0,
        )
    )
    found = overrides(panel)
    assert found["negative"] == {"color": {"mode": "fixed", "fixedColor": NEGATIVE}}
    assert (found["low"]["custom.fillOpacity"], found["high"]["custom.fillBelowTo"]) == (0, "low")
    assert found["usual"]["custom.lineStyle"] == {"fill": "dash", "dash": [8, 8]}
    assert found["usual"]["color"]["fixedColor"] == USUAL
    custom = panel["fieldConfig"]["defaults"]["custom"]
    assert custom["thresholdsStyle"] == {"mode": "dashed"}
    assert (custom["axisSoftMax"], custom["fillOpacity"]) == (1, 8)
    assert "stacking" not in custom
    assert [target["refId"] for target in panel["targets"]] == ["A", "B"]


def test_a_stacked_course_has_bars() -> None:
    custom = drawn(course("Volume", "Why.", PER_MINUTE, [prom("a")], PROMETHEUS, stacked=True))["fieldConfig"][
        "defaults"
    ]["custom"]
    assert (custom["drawStyle"], custom["stacking"]["mode"], custom["fillOpacity"]) == ("bars", "normal", 60)
    assert "thresholdsStyle" not in custom


def test_a_table_has_gauges_links_and_hidden_columns() -> None:
    panel = drawn(
        rows(
            "Posts",
            "Why.",
            sql("select 1"),
            POSTGRES,
            units={"posts": "short"},
            widths={"time": 160},
            gauges=["share"],
            links={"url": "${__value.raw}"},
            hidden=["id"],
        )
    )
    found = overrides(panel)
    assert found["posts"] == {"unit": "short"}
    assert found["time"] == {"custom.width": 160}
    assert found["share"] == {
        "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        "min": 0,
        "max": 1,
        "unit": SHARE,
    }
    assert found["url"] == {"links": [{"title": "open", "url": "${__value.raw}", "targetBlank": True}]}
    assert found["id"] == {"custom.hidden": True}
    assert (panel["type"], panel["fieldConfig"]["defaults"]["noValue"]) == ("table", "none")
    assert (panel["gridPos"]["w"], panel["gridPos"]["h"]) == (12, 10)
