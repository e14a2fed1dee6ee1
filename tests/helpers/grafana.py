"""A stand-in for Grafana, which fills in the variables of a dashboard and queries its data sources, and a Prometheus."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pytest
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from streams.processes.broker import HOST, free_port
from tests.helpers.brokers import ROOT
from tests.helpers.processes import wait_until

BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))

Values = Mapping[str, Sequence[str]]

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)")
_MACROS = re.compile(r"\$__\w+")
_LABEL_VALUES = re.compile(r"label_values\((?P<metric>.*), (?P<label>\w+)\)")


def load(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return board


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard without its rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def drawn(panel: Builder[Any]) -> dict[str, Any]:
    """Return a panel, a variable or an annotation as it appears in the file of its dashboard."""
    found: dict[str, Any] = json.loads(JSONEncoder().encode(panel.build()))
    return found


def variables_in(text: str) -> set[str]:
    """Return the names of the variables in a text, except Grafana's own."""
    found = {braced or plain for braced, _, plain in _VARIABLE.findall(text)}
    return {name for name in found if not name.startswith("__")}


def fill_sql(sql: str, values: Values, since: datetime, until: datetime) -> str:
    """Return a query as Grafana sends it to PostgreSQL."""
    start, end = (f"'{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'" for at in (since, until))

    def value(match: re.Match[str]) -> str:
        name, style = match[1] or match[3], match[2]
        if style == "sqlstring":
            return ",".join("'" + one.replace("'", "''") + "'" for one in values[name])
        assert style is None
        return ",".join(values[name])

    sql = _VARIABLE.sub(value, sql)
    sql = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN {start} AND {end}", sql)
    sql = sql.replace("$__timeFrom()", start).replace("$__timeTo()", end)
    assert not _MACROS.search(sql), f"unknown macro: {sql}"
    return sql


def fill_promql(expression: str, values: Values, rate_interval: str) -> str:
    """Return an expression as Grafana sends it to Prometheus, with several values as a regular expression."""

    def value(match: re.Match[str]) -> str:
        several = values[match[1] or match[3]]
        if len(several) == 1:
            return several[0]
        return "(" + "|".join(re.escape(one).replace("\\", "\\\\") for one in several) + ")"

    expression = _VARIABLE.sub(value, expression.replace("$__rate_interval", rate_interval))
    assert not _MACROS.search(expression), f"unknown macro: {expression}"
    return expression


def program(name: str, package: str) -> str:
    """Return the path of a program. If it is not installed, fail in CI, which installs it, and skip the test elsewhere."""
    if path := shutil.which(name):
        return path
    reason = f"{name} is not installed (Debian: apt-get install {package})"
    if os.environ.get("CI") and shutil.which("apt-get"):
        pytest.fail(reason)
    pytest.skip(reason)


class SmallPrometheus:
    """A real Prometheus that scrapes ports of this machine once a second until the end of the `with` block."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        self._program = program("prometheus", "prometheus")
        self._folder = folder
        self._url = f"http://{HOST}:{(port := free_port())}"
        targets = json.dumps([f"{HOST}:{port}" for port in ports])
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            f"scrape_configs: [{{job_name: tagpulse, static_configs: [{{targets: {targets}}}]}}]\n"
        )
        self._arguments = (
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
        )

    def __enter__(self) -> Self:
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, *self._arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._is_ready, 30, "Prometheus answers")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=2):
                return True
        except OSError:
            return False

    def range_query(self, expression: str, since: float, step: float = 2.0) -> list[dict[str, Any]]:
        """Return the series of a range query from `since` (Unix time) to now."""
        parameters = {"query": expression, "start": since, "end": time.time(), "step": step}
        return list(self._ask("query_range", parameters)["result"])

    def instant_query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query."""
        return list(self._ask("query", {"query": expression})["result"])

    def label_values(self, query: str, since: float) -> list[str]:
        """Return the values that a variable `label_values(METRIC, LABEL)` offers."""
        match = _LABEL_VALUES.fullmatch(query)
        assert match, query
        found: list[str] = self._ask(f"label/{match['label']}/values", {"match[]": match["metric"], "start": since})
        return found

    def _ask(self, what: str, parameters: Mapping[str, Any]) -> Any:
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.read().decode()}: {parameters}") from None


def rows(dsn: str, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query and return the names of its columns and its rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return [column.name for column in cursor.description or ()], cursor.fetchall()
