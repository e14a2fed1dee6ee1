"""The variables at the top of the dashboards, the links between dashboards, and the annotations for spikes."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana.boards.panels import ALARM
from deploy.grafana.boards.queries import POSTGRES, PROMETHEUS, as_html, shown, sql

_ALL = VariableOption(selected=True, text=["All"], value=["$__all"])


def new_board(uid: str, title: str, why: str, *, since: str, refresh: str) -> dashboard.Dashboard:
    """Create a dashboard with the options that all of them share."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(why)
        .tags(["tagpulse"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .timezone("browser")
        .time(since, "now")
        .refresh(refresh)
        .link(
            dashboard.DashboardLink("Dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["tagpulse"])
            .keep_time(True)
            .as_dropdown(False)
        )
        .link(
            dashboard.DashboardLink("Guide")
            .type(DashboardLinkType.LINK)
            .url("${guide}/docs/guide.md")
            .target_blank(True)
        )
    )


def source(name: str, kind: str, uid: str, label: str) -> dashboard.DatasourceVariable:
    """Create a hidden variable for a data source, set to the provisioned one."""
    return (
        dashboard.DatasourceVariable(name)
        .label(label)
        .type(kind)
        .current(VariableOption(selected=True, text=label, value=uid))
        .hide(VariableHide.HIDE_VARIABLE)
    )


def prometheus() -> dashboard.DatasourceVariable:
    return source("prometheus", "prometheus", "tagpulse-prometheus", "Prometheus")


def postgres() -> dashboard.DatasourceVariable:
    return source("postgres", "grafana-postgresql-datasource", "tagpulse-postgres", "PostgreSQL")


def guide() -> dashboard.TextBoxVariable:
    """Create the variable for the address of the runbooks, the same as the external label `guide` of Prometheus."""
    address = "https://tagpulse.example/guide"
    return (
        dashboard.TextBoxVariable("guide")
        .label("Guide")
        .description("Where your team reads the guide; the same as the external label `guide` of Prometheus")
        .default_value(address)
        .current(VariableOption(selected=True, text=address, value=address))
        .hide(VariableHide.HIDE_VARIABLE)
    )


def asked(
    name: str, label: str, query: str, source: DataSourceRef, *, several: bool = False, first: str = ""
) -> dashboard.QueryVariable:
    """Create a variable whose values come from a query.

    Args:
        several: Whether several values can be selected; all of them are by default.
        first: The value that is selected by default, unless `several`.
    """
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(source)
        .query({"query": query, "refId": f"variable-{name}"} if source is PROMETHEUS else query)
        .definition(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    if several:
        return variable.multi(True).include_all(True).current(_ALL)
    return variable.current(VariableOption(selected=True, text=first, value=first)) if first else variable


def chosen(name: str, label: str, values: Sequence[str], first: str, why: str) -> dashboard.CustomVariable:
    """Create a variable with a fixed list of values."""
    return (
        dashboard.CustomVariable(name)
        .label(label)
        .description(why)
        .values(",".join(values))
        .options([VariableOption(selected=value == first, text=value, value=value) for value in values])
        .current(VariableOption(selected=True, text=first, value=first))
    )


def spike_marks(name: str, runs: str, colour: str = ALARM) -> dashboard.AnnotationQuery:
    """Create the annotation that marks spikes on every graph, with their explanations.

    Args:
        runs: The variable that has the name of the run.
    """
    text = as_html(shown("coalesce(nullif(summary, ''), kind || ' spike of #' || hashtag)", 600))
    query = f"""
select
    opened_at as time,
    coalesce(closed_at, updated_at) as timeend,
    {text} as text,
    concat_ws(',', kind, state, {as_html("hashtag")}) as tags
from spikes
where run = ${{{runs}:sqlstring}}
and opened_at <= $__timeTo() and coalesce(closed_at, updated_at) >= $__timeFrom()
order by opened_at
"""
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(POSTGRES)
        .enable(True)
        .icon_color(colour)
        .target(sql(query, ref="Spikes"))
    )
