"""The sink `postgres`, which stores the newest version of each post and removes deleted posts."""

from importlib.util import find_spec

from streams.errors import MissingExtra

if not (find_spec("psycopg") and find_spec("alembic")):
    raise MissingExtra("the sink postgres", "postgres")

from streams.sinks.postgres.sink import PostgresSink

__all__ = ["PostgresSink"]
