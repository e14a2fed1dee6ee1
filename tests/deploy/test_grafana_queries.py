"""Runs every query of every dashboard against a real Prometheus and a real PostgreSQL with the data of a real run."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from deploy.grafana.boards.queries import as_html, shown, wilson_prom, wilson_sql
from models.artefact import open_artefact
from streams.contracts import SEVERAL, Deletion, EnrichedMessage, Sentiment, decode_spike
from streams.kafka import topics
from streams.processes.broker import Broker, free_port
from streams.sample_day import SPIKE, START, sample_day
from streams.settings import PostgresSettings, Settings
from streams.sinks.base import Row, opened
from streams.sinks.postgres import PostgresSink
from streams.up.sample import write_day
from tests.helpers.brokers import ROOT, own_settings
from tests.helpers.grafana import (
    BOARDS,
    SmallPrometheus,
    fill_promql,
    fill_sql,
    load,
    panels,
    rows,
)
from tests.helpers.postgres import PostgresServer
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import count, read_all
from tests.helpers.replayed import rows_of

pytestmark = pytest.mark.slow

EACH = 8
SPEED = 4_000
REPLAY = "again"
# the accelerated run needs windows of seconds instead of minutes
SHORT = {"window": "6s", "baseline": "20s"}
RATE_INTERVAL = "5s"

MODEL_HEADS = open_artefact().labels.columns
HEADLESS = "|".join(one for name, one in SEVERAL.items() if name not in MODEL_HEADS)
"""The labels that the model on disk does not give yet, as a pattern."""

QUERIES = [
    pytest.param(
        path.stem,
        panel["id"],
        target["refId"],
        id=f"{path.stem}: {panel['title']} {target['refId']}",
        marks=[
            pytest.mark.skipif(
                panel["title"] == "Accuracy to expect" and open_artefact().labels.sentiment_check is None,
                reason="the bundled model has no threshold",
            )
        ],
    )
    for path in BOARDS
    for panel in panels(load(path))
    for target in panel["targets"]
]


@dataclass
class Filled:
    """The filled data sources and the values of the dashboards' variables."""

    prometheus: SmallPrometheus
    reader: str
    """The DSN of a login that is only a member of tagpulse_reader."""
    since: float
    values: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def variables(self, board: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the values of the variables by name, queried once per dashboard; `All` is every value in the data."""
        if board["uid"] not in self.values:
            known = self.values[board["uid"]] = {}
            for variable in board["templating"]["list"]:
                known[variable["name"]] = self._value(variable, known)
        return self.values[board["uid"]]

    def _value(self, variable: Mapping[str, Any], known: dict[str, list[str]]) -> list[str]:
        name, current = variable["name"], variable["current"]["value"]
        if variable["type"] != "query":
            return [SHORT.get(name, current)]
        if variable["datasource"]["uid"] == "${prometheus}":
            query = fill_promql(variable["query"]["query"], known, RATE_INTERVAL)
            found = self.prometheus.label_values(query, self.since)
        else:
            found = [row[0] for row in self.ask(variable["query"], known)[1]]
        assert found, f"the variable {name} has no values"
        if variable.get("includeAll"):
            return found
        assert current in found
        return [REPLAY] if name == "against" else [current]

    def ask(self, sql: str, known: Mapping[str, list[str]]) -> tuple[list[str], list[tuple[Any, ...]]]:
        return rows(self.reader, fill_sql(sql, known, START - timedelta(hours=1), datetime.now(UTC)))


@pytest.fixture(scope="module")
def filled(
    embedded_broker: Broker, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    """Play a part of the sample day, with an unreadable line, through all stages."""
    folder = tmp_path_factory.mktemp("boards")
    dsn = postgres.new_database()
    day = folder / "day.jsonl"
    write_day(sample_day()[::EACH], day)
    lines = day.read_bytes().splitlines(keepends=True)
    lines.insert(len(lines) // 2, b'{"cut off\n')
    day.write_bytes(b"".join(lines))
    ports = [free_port() for _ in range(4)]
    with ExitStack() as stack:
        campaign = stack.enter_context(as_file(files("streams.sample_day") / "poltwt.toml"))
        settings = own_settings(
            embedded_broker.bootstrap_servers,
            folder,
            kafka={"session_timeout_seconds": 3.0, "heartbeat_seconds": 1.0},
            postgres={"dsn": dsn, "flush_seconds": 0.5},
        )
        settings = settings.model_copy(update={"campaign": campaign})
        topics.create(settings)
        prometheus = stack.enter_context(SmallPrometheus(folder, ports))
        since = time.time()

        def start(port: int, *arguments: str | Path) -> Tagpulse:
            env = {"TAGPULSE_METRICS__PORT": str(port)}
            return stack.enter_context(Tagpulse(*arguments, settings=settings, folder=folder, env=env))

        start(ports[0], "worker", "enrich")
        start(ports[1], "worker", "store", "--sink", "postgres")
        start(ports[3], "worker", "watch")
        wait_until(
            lambda: prometheus.instant_query('tagpulse_build_info{role="enrich"}'), 60, "the enrich worker is loaded"
        )
        produced = start(ports[2], "produce", "file", day, "--speed", str(SPEED))
        assert produced.wait(120) == 0
        _wait_until_stored(settings, dsn, len(lines))
        asyncio.run(_keep_another_run(settings, dsn))
        asyncio.run(_keep_spikes(dsn))
        yield Filled(prometheus, _reader(postgres, dsn), since)


def _wait_until_stored(settings: Settings, dsn: str, messages: int) -> None:
    def stored() -> bool:
        time.sleep(0.5)
        ((offsets,),) = rows(dsn, "select coalesce(sum(next_offset), 0) from stored_offsets where run = 'live'")[1]
        return int(offsets) + count(settings.kafka, settings.topics.dead) >= messages

    wait_until(stored, 120, "every post of the day is stored")


async def _keep_another_run(settings: Settings, dsn: str) -> None:
    """Store the same posts with the results of another model, which finds the neutral ones negative."""
    found = rows_of(read_all(settings.kafka, settings.topics.enriched))
    async with opened(PostgresSink(PostgresSettings(dsn=dsn), REPLAY)) as sink:
        await sink.write([Row(record, _darker(message)) for record, message in found])
        assert not (await sink.flush()).bad


def _darker(message: EnrichedMessage) -> EnrichedMessage:
    if isinstance(message, Deletion) or message.sentiment.label != "neutral":
        return message
    return msgspec.structs.replace(
        message, sentiment=Sentiment(label="negative", negative=0.6, neutral=0.3, positive=0.1)
    )


def _reader(server: PostgresServer, dsn: str) -> str:
    name = f"boards_{dsn.rpartition('_')[2]}"
    server.execute(f"create role {name} login in role tagpulse_reader")
    return dsn.replace("postgres@", f"{name}@")


async def _keep_spikes(dsn: str) -> None:
    """Store a spike of the day for both runs, and one that is open now."""
    example = decode_spike((ROOT / "tests" / "contracts" / "v1" / "spike_full.json").read_bytes())
    now = datetime.now(UTC)
    start, end = SPIKE
    past = msgspec.structs.replace(
        example, id="past", opened_at=start, known_at=start + timedelta(minutes=3), at=end, closed_at=end
    )
    open_now = msgspec.structs.replace(
        example, id="now", state="open", opened_at=now - timedelta(minutes=5), known_at=now, at=now, closed_at=None
    )
    for run, spikes in (("live", [past, open_now]), (REPLAY, [past])):
        async with opened(PostgresSink(PostgresSettings(dsn=dsn), run)) as sink:
            assert await sink.keep_spikes(spikes) == len(spikes)


@pytest.mark.parametrize(("stem", "number", "reference"), QUERIES)
def test_the_query_returns_data(filled: Filled, stem: str, number: int, reference: str) -> None:
    board = load(next(path for path in BOARDS if path.stem == stem))
    panel = next(panel for panel in panels(board) if panel["id"] == number)
    target = next(target for target in panel["targets"] if target["refId"] == reference)
    known = filled.variables(board)
    if HEADLESS and re.search(rf"(\b|_)({HEADLESS})(s?\b|_)", target.get("expr") or target["rawSql"]):
        if "rawSql" in target:
            filled.ask(target["rawSql"], known)
        pytest.skip("the bundled model has no such head")
    if "expr" in target:
        _has_data(filled, fill_promql(target["expr"], known, RATE_INTERVAL), bool(target.get("instant")))
        return
    columns, found = filled.ask(target["rawSql"], known)
    assert found, "no row"
    assert any(value is not None for value in found[0]), "nothing in the first row"
    if target["format"] == "time_series":
        assert columns[0] == "time"
        assert isinstance(found[0][0], datetime)
        assert isinstance(found[0][-1], int | float)
    for override in panel["fieldConfig"].get("overrides", ()):
        assert override["matcher"]["options"] in columns, "an override names a missing column"
    for row in found:
        share = dict(zip(columns, row, strict=True))
        if share.get("low") is not None and "high" in share:
            middle = share["share"] if "share" in share else share["negative"]
            assert 0 <= share["low"] <= middle + 1e-12
            assert middle - 1e-12 <= share["high"] <= 1


def _has_data(filled: Filled, expression: str, instant: bool) -> None:
    if instant:
        assert filled.prometheus.instant_query(expression), "no sample"
        return
    series = filled.prometheus.range_query(expression, filled.since)
    assert series, f"no series: {expression}"
    values = [float(value) for one in series for _, value in one["values"]]
    assert any(math.isfinite(value) for value in values), f"only NaN: {expression}"


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_the_annotations_have_their_explanations(filled: Filled, path: Path) -> None:
    board = load(path)
    known = filled.variables(board)
    marks = [mark for mark in board["annotations"].get("list", ()) if "target" in mark]
    assert len(marks) == {"live-mood": 1, "pipeline-health": 0, "replay-day": 2}[path.stem]
    for mark in marks:
        columns, found = filled.ask(mark["target"]["rawSql"], known)
        assert columns == ["time", "timeend", "text", "tags"]
        # the watch worker may have found another spike in the day
        kept = next(row for row in found if "It is about rex" in row[2])
        assert kept[:2] == SPIKE
        assert kept[3] == "negative,closed,poltwt"


CASES = [(0, 1), (0, 40), (1, 3), (9, 41), (62, 120), (120, 120)]


def _wilson(negative: int, posts: int) -> tuple[float, float]:
    share, z = negative / posts, 1.96
    middle = share + z * z / (2 * posts)
    spread = z * math.sqrt(share * (1 - share) / posts + z * z / (4 * posts * posts))
    return ((middle - spread) / (1 + z * z / posts), (middle + spread) / (1 + z * z / posts))


@pytest.mark.parametrize(("case", "side"), list(itertools.product(CASES, (0, 1))))
def test_the_intervals_are_wilson_intervals(filled: Filled, case: tuple[int, int], side: int) -> None:
    negative, posts = case
    name: Any = ("low", "high")[side]
    expected = pytest.approx(_wilson(negative, posts)[side], abs=1e-9)
    (answer,) = filled.prometheus.instant_query(wilson_prom(f"vector({negative})", f"vector({posts})", name))
    assert float(answer["value"][1]) == expected
    assert rows(filled.reader, f"select {wilson_sql(str(negative), str(posts), name)}")[1] == [(expected,)]


HOSTILE = "<script>alert(1)</script> {{7*7}} ${run} \u202eevil\u2066 \x1b[31m\na\u0301" + "\u0301" * 5_000 + "end"


def test_a_hostile_post_is_only_shown(filled: Filled) -> None:
    with psycopg.connect(filled.reader) as connection:
        cursor = connection.execute(f"select {shown('%(text)s')}, {as_html('%(text)s')}".encode(), {"text": HOSTILE})
        row = cursor.fetchone()
    assert row is not None
    cell, mark = row
    assert cell.startswith("<script>")  # a cell shows plain text
    assert "<" not in mark
    assert len(cell) <= 280
    assert not set(cell) & set("\u202e\u2066\x1b\n")
    assert cell.count("\u0301") == 3
    assert cell.endswith("end")


def test_values_of_variables_are_quoted() -> None:
    now = datetime.now(UTC)
    assert fill_sql("select ${x:sqlstring}", {"x": ["o'clock", "b"]}, now, now) == "select 'o''clock','b'"
