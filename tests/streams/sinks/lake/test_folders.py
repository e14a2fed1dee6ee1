"""Lakes with times of any century, odd names and foreign files can be written, read and maintained."""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from streams.contracts import Deletion, EnrichedPost, Post
from streams.errors import BadInput, SettingsError
from streams.settings import LakeSettings, Settings
from streams.sinks.base import Erasure, Forgotten, PostKey
from streams.sinks.lake.compact import compact
from streams.sinks.lake.files import every_file, runs_of
from streams.sinks.lake.folders import POSTS
from streams.sinks.lake.opening import open_storage
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.lake.posts import read_messages
from streams.sinks.lake.prune import prune
from streams.sinks.lake.query import ask
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke
from tests.helpers.lake import expected_rows, view_rows
from tests.helpers.s3 import Bucket, local_bucket
from tests.streams.sinks.lake.test_parquet import START, enriched, row, squeeze, stored, write

SOON = datetime(2026, 6, 21, tzinfo=UTC)
DAY = START.date()


def at(time: datetime, post_id: str, collected_at: datetime | None = None) -> EnrichedPost:
    message = enriched(post_id)
    post = msgspec.structs.replace(message.post, created_at=time, collected_at=collected_at)
    return msgspec.structs.replace(message, post=post)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with local_bucket() as bucket:
        yield bucket


@pytest.fixture(params=["folder", "S3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "folder":
        return tmp_path
    server: Bucket = request.getfixturevalue("bucket")
    own = Bucket(server.port, f"folders-{uuid.uuid4().hex}")
    own.make()
    return own.address()


EXTREMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(999, 12, 31, 23, 59, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    START - timedelta(days=800),
    START - timedelta(days=30),
    START,
    datetime(2099, 12, 31, 23, tzinfo=UTC),
    datetime(2100, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@pytest.mark.parametrize("is_young", [False, True])
async def test_times_of_any_year_are_stored_queried_compacted_replayed_and_pruned(
    lake: Path | str, is_young: bool
) -> None:
    messages: list[EnrichedPost | Deletion] = [
        at(time, f"p{number}", time if is_young else None) for number, time in enumerate(EXTREMES)
    ]
    messages += [Deletion(source="test", id=f"q{number}", deleted_at=time) for number, time in enumerate(EXTREMES)]
    rows = [row(offset, message) for offset, message in enumerate(messages)]
    assert await write(lake, rows[::2]) == len(rows[::2])
    assert await write(lake, rows) == len(rows[1::2]), "stored rows are found in their folders"
    storage = open_storage(lake)
    for _ in range(2):
        assert view_rows(lake) == expected_rows(messages)
        dates = list(ask(lake, "select id, date, hour from posts order by id").rows)
        assert dates == [(f"p{number}", time.date(), f"{time:%H}") for number, time in enumerate(EXTREMES)]
        times = [
            message.created_at if isinstance(message, Post) else message.deleted_at
            for message in read_messages(lake, "live")
        ]
        assert times == sorted([*EXTREMES, *EXTREMES])
        list(compact(storage, run=None, before=SOON, execute=True))
    plan = list(prune(storage, days=10, today=DAY))
    assert [folder for folder in plan if folder.bytes < 0] == []
    assert list(prune(storage, days=10, today=DAY, execute=True)) == plan
    young = [time for time in EXTREMES if time >= START - timedelta(days=10)]
    assert list(ask(lake, "select created_at from posts order by 1").rows) == [(time,) for time in young]
    assert list(prune(storage, days=10, today=DAY)) == []


async def test_posts_of_several_centuries_make_few_files(tmp_path: Path) -> None:
    dice = random.Random(1)
    first, hours = datetime(1800, 1, 1, tzinfo=UTC), 226 * 8_766
    rows = [row(number, at(first + timedelta(hours=dice.randrange(hours)), f"p{number}")) for number in range(6_000)]
    await write(tmp_path, rows)
    assert len(list(tmp_path.rglob("*.parquet"))) < 60
    assert list(ask(tmp_path, "select count(*) from posts").rows) == [(6_000,)]


async def test_a_folder_of_a_longer_period_loses_only_its_old_posts(tmp_path: Path) -> None:
    now = START + timedelta(days=60)  # both posts are from June and were collected in August
    await write(tmp_path, [row(0, at(START, "old", now)), row(1, at(START + timedelta(days=5), "young", now))])
    storage = open_storage(tmp_path)
    (plan,) = prune(storage, days=3, today=DAY + timedelta(days=4))
    assert (plan.folder, plan.files) == ("posts/run=live/date=2026-06-01/hour=month", 1)
    assert stored(tmp_path) == [(0, 0, "old"), (0, 1, "young")], "a plan changes nothing"
    assert list(prune(storage, days=3, today=DAY + timedelta(days=4), execute=True)) == [plan]
    assert stored(tmp_path) == [(0, 1, "young")]
    assert list(prune(storage, days=3, today=DAY + timedelta(days=4))) == []


async def test_a_folder_of_a_longer_period_is_compacted_into_files_that_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.sinks.lake.compact._MAX_FILE_ROWS", 10)
    for offset in range(0, 24, 4):
        await write(tmp_path, [row(n, at(START - timedelta(days=30), f"p{n}")) for n in range(offset, offset + 4)])
    (done,) = squeeze(tmp_path)
    assert (done.files, done.files_after, done.rows_after) == (6, 3, 24)
    assert squeeze(tmp_path) == []
    assert [offset for _, offset, _ in stored(tmp_path)] == list(range(24))


def litter(lake: Path) -> None:
    """Add files as people, tools and file systems leave them."""
    hour = next(lake.rglob("hour=*"))
    for folder in ("lost+found", "posts/.Trash", "posts/run=live/notes", "posts/run=LIVE/date=x/hour=y", "posts/x=y"):
        (lake / folder).mkdir(parents=True)
        (lake / folder / "a.parquet").write_text("no Parquet")
        (lake / folder / next(hour.iterdir()).name).write_text("no Parquet")
    for name in ("date=1-01-01", "date=2026-13-01", "date=2026-06-20/hour=25", "date=1999-01-01/hour=03"):
        place = lake / "posts/run=live" / name
        place.mkdir(parents=True)
        (place / "posts.enriched-0-000000000000-000000000000.parquet").write_text("no Parquet")
    for place in (lake, lake / POSTS, hour):
        (place / "_SUCCESS").touch()
        (place / ".DS_Store").write_bytes(b"\0")
        (place / "notes.parquet").write_text("no Parquet")
    for kind in ("forgotten", "spikes/run=live/date=2026-06-20"):
        (lake / kind).mkdir(parents=True)
        (lake / kind / "mine.parquet").write_text("no Parquet")
    dangling = "posts.enriched-0-000000000000-000000000009.parquet"
    (hour / dangling).symlink_to(lake / "nowhere.parquet")
    (hour / "posts.enriched-0-000000000001-000000000009.parquet").mkdir()
    os.mkfifo(hour / "posts.enriched-0-000000000002-000000000009.parquet")
    (lake / "gone.part").symlink_to(lake / "nowhere.part")


@pytest.mark.timeout(60)
async def test_foreign_files_are_neither_read_nor_removed(tmp_path: Path) -> None:
    lake = tmp_path
    await write(lake, [row(0, enriched("a"))])
    litter(lake)
    theirs = lake / "posts" / "report.part"
    ours = next(lake.rglob("hour=*")) / f".{'0' * 32}.part"
    for left in (theirs, ours):
        left.write_text("half")
        os.utime(left, (0, 0))
    foreign = {path for path in lake.rglob("*") if path != ours and path.name[:19] != "posts.enriched-0-00"}
    await write(lake, [row(1, enriched("b")), row(2, Deletion(source="test", id="x", deleted_at=START))])
    assert not ours.exists()
    assert theirs.exists()
    assert {key[1] for key in view_rows(lake)} == {"a", "b"}
    assert list(ask(lake, "select count(*) from spikes").rows) == [(0,)]
    assert runs_of(open_storage(lake)) == ["live"]
    squeeze(lake)
    assert len(list(read_messages(lake, "live"))) == 3
    sink = ParquetSink(LakeSettings(path=lake))
    assert await sink.forget(Erasure(posts=frozenset({PostKey("test", "a")}))) == Forgotten([PostKey("test", "a")], [])
    assert await sink.runs() == {"live": 1}
    list(prune(open_storage(lake), days=1, today=DAY + timedelta(days=1), execute=True))
    assert {key[1] for key in view_rows(lake)} == {"b"}
    assert {path for path in foreign if not os.path.lexists(path)} == set()


async def test_foreign_objects_in_a_bucket_are_left_alone(bucket: Bucket) -> None:
    own = Bucket(bucket.port, "strange-objects")
    own.make()
    lake = own.address()
    await write(lake, [row(0, enriched("a"))])
    storage = open_storage(lake)
    for name in ("posts/run=live/date=1-01-01/hour=00/x-0-0-0.parquet", "posts/a.parquet", "spikes/b.parquet"):
        with storage.filesystem.open_output_stream(storage.full(name)) as stream:
            stream.write(b"no Parquet")
    assert {key[1] for key in view_rows(lake)} == {"a"}
    list(compact(storage, run=None, before=SOON, execute=True))
    list(prune(storage, days=1, today=DAY, execute=True))
    assert len(every_file(storage)) == 1
    assert len([key for key in own.objects() if key.endswith(".parquet")]) == 4


@pytest.mark.parametrize("name", ["lake[1]", "lake?", "lake*", "id=7", "run=backup/hour=99", "we'ird \\ lake"])
async def test_the_name_of_the_folder_means_nothing(tmp_path: Path, name: str) -> None:
    for sibling in ("lake1", "lakes"):
        await write(tmp_path / sibling, [row(0, enriched("of the sibling"))])
    lake = tmp_path / name
    await write(lake, [row(0, enriched("a")), row(1, at(START - timedelta(days=90), "b"))])
    found = list(ask(lake, "select id, run, hour, date from posts order by id").rows)
    assert found == [("a", "live", "09", DAY), ("b", "live", "09", DAY - timedelta(days=90))]
    assert view_rows(lake).keys() == {("test", "a"), ("test", "b")}


async def test_a_condition_on_the_folders_opens_no_other_files(tmp_path: Path) -> None:
    await write(tmp_path, [row(minutes, enriched(f"p{minutes}", minutes=minutes)) for minutes in range(0, 600, 30)])
    sql = "explain select count(*) from stored_posts where run = 'live' and hour = '09'"
    answer = ask(tmp_path, sql, unlocked=True)
    assert "Scanning Files: 1/11" in str(list(answer.rows)), "one of 11 hours: half of hour 09, and ten more"


READERS = [
    ("query", "select 1"),
    ("compare", "live", "again"),
    ("spikes", "--run", "live"),
    ("lake", "compact"),
    ("lake", "prune", "--days", "3"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return own_settings("127.0.0.1:1", tmp_path)


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("place", ["missing", "a file", "another folder"])
def test_a_wrong_folder_is_an_error(settings: Settings, command: tuple[str, ...], place: str) -> None:
    path = Path(settings.lake.path)
    if place == "a file":
        path.write_text("")
    elif place == "another folder":
        path.mkdir()
        (path / "Documents").mkdir()
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(SettingsError, match="TAGPULSE_LAKE__PATH: there is no lake in"):
        invoke(*command, settings=settings)
    assert sorted(path.parent.rglob("*")) == before, "no lake is created"


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("wrong", ["s3://lake/elsewhere?", "s3://no-such-bucket/tests?"])
def test_a_wrong_place_in_a_store_is_an_error(
    bucket: Bucket, tmp_path: Path, command: tuple[str, ...], wrong: str
) -> None:
    address = wrong + bucket.address().partition("?")[2]
    with pytest.raises(SettingsError, match="TAGPULSE_LAKE__PATH: there is no lake in"):
        invoke(*command, settings=own_settings("127.0.0.1:1", tmp_path, lake={"path": address}))


def test_forget_reports_a_wrong_place_for_each_sink(settings: Settings) -> None:
    for extra in ((), ("--execute",)):
        ended = invoke("forget", "--post", "test:a", *extra, settings=settings, code=1)
        assert "parquet: failed: TAGPULSE_LAKE__PATH: there is no lake in" in ended.output
    assert not Path(settings.lake.path).exists()


def test_a_lake_without_posts_is_not_an_error(lake: Path | str, tmp_path: Path) -> None:
    asyncio.run(write(lake, []))
    settings = own_settings("127.0.0.1:1", tmp_path, lake={"path": lake})
    for command in (READERS[0], *READERS[3:], ("forget", "--post", "test:a")):
        invoke(*command, settings=settings)
    for command in (("compare", "live", "again"), ("spikes", "--run", "live"), ("lake", "compact", "--run", "live")):
        with pytest.raises(BadInput):
            invoke(*command, settings=settings)
    with pytest.raises(BadInput, match="there is no run 'live' in the lake"):
        read_messages(lake, "live")


def test_a_wrong_run_is_an_error(settings: Settings) -> None:
    asyncio.run(write(settings.lake.path, [row(0, enriched("a"))]))
    for command in (("compare", "live", "agian"), ("lake", "compact", "--run", "agian")):
        with pytest.raises(BadInput, match=r"there is no run 'agian' in the lake.*available runs: live"):
            invoke(*command, settings=settings)
    with pytest.raises(BadInput, match="holds no posts of the run agian"):
        invoke("spikes", "--run", "agian", settings=settings)
