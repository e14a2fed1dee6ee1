"""Messages are read from the lake as they were written."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contracts import Deletion, Post, encode
from streams.errors import BadInput
from streams.sample_day import sample_day
from streams.sinks.base import Row
from streams.sinks.lake.compact import compact
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.posts import read_messages
from tests.helpers.generated import generated
from tests.helpers.lake import write
from tests.helpers.rows import START, enriched, row

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_TIMES = st.one_of(
    st.datetimes(datetime(2026, 6, 1, 22), datetime(2026, 6, 2, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.datetimes(timezones=st.just(UTC)),
)
_POSTS, _DELETIONS = (generated(kind, texts=_TEXT, times=_TIMES) for kind in (Post, Deletion))


def _rows(messages: list[Post | Deletion]) -> list[Row]:
    return [
        row(offset, one if isinstance(one, Deletion) else msgspec.structs.replace(enriched("a"), post=one))
        for offset, one in enumerate(messages)
    ]


def _time(message: Post | Deletion) -> datetime:
    return message.created_at if isinstance(message, Post) else message.deleted_at


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(_POSTS, _DELETIONS), min_size=1, max_size=12))
def test_all_fields_of_all_messages_are_read_back_in_order_of_event_time(
    tmp_path_factory: pytest.TempPathFactory, messages: list[Post | Deletion]
) -> None:
    lake = tmp_path_factory.mktemp("lake")
    asyncio.run(write(lake, _rows(messages)))
    read = list(read_messages(lake, "live"))
    assert sorted(map(encode, read)) == sorted(map(encode, messages))
    assert list(map(_time, read)) == sorted(map(_time, messages))
    with pytest.raises(BadInput, match="there is no run 'another' in the lake"):
        read_messages(lake, "another")


async def test_edits_follow_the_post_and_duplicate_rows_appear_once(tmp_path: Path) -> None:
    first = enriched("a").post
    edits = [msgspec.structs.replace(first, edited_at=START + timedelta(minutes=n), text=f"edit {n}") for n in (2, 1)]
    await write(tmp_path, _rows([*edits, first]))
    (file,) = tmp_path.rglob("*.parquet")
    file.with_name(file.name.replace(".parquet", ".1.parquet")).write_bytes(file.read_bytes())
    assert [post.text for post in read_messages(tmp_path, "live") if isinstance(post, Post)] == [
        "hello",
        "edit 1",
        "edit 2",
    ]


async def test_a_day_is_read_back_from_a_lake_of_a_seventh_of_its_size(tmp_path: Path) -> None:
    day: list[Any] = sample_day()
    await write(tmp_path, _rows(day))
    assert sorted(map(encode, read_messages(tmp_path, "live"))) == sorted(map(encode, day))
    list(compact(LocalStorage(tmp_path), run=None, before=START + timedelta(days=3), execute=True))
    lake = sum(file.stat().st_size for file in tmp_path.rglob("*.parquet"))
    jsonl = sum(len(encode(one.message)) + 1 for one in _rows(day))
    assert lake < jsonl / 7
