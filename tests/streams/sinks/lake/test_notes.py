"""Erasure records are read back and applied to rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sinks.base import PostKey
from streams.sinks.lake.columns import FORGOTTEN_SCHEMA, POST_SCHEMA
from streams.sinks.lake.files import write_table
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.notes import TEXT_COLUMNS, ErasureRecords, apply_erasures, keys_of, read_erasures
from tests.helpers.rows import START

Line = tuple[str, str | None, str | None, list[str] | None]
SCHEMA = pa.schema([POST_SCHEMA.field(name) for name in TEXT_COLUMNS])


def key(post_id: str) -> PostKey:
    return PostKey("test", post_id)


def table(*lines: Line) -> pa.Table:
    """Return rows of an id, the id of the original post, a text and media."""
    values = [
        {"source": "test", "id": post_id, "repost_of": original, "text": text, "media": media}
        for post_id, original, text, media in lines
    ]
    return pa.Table.from_pylist(values, schema=SCHEMA)


def lines(rows: pa.Table) -> list[Line]:
    return [(each["id"], each["repost_of"], each["text"], each["media"]) for each in rows.to_pylist()]


def test_an_erasure_reads_the_columns_it_needs() -> None:
    assert TEXT_COLUMNS == ("source", "id", "repost_of", "text", "media")


def test_keys_are_those_of_the_posts_or_of_their_originals() -> None:
    rows = table(("a", None, "t", []), ("b", "a", "t", []))
    assert keys_of(rows) == [key("a"), key("b")]
    assert keys_of(rows, "repost_of") == [PostKey("test", None), key("a")]  # type: ignore[arg-type]


def test_records_of_all_files_are_read(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert read_erasures(storage) == ErasureRecords()
    for number, records in enumerate([{"a": "all", "b": "post"}, {"c": "text", "a": "post", "d": "all"}]):
        values = [{"source": "test", "id": name, "forgotten_at": START, "what": what} for name, what in records.items()]
        content = pa.Table.from_pylist(values, schema=FORGOTTEN_SCHEMA)
        write_table(storage, f"forgotten/forgotten-{number:032x}.parquet", content)
    assert read_erasures(storage) == ErasureRecords(
        all=frozenset([key("a"), key("d")]), post=frozenset([key("b"), key("a")]), text=frozenset([key("c")])
    )


ROWS: list[Line] = [("a", None, "of a", ["image"]), ("b", "a", "of a", ["image"]), ("c", None, "of c", [])]


@pytest.mark.parametrize(
    ("notes", "removed", "left"),
    [
        (ErasureRecords(), frozenset("a"), ROWS[1:]),
        (ErasureRecords(all=frozenset([key("a")])), frozenset(), [ROWS[0], ROWS[2]]),
        (ErasureRecords(all=frozenset([key("a")])), frozenset("ac"), []),
        (ErasureRecords(post=frozenset([key("a")])), frozenset(), [ROWS[0], ("b", "a", "", []), ROWS[2]]),
        (ErasureRecords(text=frozenset([key("c")])), frozenset(), [*ROWS[:2], ("c", None, "", [])]),
        (ErasureRecords(text=frozenset([key("b")])), frozenset("a"), [("b", "a", "", []), ROWS[2]]),
    ],
)
def test_reposts_are_removed_or_lose_their_text(
    notes: ErasureRecords, removed: frozenset[str], left: list[Line]
) -> None:
    changed = apply_erasures(table(*ROWS), notes, frozenset(map(key, removed)))
    assert changed is not None
    assert changed.schema == SCHEMA
    assert lines(changed) == left
    assert apply_erasures(changed, notes, frozenset(map(key, removed))) is None, "nothing is left to do"


@pytest.mark.parametrize(
    ("text", "media", "changes"),
    [
        ("words", None, True),
        (None, ["image"], True),
        ("", ["image"], True),
        ("words", [], True),
        ("", [], False),
        ("", None, False),
        (None, None, False),
    ],
)
def test_a_column_that_an_earlier_version_did_not_write_hides_no_text(
    text: str | None, media: list[str] | None, changes: bool
) -> None:
    left = apply_erasures(table(("r", "a", text, media)), ErasureRecords(post=frozenset([key("a")])))
    assert (left is not None) == changes
    if left is not None:
        assert lines(left) == [("r", "a", "", [])]


IDS = st.sampled_from("abcd")
KEYS = st.frozensets(IDS.map(key))


@given(
    drawn=st.lists(
        st.tuples(IDS, st.none() | IDS, st.none() | st.sampled_from(["", "words"]), st.none() | st.just(["image"])),
        max_size=6,
    ),
    notes=st.builds(ErasureRecords, KEYS, KEYS, KEYS),
    removed=KEYS,
)
def test_rows_lose_forgotten_posts_and_nothing_else(
    drawn: list[Line], notes: ErasureRecords, removed: frozenset[PostKey]
) -> None:
    wanted = []
    for post_id, original, text, media in drawn:
        original_key = None if original is None else key(original)
        if key(post_id) in removed or original_key in notes.all:
            continue
        is_cleared = (key(post_id) in notes.text or original_key in notes.post) and (text or media)
        wanted.append((post_id, original, "", []) if is_cleared else (post_id, original, text, media))
    left = apply_erasures(table(*drawn), notes, removed)
    assert (lines(left) if left is not None else drawn) == wanted
