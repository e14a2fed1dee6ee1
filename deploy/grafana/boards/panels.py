"""The panel types of the dashboards, with consistent units, colours and thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)

NEGATIVE, NEUTRAL, POSITIVE = "#ff6b5e", "#8b949e", "#3fb68b"
CALM, WARNING, ALARM = "#3fb68b", "#e3b341", "#ff6b5e"
USUAL = "#58a6ff"

PER_MINUTE = "suffix: posts/min"
PER_SECOND = "suffix: /s"
SHARE = "percentunit"

Steps = Sequence[tuple[float | None, str]]
Target = Builder[Dataquery]
AnyPanel = Builder[models.Panel]


class _Panel(Protocol):
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def with_target(self, target: Target) -> Self: ...
    def height(self, h: int) -> Self: ...
    def span(self, w: int) -> Self: ...
    def thresholds(self, thresholds: Builder[models.ThresholdsConfig]) -> Self: ...
    def links(self, links: list[Builder[models.DashboardLink]]) -> Self: ...


PanelT = TypeVar("PanelT", bound=_Panel)


def above(warning: float, alarm: float) -> Steps:
    """Return thresholds that warn from the first value and alarm from the second."""
    return ((None, CALM), (warning, WARNING), (alarm, ALARM))


def headline(
    title: str,
    why: str,
    unit: str,
    target: Target,
    source: DataSourceRef,
    *,
    steps: Steps = ((None, USUAL),),
    runbook: str = "",
    decimals: int | None = None,
    width: int = 4,
    none: str = "–",
) -> stat.Panel:
    """Build a panel with one large number, and its history behind it if there is one."""
    panel = (
        stat.Panel()
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(common_models.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .no_value(none)
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    return _with_common_options(panel, title, why, unit, [target], source, steps, runbook, width, 4)


def course(
    title: str,
    why: str,
    unit: str,
    targets: Sequence[Target],
    source: DataSourceRef,
    *,
    width: int = 8,
    height: int = 8,
    steps: Steps = ((None, USUAL),),
    lines: bool = False,
    runbook: str = "",
    stacked: bool = False,
    colours: Mapping[str, str] | None = None,
    band: tuple[str, str] | None = None,
    dashed: Sequence[str] = (),
    top: float | None = None,
) -> timeseries.Panel:
    """Build a panel of values over time.

    Args:
        lines: Whether to show the thresholds as lines.
        band: The two series that bound an interval.
    """
    panel = (
        timeseries.Panel()
        .min(0)
        .line_width(2)
        .fill_opacity(60 if stacked else 8)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )
    if top is not None:
        panel = panel.axis_soft_max(top)
    if stacked:
        panel = panel.draw_style(common_models.GraphDrawStyle.BARS).stacking(
            common.StackingConfig().mode(common_models.StackingMode.NORMAL)
        )
    if lines:
        panel = panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        )
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, [_value("color", {"mode": "fixed", "fixedColor": colour})])
    if band:
        low, high = band
        edge = [_value("custom.lineWidth", 0), _value("color", {"mode": "fixed", "fixedColor": NEGATIVE})]
        panel = panel.override_by_name(low, [*edge, _value("custom.fillOpacity", 0)])
        panel = panel.override_by_name(
            high, [*edge, _value("custom.fillBelowTo", low), _value("custom.fillOpacity", 20)]
        )
    for name in dashed:
        panel = panel.override_by_name(
            name,
            [
                _value("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
                _value("custom.fillOpacity", 0),
                _value("color", {"mode": "fixed", "fixedColor": USUAL}),
            ],
        )
    return _with_common_options(panel, title, why, unit, targets, source, steps, runbook, width, height)


def rows(
    title: str,
    why: str,
    target: Target,
    source: DataSourceRef,
    *,
    width: int = 12,
    height: int = 10,
    units: Mapping[str, str] | None = None,
    widths: Mapping[str, int] | None = None,
    gauges: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
    hidden: Sequence[str] = (),
    steps: Steps = ((None, USUAL),),
    runbook: str = "",
) -> table.Panel:
    """Build a table.

    Args:
        gauges: Columns of shares that are drawn as bars.
        links: The link address of each column that has one.
    """
    panel = (
        table.Panel()
        .cell_height(common_models.TableCellHeight.SM)
        .align(common_models.FieldTextAlignment.AUTO)
        .no_value("none")
    )
    for name, unit in (units or {}).items():
        panel = panel.override_by_name(name, [_value("unit", unit)])
    for name, pixels in (widths or {}).items():
        panel = panel.override_by_name(name, [_value("custom.width", pixels)])
    for name in gauges:
        cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        panel = panel.override_by_name(
            name, [_value("custom.cellOptions", cell), _value("min", 0), _value("max", 1), _value("unit", SHARE)]
        )
    for name, address in (links or {}).items():
        link = {"title": "open", "url": address, "targetBlank": True}
        panel = panel.override_by_name(name, [_value("links", [link])])
    for name in hidden:
        panel = panel.override_by_name(name, [_value("custom.hidden", True)])
    return _with_common_options(panel, title, why, "short", [target], source, steps, runbook, width, height)


def _with_common_options(
    panel: PanelT,
    title: str,
    why: str,
    unit: str,
    targets: Sequence[Target],
    source: DataSourceRef,
    steps: Steps,
    runbook: str,
    width: int,
    height: int,
) -> PanelT:
    panel = panel.title(title).description(why).datasource(source).unit(unit).span(width).height(height)
    panel = panel.thresholds(
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=colour) for value, colour in steps])
    )
    for target in targets:
        panel = panel.with_target(target)
    if runbook:
        panel = panel.links([_runbook(runbook)])
    return panel


def _runbook(name: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(f"What to do: {name}")
        .type(models.DashboardLinkType.LINK)
        .url(f"${{guide}}/docs/runbooks/{name}.md")
        .target_blank(True)
    )


def _value(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=name, value=value)
