"""`tagpulse replay` and `tagpulse runs`, run as subprocesses."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from streams.contracts import Deletion, Post, RawMessage, decode_raw, encode
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings, for_run
from streams.sinks.lake.query import ask
from tests.conftest import SettingsFactory
from tests.helpers.posts import START, raw_posts
from tests.helpers.processes import Tagpulse, run_tagpulse
from tests.helpers.records import count, end_offsets, produce

POSTS = 400


def prepared(broker: Broker, settings_for: SettingsFactory) -> Settings:
    settings = settings_for(broker, model={"backend": "constant"}, lake={"flush_seconds": 0.5})
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, [*raw_posts(range(POSTS)), (b"bad", b"{"), (b"empty", None)])
    return settings


def replay(settings: Settings, name: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = run_tagpulse("replay", "--run", name, "--json", *arguments, settings=settings, timeout=120)
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_day_from_kafka_is_enriched_stored_and_accounted_for(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = prepared(broker, settings_for)
    live = {name: end_offsets(settings.kafka, name) for name in (settings.topics.raw,)}
    manifest = replay(settings, "again", "--from", "raw", "--manifest", str(tmp_path / "m.json"))
    assert (manifest["run"], manifest["read"], manifest["enriched"], manifest["dead"]) == ("again", 402, 400, 2)
    assert (manifest["model_version"], manifest["models"]) == ("1", ["constant 1"])
    assert manifest["reconciled"]
    assert manifest["hashtags"]["poltwt"] == {"read": 400, "enriched": 400, "dead": 0}
    assert sum(part["read"] for part in manifest["partitions"].values()) == 402
    assert all(name.startswith(f"{settings.topics.raw}[") for name in manifest["partitions"])
    assert json.loads((tmp_path / "m.json").read_text()) == manifest
    rows = list(ask(settings.lake.path, "select run, count(*) from posts group by 1").rows)
    assert rows == [("again", POSTS)]
    assert {name: end_offsets(settings.kafka, name) for name in live} == live
    assert count(settings.kafka, settings.topics.enriched) == 0, "a replay writes nothing to the live topic"

    assert replay(settings, "again", "--from", "raw") == manifest, "a finished run is not run again"
    other = run_tagpulse("replay", "--run", "again", "--from", "raw", "--source", "x", settings=settings)
    assert other.returncode == 65
    assert "started with other options (from=raw, sinks=" in other.stderr


def test_replays_of_the_same_day_agree_for_any_number_of_workers(
    embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = prepared(embedded_broker, settings_for)
    first = replay(settings, "first", "--from", "raw")
    other = settings.model_copy(update={"enrich": settings.enrich.model_copy(update={"batch_size": 7})})
    second = replay(other, "second", "--from", "raw", "--concurrency", "2")
    assert first["checksum"] == second["checksum"]
    columns = "source, id, created_at, text, language, sentiment, negative, kafka_partition, kafka_offset"
    kept = {
        name: sorted(ask(settings.lake.path, f"select {columns} from posts where run = '{name}'").rows)
        for name in ("first", "second")
    }
    assert len(kept["first"]) == POSTS
    assert kept["first"] == kept["second"]

    changed = prepared(embedded_broker, settings_for)
    produce(changed.kafka, changed.topics.raw, raw_posts([POSTS]))
    assert replay(changed, "third", "--from", "raw")["checksum"] != first["checksum"]


def test_a_day_from_the_lake_has_the_checksum_of_the_same_day_from_kafka(
    embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = prepared(embedded_broker, settings_for)
    posts = [decode_raw(value) for _, value in raw_posts(range(6))]
    edits = [msgspec.structs.replace(post, text="edited", edited_at=START + timedelta(hours=1)) for post in posts[:3]]
    deletions = [Deletion(source=post.source, id=post.id, deleted_at=START + timedelta(hours=2)) for post in posts[2:5]]
    produce(settings.kafka, settings.topics.raw, [(each.key, encode(each)) for each in (*edits, *posts, *deletions)])
    first = replay(settings, "first", "--from", "raw")
    before = replay(settings, "second", "--from", "lake", "--from-run", "first")
    compacted = run_tagpulse("lake", "compact", "--run", "first", "--older-than", "0h", "--execute", settings=settings)
    assert compacted.returncode == 0, compacted.stderr
    after = replay(settings, "third", "--from", "lake", "--from-run", "first")
    assert first["read"] > before["read"] > after["read"]
    assert first["checksum"] == before["checksum"] == after["checksum"]


def test_a_selection_of_a_file_is_planned_and_replayed(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker, model={"backend": "constant"}, lake={"flush_seconds": 0.5})
    day = tmp_path / "day.jsonl"
    day.write_bytes(b"\n".join(value or b"" for _, value in raw_posts(range(100))))
    choice = ("--from", str(day), "--since", "2026-06-20T09:00:10Z", "--until", "2026-06-20T09:00:20Z")
    plan = replay(settings, "planned", *choice, "--speed", "10", "--dry-run")
    assert (plan["chosen"], plan["parts"][0]["read"]) == (40, 100)
    assert 0.9 < plan["seconds"] < 1.1, "ten seconds of the day at ten times its speed"
    assert for_run(settings, "planned").topics.raw not in topics.names(settings.kafka)

    manifest = replay(settings, "planned", *choice, "--hashtag", "#PolTwt")
    assert (manifest["read"], manifest["enriched"]) == (40, 40)
    assert manifest["selection"]["hashtags"] == ["poltwt"]


def test_runs_are_listed_shown_and_dropped(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = prepared(embedded_broker, settings_for)
    replay(settings, "gone", "--from", "raw")
    replay(settings, "kept", "--from", "raw")
    listed = run_tagpulse("runs", "list", "--json", settings=settings).stdout.splitlines()
    runs = {each["name"]: each for each in map(json.loads, listed)}
    assert list(runs) == ["live", "gone", "kept"]
    assert (runs["gone"]["state"], runs["gone"]["posts"]) == ("done", {"parquet": POSTS})
    assert json.loads(run_tagpulse("runs", "show", "kept", settings=settings).stdout)["manifest"]["read"] == POSTS + 2

    planned = run_tagpulse("runs", "drop", "gone", settings=settings)
    assert f"{POSTS} posts in parquet" in planned.stdout
    assert for_run(settings, "gone").topics.raw in topics.names(settings.kafka), "only the plan was asked for"
    assert run_tagpulse("runs", "drop", "gone", "--execute", settings=settings).returncode == 0
    assert not {name for name in topics.names(settings.kafka) if name.endswith(".gone")}
    assert [row for (row,) in ask(settings.lake.path, "select distinct run from posts").rows] == ["kept"]
    assert run_tagpulse("runs", "show", "gone", settings=settings).returncode == 65
    assert run_tagpulse("runs", "drop", "live", "--execute", settings=settings).returncode == 65
    assert settings.topics.raw in topics.names(settings.kafka)


def test_a_worker_that_cannot_start_is_reported_with_its_log(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = prepared(embedded_broker, settings_for)
    wrong = {"TAGPULSE_MODEL__BACKEND": "auto", "TAGPULSE_MODEL__PATH": str(tmp_path / "no-model")}
    arguments = ("replay", "--run", "again", "--from", "raw")
    with Tagpulse(*arguments, settings=settings, folder=tmp_path, env=wrong) as process:
        assert process.wait(60) == 70
        assert "`tagpulse worker enrich" in process.stderr
        assert "no-model" in process.stderr
    assert replay(settings, "again", "--from", "raw")["read"] == POSTS + 2, "once fixed, the same command continues"


def test_wrong_usage_is_reported(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    for arguments, message in {
        ("--run", "live", "--from", "raw"): "--run live is the live day",
        ("--run", "a", "--from", "raw", "--since", "noon"): "not a recognised time: 'noon'",
        ("--run", "a", "--from", "raw", "--offsets", "1-2"): "PARTITION:FIRST-LAST",
        ("--run", "a", "--from", "day.jsonl", "--offsets", "0:1-2"): "--offsets needs --from raw",
    }.items():
        done = run_tagpulse("replay", *arguments, settings=settings)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
    other = run_tagpulse("replay", "--run", "a", "--from", "raw", settings=settings, env={"TAGPULSE_RUN": "b"})
    assert (other.returncode, "TAGPULSE_RUN=b is set" in other.stderr) == (2, True)
    assert run_tagpulse("replay", "--run", "No Name", "--from", "raw", settings=settings).returncode == 78
    assert run_tagpulse("replay", "--run", "a", "--from", "nowhere.jsonl", settings=settings).returncode == 65


def test_a_day_from_the_lake_goes_to_both_sinks_and_authors_are_forgotten_in_both(
    embedded_broker: Broker, settings_for: SettingsFactory, dsn: str, tmp_path: Path
) -> None:
    settings = settings_for(
        embedded_broker,
        model={"backend": "constant"},
        lake={"flush_seconds": 0.5},
        postgres={"dsn": dsn, "flush_seconds": 0.5},
    )
    day = tmp_path / "day.jsonl"
    posts = [
        Post(source="x", id=str(number), text=f"number {number}", created_at=START, author=f"author {number % 2}")
        for number in range(20)
    ]
    gone = Deletion(source="x", id="3", deleted_at=START + timedelta(hours=1))
    messages: list[RawMessage] = [*posts, gone]
    day.write_bytes(b"\n".join(map(encode, messages)))
    assert replay(settings, "first", "--from", str(day))["sinks"] == {"parquet": 19}
    both = ("--sink", "parquet", "--sink", "postgres")
    manifest = replay(settings, "second", "--from", "lake", "--from-run", "first", *both)
    assert (manifest["read"], manifest["deletions"], manifest["sinks"]) == (21, 1, {"parquet": 19, "postgres": 19})
    listed = run_tagpulse("runs", "list", "--json", settings=settings).stdout.splitlines()
    stored = {each["name"]: each["posts"] for each in map(json.loads, listed)}
    assert stored["second"] == {"parquet": 19, "postgres": 19}

    done = run_tagpulse("forget", "--author", "x:author 0", "--execute", settings=settings)
    assert done.returncode == 0, done.stderr
    left = "select count(*), count(*) filter (author = 'author 0') from posts where run = 'second'"
    assert list(ask(settings.lake.path, left).rows) == [(9, 0)]
    with psycopg.connect(dsn) as connection:
        assert connection.execute(left.replace("(author", "(where author")).fetchone() == (9, 0)
    assert run_tagpulse("runs", "drop", "second", "--execute", settings=settings).returncode == 0
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from posts").fetchone() == (0,)


def test_a_wrong_run_or_lake_is_an_error_that_leaves_nothing_behind(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker, model={"backend": "constant"})
    topics.create(settings)
    before = topics.names(settings.kafka)
    lake = Path(settings.lake.path)
    for arguments in (("runs", "list"), ("replay", "--from", "lake", "--run", "again")):
        done = run_tagpulse(*arguments, settings=settings)
        assert (done.returncode, f"there is no lake in {lake}" in done.stderr) == (78, True), done.stderr
        assert not lake.exists()
    lake.mkdir()
    assert run_tagpulse("runs", "list", settings=settings).returncode == 0
    done = run_tagpulse("replay", "--from", "lake", "--from-run", "agian", "--run", "again", settings=settings)
    assert (done.returncode, "there is no run 'agian' in the lake" in done.stderr) == (65, True), done.stderr
    assert run_tagpulse("runs", "show", "agian", settings=settings).returncode == 65
    assert topics.names(settings.kafka) == before
    assert list((tmp_path / "state" / "runs").glob("*.json")) == []
