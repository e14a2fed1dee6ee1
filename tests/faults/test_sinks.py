"""Several sinks in one command: an unavailable one does not delay the others."""

from __future__ import annotations

from pathlib import Path

import psycopg

from streams.contracts import encode
from streams.kafka import topics
from streams.processes.broker import Broker
from tests.conftest import SettingsFactory
from tests.helpers.lake import posts_in_view
from tests.helpers.postgres import PostgresServer
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import produce
from tests.helpers.rows import enriched

POSTS = 300


def test_an_unavailable_sink_does_not_delay_the_others(
    embedded_broker: Broker, settings_for: SettingsFactory, fresh_postgres: PostgresServer, tmp_path: Path
) -> None:
    dsn = fresh_postgres.new_database()
    settings = settings_for(
        embedded_broker,
        lake={"flush_seconds": 0.3},
        postgres={"dsn": dsn, "flush_seconds": 0.3},
    )
    topics.create(settings)
    fresh_postgres.stop()
    posts = [enriched(str(number)) for number in range(POSTS)]
    produce(settings.kafka, settings.topics.enriched, [(post.key, encode(post)) for post in posts])
    arguments = ("worker", "store", "--sink", "parquet", "--sink", "postgres")
    with Tagpulse(*arguments, settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: posts_in_view(settings) == POSTS, 60, "the posts in the lake")
        assert worker.running, worker.stderr
        fresh_postgres.start()
        wait_until(lambda: _posts(dsn) == POSTS, 60, "the posts in PostgreSQL")
        worker.terminate()
        assert worker.wait(40) == 0, worker.stderr
    assert posts_in_view(settings) == POSTS


def _posts(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        if connection.execute("select to_regclass('posts')").fetchone() == (None,):
            return 0
        row = connection.execute("select count(*) from posts").fetchone()
    return int(row[0]) if row else 0
