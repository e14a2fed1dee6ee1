"""The sink `postgres`: each post once in PostgreSQL, its newest edit, deleted ones gone."""

from streams.errors import MissingExtra

try:
    import alembic as _alembic
    import psycopg as _psycopg
except ImportError:
    raise MissingExtra("the sink postgres", "postgres") from None

from streams.sinks.postgres.sink import PostgresSink

__all__ = ["PostgresSink"]

del _alembic, _psycopg
