"""Columns for the emotions and the acts of speech of a post."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

# The columns of `select *` were fixed when the view was created.
_SCRIPT = """
alter table stored_posts
    add column emotions text[] not null default '{}',
    add column emotion_scores double precision[] not null default '{}',
    add column acts text[] not null default '{}',
    add column act_scores double precision[] not null default '{}';

drop view posts;
create view posts as
select *, (created_at at time zone 'UTC')::date as date, to_char(created_at at time zone 'UTC', 'HH24') as hour
from stored_posts;

do $rights$
declare
    role text;
begin
    foreach role in array array['tagpulse_writer', 'tagpulse_reader'] loop
        continue when not exists (select from pg_roles where rolname = role);
        execute format('grant select on posts to %I', role);
    end loop;
end
$rights$;
"""


def upgrade() -> None:
    """Add the columns and recreate the view with them."""
    op.get_bind().exec_driver_sql(_SCRIPT.replace("%", "%%"))
