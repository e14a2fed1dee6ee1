"""The lake in an object store: files are complete or absent, and errors say whether retrying can help."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

from streams.contracts import Deletion
from streams.doctor.checks import check_lake
from streams.errors import Refused, SettingsError, Unavailable
from streams.settings import LakeSettings
from streams.sinks.base import Erasure, Forgotten, PostKey
from streams.sinks.lake.compact import compact
from streams.sinks.lake.object_store import ObjectStorage
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.lake.prune import prune
from streams.sinks.lake.query import ask
from tests.helpers.lake import expected_rows, view_rows, write
from tests.helpers.line import Line
from tests.helpers.rows import START, enriched, row
from tests.helpers.s3 import Bucket


async def test_it_behaves_like_a_local_lake(bucket: Bucket) -> None:
    rows = [row(offset, enriched(f"p{offset % 4}", minutes=offset * 20, text=f"text {offset}")) for offset in range(9)]
    rows.append(row(9, Deletion(source="test", id="p1", deleted_at=START + timedelta(hours=5))))
    lake = bucket.address()
    assert await write(lake, rows[:6]) == 6
    assert await write(lake, rows) == 4, "rows that a crashed worker wrote are not written again"
    wanted = expected_rows(one.message for one in rows)
    assert view_rows(lake) == wanted
    done = list(compact(ObjectStorage(lake), run=None, before=START + timedelta(days=1), execute=True))
    assert sum(each.rows - each.rows_after for each in done) > 0
    assert view_rows(lake) == wanted
    assert await write(lake, rows) >= 0
    assert view_rows(lake) == wanted
    answer = ask(lake, "select sum(posts) from minutes")
    assert list(answer.rows) == [(None,)], "none of these posts has a hashtag"


async def test_forget_runs_and_prune(bucket: Bucket) -> None:
    lake = bucket.address()
    await write(lake, [row(0, enriched("a")), row(1, enriched("b"))])
    sink = ParquetSink(LakeSettings(path=lake))
    await sink.open()
    assert await sink.runs() == {"live": 2}
    assert await sink.forget(Erasure(posts=frozenset({PostKey("test", "a")}))) == Forgotten([PostKey("test", "a")], [])
    assert await sink.runs() == {"live": 1}
    assert len(list(prune(ObjectStorage(lake), days=1, today=START.date() + timedelta(days=9), execute=True))) == 1
    assert await sink.runs() == {}
    await write(lake, [row(5, enriched("c"))])
    assert await sink.drop_run("live") == 1
    assert [key for key in bucket.objects() if "forgotten" not in key] == []


def test_a_connection_lost_during_an_upload_leaves_nothing_visible(bucket: Bucket) -> None:
    line = Line(bucket.port)
    try:
        storage = ObjectStorage(bucket.address(line.port))
        content = pa.py_buffer(b"x" * 25_000_000)  # several parts
        for sent in (0, 1_000, 12_000_000, 24_900_000):
            line.cut_after(sent)
            with pytest.raises(Unavailable, match="cannot be written"):
                storage.write("posts/one.parquet", content)
            assert bucket.objects() == []
        assert line.cuts >= 4
        line.cut_after(None)
        storage.write("posts/one.parquet", content)
        assert storage.sizes(storage.files("posts")) == [25_000_000]
    finally:
        line.close()


def test_a_partly_uploaded_file_is_removed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = ObjectStorage(bucket.address())

    content = pa.py_buffer(b"x" * 10)

    class Claimed:
        size = 20

    real = storage.filesystem.open_output_stream

    class Stream:
        def __enter__(self) -> Stream:
            self._stream = real(storage.full("posts/one.parquet"))
            return self

        def write(self, _: object) -> None:
            self._stream.write(content)

        def __exit__(self, *_: object) -> None:
            self._stream.close()

    class FileSystem:
        def __getattr__(self, name: str) -> object:
            return (lambda _: Stream()) if name == "open_output_stream" else getattr(inner, name)

    inner = storage.filesystem
    monkeypatch.setattr(storage, "filesystem", FileSystem())
    with pytest.raises(Unavailable, match=r"only 10 of 20 bytes of posts/one\.parquet arrived"):
        storage.write("posts/one.parquet", Claimed())
    assert bucket.objects() == []


def test_an_outage_is_waited_for_and_a_wrong_address_is_not(bucket: Bucket) -> None:
    with pytest.raises(Refused, match="there is no bucket elsewhere: create it"):
        ObjectStorage(bucket.address().replace(bucket.name, "elsewhere")).prepare()
    away = ObjectStorage(bucket.address(1))
    with pytest.raises(Unavailable, match="TAGPULSE_LAKE__PATH"):
        away.prepare()
    with pytest.raises(Unavailable, match="TAGPULSE_LAKE__PATH"):
        away.files("")
    assert check_lake(LakeSettings(path=bucket.address(1))).status == "fail"
    assert check_lake(LakeSettings(path=bucket.address())).status == "ok"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("When uploading: AWS Error ACCESS_DENIED during PutObject operation: Access Denied", Refused),
        ("AWS Error UNKNOWN (HTTP status 403) during HeadBucket operation: No response body.", Refused),
        ("AWS Error INVALID_ACCESS_KEY_ID during PutObject operation", Refused),
        ("AWS Error NETWORK_CONNECTION during PutObject operation: curlCode: 28, Timeout was reached", Unavailable),
        ("AWS Error SLOW_DOWN during PutObject operation: Please reduce your request rate.", Unavailable),
        ("AWS Error INTERNAL_FAILURE during PutObject operation (HTTP status 500)", Unavailable),
        ("AWS Error NO_SUCH_KEY during GetObject operation: The specified key does not exist.", FileNotFoundError),
    ],
)
def test_errors_of_the_store_are_translated(text: str, error: type[Exception]) -> None:
    with pytest.raises(error), ObjectStorage("s3://bucket/lake?region=us-east-1").faults("written"):
        raise OSError(text)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("s3://key:secret@bucket/lake", "must not contain credentials"),
        ("s3://bucket/lake?colour=red", "unknown option colour"),
        ("s3:///lake", "the bucket is missing"),
        ("carrier-pigeon://lake", "carrier-pigeon"),
    ],
)
def test_a_wrong_address_is_a_wrong_setting(address: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        ObjectStorage(address)
    assert "secret" not in str(caught.value)
