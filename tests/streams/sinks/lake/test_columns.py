"""Rows become tables, and each column is stored with the encoding that suits it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.sinks.columns import COLUMNS, Kind
from streams.sinks.lake.columns import (
    DELETION_SCHEMA,
    FORGOTTEN_SCHEMA,
    POST_SCHEMA,
    SPIKE_SCHEMA,
    schema_of,
    to_table,
)
from tests.helpers.lake import write
from tests.helpers.rows import START, deletion, enriched, full, row

TYPES = {
    Kind.TEXT: pa.string(),
    Kind.TEXTS: pa.list_(pa.string()),
    Kind.NUMBER: pa.float64(),
    Kind.NUMBERS: pa.list_(pa.float64()),
    Kind.SCORES: pa.map_(pa.string(), pa.float64()),
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.FLAG: pa.bool_(),
}


def test_each_folder_has_its_schema() -> None:
    folders = {
        "posts/run=live/date=2026-06-20/hour=09": POST_SCHEMA,
        "posts": POST_SCHEMA,
        "deletions/run=live": DELETION_SCHEMA,
        "forgotten": FORGOTTEN_SCHEMA,
        "spikes/run=live": SPIKE_SCHEMA,
    }
    for folder, schema in folders.items():
        assert schema_of(folder) is schema
    with pytest.raises(KeyError):
        schema_of("notes")


def test_the_type_of_a_column_follows_from_its_kind() -> None:
    assert POST_SCHEMA.names == [column.name for column in COLUMNS]
    assert POST_SCHEMA.types == [TYPES[column.kind] for column in COLUMNS]
    assert DELETION_SCHEMA.names == ["source", "id", "deleted_at", "kafka_partition", "kafka_offset"]


def test_posts_and_deletions_become_tables() -> None:
    posts = to_table([row(7, full("x\\y"), 2), row(8, enriched("plain"))], POST_SCHEMA)
    assert posts.schema == POST_SCHEMA
    whole, plain = posts.to_pylist()
    assert (whole["id"], whole["kafka_partition"], whole["kafka_offset"]) == ("x\\y", 2, 7)
    assert (whole["media"], whole["likes"]) == (["image", "video"], 2**63 - 1)
    assert (whole["topics"], whole["topic_scores"]) == (["sports", '"x"'], [1 / 3, 1e-300])
    assert whole["campaign_scores"] == [("police dogs", 0.75), ('"x"', 1e-300)]
    assert whole["author_created_at"] == datetime(1, 1, 1, tzinfo=UTC)
    assert (plain["topics"], plain["media"], plain["repost_of"], plain["edited_at"]) == ([], [], None, None)
    deletions = to_table([row(9, deletion("a"), 1)], DELETION_SCHEMA)
    assert deletions.to_pylist() == [
        {"source": "test", "id": "a", "deleted_at": START, "kafka_partition": 1, "kafka_offset": 9}
    ]
    assert len(to_table([], POST_SCHEMA)) == len(to_table([], DELETION_SCHEMA)) == 0


async def test_files_use_the_encoding_of_each_column(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, full("a")), row(1, deletion("b"))])
    found = {}
    for file in tmp_path.rglob("*.parquet"):
        group = pq.ParquetFile(file).metadata.row_group(0)
        for number in range(group.num_columns):
            column = group.column(number)
            found[file.relative_to(tmp_path).parts[0], column.path_in_schema] = set(column.encodings)
    wanted = {
        ("posts", "text"): "PLAIN",
        ("posts", "id"): "DELTA_BYTE_ARRAY",
        ("posts", "source"): "RLE_DICTIONARY",
        ("posts", "hashtags.list.element"): "RLE_DICTIONARY",
        ("posts", "topic_scores.list.element"): "BYTE_STREAM_SPLIT",
        ("posts", "campaign_scores.key_value.key"): "RLE_DICTIONARY",
        ("posts", "campaign_scores.key_value.value"): "BYTE_STREAM_SPLIT",
        ("posts", "negative"): "BYTE_STREAM_SPLIT",
        ("posts", "created_at"): "DELTA_BINARY_PACKED",
        ("posts", "enriched_at"): "RLE_DICTIONARY",
        ("posts", "likes"): "DELTA_BINARY_PACKED",
        ("deletions", "deleted_at"): "DELTA_BINARY_PACKED",
        ("deletions", "id"): "DELTA_BYTE_ARRAY",
    }
    assert {column: encoding in found[column] for column, encoding in wanted.items()} == dict.fromkeys(wanted, True)
