"""The table of columns, the contract, both sinks and a replay from the lake agree on every field of a post."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from streams.contracts import EnrichedPost
from streams.sinks.base import Erasure, PostKey, Row, opened
from streams.sinks.columns import CLEARED, COLUMNS, Kind
from streams.sinks.lake.posts import read_messages
from streams.sinks.lake.query import ask
from tests.helpers.generated import fields_of, generated
from tests.helpers.rows import ODD, changed, enriched, full, row
from tests.helpers.stores import Store

RUNS = (f"run-{number}" for number in itertools.count())
KINDS: dict[type[inspect.Type], Kind] = {
    inspect.StrType: Kind.TEXT,
    inspect.LiteralType: Kind.TEXT,
    inspect.IntType: Kind.INT64,
    inspect.FloatType: Kind.NUMBER,
    inspect.DateTimeType: Kind.TIME,
    inspect.BoolType: Kind.FLAG,
    inspect.DictType: Kind.SCORES,
}
LISTS = {Kind.TEXT: Kind.TEXTS, Kind.NUMBER: Kind.NUMBERS}
# only a few months, because each has its own table in PostgreSQL
times = st.datetimes(datetime(2026, 6, 1), datetime(2026, 6, 30), timezones=st.just(UTC)) | st.sampled_from(ODD)  # noqa: DTZ001
posts = st.lists(
    generated(EnrichedPost, times=times),
    min_size=1,
    max_size=4,
    unique_by=lambda message: (message.post.source, message.post.id),
)


def kind_of(path: str, kind: inspect.Type) -> Kind:
    """Return the kind of column that fits a field of the contract."""
    match kind:
        case inspect.UnionType():
            (kind,) = (one for one in kind.types if not isinstance(one, inspect.NoneType))
            return kind_of(path, kind)
        case inspect.VarTupleType():
            return LISTS[kind_of(path, kind.item_type)]
        case _:
            return LISTS[KINDS[type(kind)]] if "[]" in path else KINDS[type(kind)]


def value_at(part: Any, path: str) -> Any:
    """Return the value at a path, as a sink shows it."""
    if not path:
        return list(part) if isinstance(part, tuple) else part
    name, _, rest = path.partition(".")
    if name.endswith("[]"):
        return [value_at(each, rest) for each in getattr(part, name[:-2])]
    return value_at(getattr(part, name), rest)


def shown(store: Store, run: str) -> dict[tuple[str, str], dict[str, Any]]:
    rows = store.select(f"select * from posts where run = '{run}'")
    return {(fields["source"], fields["id"]): fields for fields in rows}


def test_every_field_of_the_contract_has_one_column_of_its_kind() -> None:
    fields = dict(fields_of(inspect.type_info(EnrichedPost), "message"))
    columns = [column for column in COLUMNS if not column.path.startswith("record.")]
    assert sorted(column.path for column in columns) == sorted(fields)
    assert [column.kind for column in columns] == [kind_of(column.path, fields[column.path]) for column in columns]
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=posts)
def test_every_column_shows_the_value_of_its_field(store: Store, messages: list[EnrichedPost]) -> None:
    rows, run = [row(offset, message, offset % 2) for offset, message in enumerate(messages)], next(RUNS)
    assert not asyncio.run(store.write(rows, run)).bad
    assert shown(store, run) == {
        (message.post.source, message.post.id): {column.name: value_at(each, column.path) for column in COLUMNS}
        | {"run": run, "date": message.post.created_at.date(), "hour": f"{message.post.created_at:%H}"}
        for each, message in zip(rows, messages, strict=True)
    }
    if store.is_lake:
        assert sorted(read_messages(store.place, run), key=msgspec.json.encode) == sorted(
            (message.post for message in messages), key=msgspec.json.encode
        )


def test_the_lake_has_the_columns_in_the_order_of_the_table(tmp_path: Path) -> None:
    assert ask(tmp_path, "select * from posts").columns[: len(COLUMNS)] == [column.name for column in COLUMNS]


@pytest.mark.parametrize("is_known", [True, False])
async def test_clearing_a_repost_empties_the_right_columns(store: Store, is_known: bool) -> None:
    repost = changed(full("r"), repost_of="e")
    rows: list[Row] = [row(0, enriched("e")), row(1, repost), row(2, changed(repost, id="o", repost_of="x"))]
    await store.write(rows)
    before = shown(store, "live")
    wanted = Erasure(posts=frozenset([PostKey("test", "e")]), reposts="clear")
    if not is_known:  # the repost arrives after its original was forgotten
        async with opened(store.sink()) as sink:
            await sink.drop_run("live")
    async with opened(store.sink()) as sink:
        await sink.forget(wanted)
    if not is_known:
        await store.write(rows)
    empty = {column.name: "" if column.kind == Kind.TEXT else [] for column in CLEARED}
    assert shown(store, "live") == {
        ("test", "r"): before["test", "r"] | empty,
        ("test", "o"): before["test", "o"],
    }
