"""Alembic's entry point, which runs the migrations on the connection and in the schema that `migrate` passes."""

from __future__ import annotations

from alembic import context

from streams.sinks.postgres.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    version_table_schema=context.config.attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
