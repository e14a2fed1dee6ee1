"""Table of spikes and their explanations, for the annotations on dashboards."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLE = """
create table stored_spikes (
    run text collate "C" not null,
    id text collate "C" not null,
    kind text collate "C" not null,
    hashtag text collate "C" not null,
    state text collate "C" not null,
    sensitivity text collate "C" not null,
    opened_at timestamptz not null,
    known_at timestamptz not null,
    updated_at timestamptz not null,
    closed_at timestamptz,
    posts bigint not null,
    negative bigint not null,
    share double precision,
    low double precision,
    high double precision,
    baseline double precision,
    rate double precision,
    usual_rate double precision,
    explanation jsonb not null,
    primary key (run, id)
);
comment on column stored_spikes.updated_at is 'event time of the stored message, the latest about the spike';
create index stored_spikes_opened on stored_spikes (run, opened_at);
"""

# Deleted and forgotten posts are no longer quoted. The view reads the tables with its owner's rights.
_EXCERPTS = """(
    select coalesce(jsonb_agg(excerpt order by place), '[]')
    from jsonb_array_elements(spike.explanation -> '{0}') with ordinality as listed (excerpt, place)
    where not exists (
        select from forgotten_posts gone
        where gone.source = excerpt ->> 'source' and gone.id = excerpt ->> 'id'
    ) and not exists (
        select from stored_versions version
        where version.source = excerpt ->> 'source' and version.id = excerpt ->> 'id'
        and version.run = spike.run and version.created_at is null
    )
)"""

_VIEW = """
create view spikes as
select
    run, id, kind, hashtag, state, sensitivity, opened_at, known_at, closed_at, posts, negative, share, low, high,
    baseline, rate, usual_rate, updated_at, coalesce(explanation ->> 'summary', '') as summary,
    explanation || jsonb_build_object('typical', {typical}, 'shared', {shared}) as explanation
from stored_spikes spike;
"""

_RIGHTS = """
do $rights$
declare
    role text;
begin
    foreach role in array array['tagpulse_writer', 'tagpulse_reader'] loop
        continue when not exists (select from pg_roles where rolname = role);
        execute format('grant select on spikes to %I', role);
    end loop;
    if exists (select from pg_roles where rolname = 'tagpulse_writer') then
        grant select, insert, update, delete on stored_spikes to tagpulse_writer;
    end if;
end
$rights$;
"""


def upgrade() -> None:
    """Create the table, its view and their grants in the first schema of the search path."""
    view = _VIEW.format(typical=_EXCERPTS.format("typical"), shared=_EXCERPTS.format("shared"))
    for script in (_TABLE, view, _RIGHTS):
        op.get_bind().exec_driver_sql(script.replace("%", "%%"))
