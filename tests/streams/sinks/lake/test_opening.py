"""Commands that only read a lake refuse a place that holds none, and create nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streams.errors import BadInput, SettingsError
from streams.settings import Settings
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.object_store import ObjectStorage
from streams.sinks.lake.opening import open_lake, open_storage
from streams.sinks.lake.posts import read_messages
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke
from tests.helpers.lake import write
from tests.helpers.rows import enriched, row
from tests.helpers.s3 import Bucket

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
    server: Bucket, tmp_path: Path, command: tuple[str, ...], wrong: str
) -> None:
    address = wrong + server.address().partition("?")[2]
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


def test_the_kind_of_storage_follows_from_the_place(tmp_path: Path) -> None:
    folder = open_storage(tmp_path / "new")
    assert isinstance(folder, LocalStorage)
    assert folder.path == tmp_path / "new"
    store = open_storage("s3://bucket/lake?region=us-east-1")
    assert isinstance(store, ObjectStorage)
    assert (store.place, store.full("posts")) == ("s3://bucket/lake", "bucket/lake/posts")
    with pytest.raises(SettingsError, match="TAGPULSE_LAKE__PATH"):
        open_storage("carrier-pigeon://lake")
    assert list(tmp_path.iterdir()) == [], "nothing is created"


def test_only_an_existing_lake_is_opened(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TAGPULSE_LAKE__PATH: there is no lake in"):
        open_lake(tmp_path / "new")
    assert isinstance(open_lake(tmp_path), LocalStorage), "an empty folder may become a lake"
