"""PostgreSQL or the store worker dies, the disk fills, rows are poison: the table ends up as after a plain replay."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import psycopg
import pytest

from streams.contracts import Deletion, EnrichedMessage, encode
from streams.errors import Unavailable
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import PostgresSettings, Settings
from streams.sinks.postgres import PostgresSink
from tests.conftest import SettingsFactory
from tests.helpers.letters import dead_letters_of
from tests.helpers.postgres import PostgresServer
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import Pair, committed, end_offsets, produce, read_all
from tests.helpers.replayed import fields_of, postgres_posts, rows_of, surviving
from tests.helpers.rows import START, enriched, row

RECORDS = 50_000
KILLS = 20
STORE = ("worker", "store", "--sink", "postgres")
# small transactions, so that a kill often comes between two steps
SMALL_STEPS = {"batch_size": 200, "flush_rows": 400, "flush_seconds": 0.2}


def _settings(broker: Broker, settings_for: SettingsFactory, dsn: str) -> Settings:
    # static membership: the partitions wait for the killed worker's successor
    settings = settings_for(broker, kafka={"instance_id": "the-only-one"}, postgres={"dsn": dsn, **SMALL_STEPS})
    topics.create(settings)
    return settings


def _messages(number: int, seed: int) -> Iterator[EnrichedMessage]:
    """Yield 70 % new posts, 20 % edits and 10 % deletions of earlier posts, including deleted ones."""
    dice = random.Random(seed)
    written = 0
    for index in range(number):
        at = START + timedelta(seconds=index)
        kind = dice.choices(["post", "edit", "deletion"], [7, 2, 1])[0] if written else "post"
        post_id = str(written if kind == "post" else dice.randrange(written))
        if kind == "deletion":
            yield Deletion(source="test", id=post_id, deleted_at=at - timedelta(seconds=dice.randrange(3_000)))
            continue
        written += kind == "post"
        edited_at = at if kind == "edit" else None
        message = enriched(post_id, minutes=dice.randrange(100_000), text=f"version {index}", edited_at=edited_at)
        yield msgspec.structs.replace(message, post=msgspec.structs.replace(message.post, hashtags=("poltwt",)))


def _pairs(number: int, seed: int = 1) -> list[Pair]:
    return [(message.key, encode(message)) for message in _messages(number, seed)]


class Progress:
    """The number of records in the database according to its own table; 0 while it is unavailable or empty."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection | None = None

    def __call__(self) -> int:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._dsn, autocommit=True)
            found = self._connection.execute("select sum(next_offset) from stored_offsets").fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        except psycopg.OperationalError:
            self.close()
            return 0
        return int(found[0] or 0) if found else 0

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_done(settings: Settings) -> bool:
    group = f"{settings.kafka.group_prefix}.store-postgres"
    ends = {place: end for place, end in end_offsets(settings.kafka, settings.topics.enriched).items() if end}
    return committed(settings.kafka, group, settings.topics.enriched) == ends


def _finish(worker: Tagpulse, settings: Settings) -> None:
    wait_until(lambda: _is_done(settings), 90, "everything stored")
    worker.terminate()
    assert worker.wait() == 0


def _reached(stored: Progress, records: int) -> bool:
    return stored() >= records


def _tried_again(worker: Tagpulse, times: int) -> bool:
    return worker.stderr.count("trying again") >= times


def _check(settings: Settings, dsn: str, records: int) -> None:
    read = read_all(settings.kafka, settings.topics.enriched)
    assert len(read) == records
    wanted = fields_of(surviving(rows_of(read)))
    assert wanted
    assert postgres_posts(dsn) == wanted


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_twenty_kills_of_the_worker_leave_the_same_posts_as_a_plain_replay(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path, dsn: str
) -> None:
    settings = _settings(apache_broker, settings_for, dsn)
    produce(settings.kafka, settings.topics.enriched, _pairs(RECORDS))
    moments = random.Random(20_260_620)
    share, stored = RECORDS // (KILLS + 1), Progress(dsn)
    for number in range(KILLS):
        with Tagpulse(*STORE, settings=settings, folder=tmp_path) as worker:
            moment = number * share + moments.randrange(share) + 1
            wait_until(partial(_reached, stored, moment), 60, f"record {moment}")
            worker.kill()
    assert stored() < RECORDS, "the last worker should have been killed in the middle"
    stored.close()
    with Tagpulse(*STORE, settings=settings, folder=tmp_path) as worker:
        _finish(worker, settings)
    _check(settings, dsn, RECORDS)


def test_the_server_restarts_or_dies_in_mid_batch(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path, fresh_postgres: PostgresServer
) -> None:
    dsn = fresh_postgres.new_database()
    settings = _settings(embedded_broker, settings_for, dsn)
    produce(settings.kafka, settings.topics.enriched, _pairs(8_000))
    with Tagpulse(*STORE, settings=settings, folder=tmp_path) as worker:
        stored = Progress(dsn)
        for down, least in ((fresh_postgres.stop, 1_000), (fresh_postgres.kill, 3_000)):
            wait_until(partial(_reached, stored, least + 1), 60, f"{least} records")
            assert stored() < 8_000, "it should have gone down in the middle"
            stored.close()
            before = worker.stderr.count("trying again")
            down()
            wait_until(partial(_tried_again, worker, before + 1), 30, "a warning")
            fresh_postgres.start()
        _finish(worker, settings)
    assert "PostgreSQL is unavailable" in worker.stderr
    _check(settings, dsn, 8_000)


def test_poison_rows_become_dead_letters_and_block_nothing(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path, dsn: str
) -> None:
    settings = _settings(embedded_broker, settings_for, dsn)
    good = _pairs(2_000)
    # ids that are too large for the index, however they are compressed
    too_large = ("".join(chr(0x4E00 + (n + 7 * place) % 20_000) for place in range(990)) for n in range(20))
    poison = [(message.key, encode(message)) for message in map(enriched, too_large)]
    mixed = list(good)
    for number, pair in enumerate(poison):
        mixed.insert(number * 100, pair)
    produce(settings.kafka, settings.topics.enriched, mixed)
    with Tagpulse(*STORE, settings=settings, folder=tmp_path) as worker:
        _finish(worker, settings)
    letters = dead_letters_of(read_all(settings.kafka, settings.topics.dead))
    assert {(letter.key, letter.value, letter.reason) for letter in letters} == {(*p, "sink_refused") for p in poison}
    assert all("index row" in letter.error for letter in letters)
    refused = {key for key, _ in poison}
    read = [record for record in read_all(settings.kafka, settings.topics.enriched) if record.key not in refused]
    assert postgres_posts(dsn) == fields_of(surviving(rows_of(read)))


@pytest.fixture
def small_disk() -> Iterator[PostgresServer]:
    """Start a PostgreSQL with a tablespace `small` on a disk of 12 MiB. Skip the test if none can be mounted."""
    with PostgresServer() as server:
        mount = server.folder / "small"
        mount.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", mount], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
        try:
            server.own(mount)
            server.execute(f"create tablespace small location '{mount}'")
            yield server
        finally:
            server.stop()
            subprocess.run(["umount", mount], check=True)


async def test_a_full_disk_is_reported_and_nothing_is_lost(small_disk: PostgresServer) -> None:
    small_disk.execute("create database small tablespace small")
    dsn, filler = small_disk.dsn("small"), small_disk.folder / "small" / "filler"
    rows = [row(offset, message) for offset, message in enumerate(_messages(3_000, 2))]
    sink = PostgresSink(PostgresSettings(dsn=dsn))
    await sink.open()
    await sink.write(rows[:100])
    await sink.flush()
    with filler.open("wb") as file:
        free = os.statvfs(filler).f_bavail * os.statvfs(filler).f_frsize
        file.write(b"\0" * (free - 200_000))
    await sink.write(rows[100:])
    for _ in range(3):
        with pytest.raises(Unavailable, match="disk of PostgreSQL is full"):
            await sink.flush()
    assert postgres_posts(dsn) == fields_of(surviving(rows[:100]))
    filler.unlink()
    assert not (await sink.flush()).bad
    await sink.close()
    assert postgres_posts(dsn) == fields_of(surviving(rows))


async def test_the_sink_follows_a_failover(fresh_postgres: PostgresServer) -> None:
    dsn = fresh_postgres.new_database()
    rows = [row(offset, message) for offset, message in enumerate(_messages(2_000, 3))]
    with PostgresServer(fresh_postgres) as standby:
        # a commit is confirmed once the standby has it
        fresh_postgres.execute("alter system set synchronous_standby_names = '*'")
        fresh_postgres.execute("select pg_reload_conf()")
        both = dsn.replace(f":{fresh_postgres.port}", f":{fresh_postgres.port},127.0.0.1:{standby.port}")
        sink = PostgresSink(PostgresSettings(dsn=both))
        await sink.open()
        await sink.write(rows[:1_000])
        assert not (await sink.flush()).bad
        fresh_postgres.kill()
        await sink.write(rows[1_000:])
        with pytest.raises(Unavailable):
            await sink.flush()
        with pytest.raises(Unavailable, match=r"read-only|recovery|away"):
            await sink.flush()  # the standby has not been promoted yet
        standby.execute("select pg_promote()")
        assert not (await sink.flush()).bad
        await sink.close()
        assert postgres_posts(standby.dsn(dsn.rpartition("/")[2])) == fields_of(surviving(rows))
