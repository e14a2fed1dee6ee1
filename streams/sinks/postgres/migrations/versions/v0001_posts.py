"""Tables of posts by month, current versions, deletions, erasures and Kafka offsets; their views and roles."""

from __future__ import annotations

from alembic import context, op

revision = "0001"
down_revision = None

# The primary key finds rows by run and time; `stored_versions` gives the time of a post by its source and id.
_TABLES = """
create table stored_posts (
    run text collate "C" not null,
    source text collate "C" not null,
    id text collate "C" not null,
    created_at timestamptz not null,
    text text not null,
    author text not null,
    hashtags text[] not null,
    language text collate "C" not null,
    language_score double precision not null,
    sentiment text collate "C" not null,
    negative double precision not null,
    neutral double precision not null,
    positive double precision not null,
    topics text[] not null,
    topic_scores double precision[] not null,
    emotions text[] not null,
    emotion_scores double precision[] not null,
    acts text[] not null,
    act_scores double precision[] not null,
    campaign_topic text,
    campaign_score double precision not null,
    campaign_scores jsonb not null,
    language_hint text,
    media text[] not null,
    reply_to text,
    repost_of text,
    likes bigint not null,
    reposts bigint not null,
    replies bigint not null,
    url text,
    edited_at timestamptz,
    collected_at timestamptz,
    created_at_is_estimate boolean not null,
    author_created_at timestamptz,
    model_name text not null,
    model_version text not null,
    model_runtime text,
    model_precision text,
    enriched_at timestamptz not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    primary key (run, created_at, source, id)
) partition by range (created_at);

create index stored_posts_hashtags on stored_posts using gin (hashtags);
create index stored_posts_language on stored_posts (run, language, created_at);
create index stored_posts_negative on stored_posts (run, negative desc);

create table stored_posts_before_2000 partition of stored_posts
    for values from (minvalue) to ('2000-01-01 00:00:00+00');
create table stored_posts_from_2100 partition of stored_posts
    for values from ('2100-01-01 00:00:00+00') to (maxvalue);

create table stored_versions (
    source text collate "C" not null,
    id text collate "C" not null,
    run text collate "C" not null,
    created_at timestamptz,
    edited_at timestamptz,
    enriched_at timestamptz,
    kafka_partition integer,
    kafka_offset bigint,
    deleted_at timestamptz,
    primary key (source, id, run)
);
comment on column stored_versions.created_at is 'of the row in stored_posts; null if there is no row';

create table forgotten_posts (
    source text collate "C" not null,
    id text collate "C" not null,
    forgotten_at timestamptz not null,
    what text collate "C" not null check (what in ('all', 'post', 'text')),
    primary key (source, id)
);
comment on column forgotten_posts.what is
    'all: the post and all its reposts are removed; post: its reposts lose their text; text: a repost that loses its
    text';

create table stored_offsets (
    run text collate "C" not null,
    topic text not null,
    kafka_partition integer not null,
    next_offset bigint not null,
    stored_at timestamptz not null default now(),
    primary key (run, topic, kafka_partition)
);
"""

# A table is created and then attached, because creating it as a partition would lock out readers. The writer owns no
# table, so the function runs with its definer's rights. Distant years have one table each, which bounds the number of
# tables and locks however widely the creation times are spread.
_MONTHS = """
create function make_months(months date[]) returns void
language plpgsql security definer set search_path = {schema}, pg_temp as $make$
declare
    month date;
    first date;
    length interval;
    name text;
begin
    foreach month in array months loop
        if month < '2000-01-01' or month >= '2100-01-01' or month <> date_trunc('month', month)::date then
            raise exception 'not the first day of a month from 2000 to 2099: %', month;
        end if;
        continue when exists (
            select from pg_class where relnamespace = '{schema}'::regnamespace
            and relname in ('stored_posts_' || to_char(month, 'YYYY_MM'), 'stored_posts_' || to_char(month, 'YYYY'))
        );
        perform pg_advisory_xact_lock({lock_class}, {months_lock});
        -- a query sees a table that another session has just created; to_regclass may answer from its cache
        continue when exists (
            select from pg_class where relnamespace = '{schema}'::regnamespace
            and relname in ('stored_posts_' || to_char(month, 'YYYY_MM'), 'stored_posts_' || to_char(month, 'YYYY'))
        );
        first := month;
        length := interval '1 month';
        name := 'stored_posts_' || to_char(month, 'YYYY_MM');
        -- a year that already has tables for some months continues with monthly tables
        if month not between now() - interval '2 years' and now() + interval '2 months' and not exists (
            select from pg_class where relnamespace = '{schema}'::regnamespace
            and relname ~ ('^stored_posts_' || to_char(month, 'YYYY') || '_[0-9]{{2}}$')
        ) then
            first := date_trunc('year', month);
            length := interval '1 year';
            name := 'stored_posts_' || to_char(month, 'YYYY');
        end if;
        execute format('create table %I (like stored_posts including defaults)', name);
        execute format(
            'alter table stored_posts attach partition %I for values from (%L) to (%L)',
            name, first::timestamp at time zone 'UTC', (first + length) at time zone 'UTC'
        );
    end loop;
end
$make$;
revoke all on function make_months(date[]) from public;
"""

_VIEWS = """
create view posts as
select *, (created_at at time zone 'UTC')::date as date, to_char(created_at at time zone 'UTC', 'HH24') as hour
from stored_posts;

create view minutes as
select
    run,
    date_trunc('minute', created_at at time zone 'UTC') at time zone 'UTC' as minute,
    hashtag,
    count(*) as posts,
    count(*) filter (where sentiment = 'negative') as negative,
    count(*) filter (where sentiment = 'neutral') as neutral,
    count(*) filter (where sentiment = 'positive') as positive
from stored_posts
cross join lateral (select distinct unnest(hashtags) as hashtag) tagged
group by 1, 2, 3;
"""

_ROLES = """
do $roles$
declare
    role text;
begin
    foreach role in array array['tagpulse_writer', 'tagpulse_reader'] loop
        begin
            if not exists (select from pg_roles where rolname = role) then
                execute format('create role %I nologin', role);
            end if;
        exception
            when insufficient_privilege then
                raise notice 'the role % is not made: this user may not create roles', role;
            when duplicate_object or unique_violation then
                null; -- another database of this server has just created it
        end;
        continue when not exists (select from pg_roles where rolname = role);
        execute format('grant usage on schema {schema} to %I', role);
        execute format('grant select on posts, minutes, {version_table} to %I', role);
    end loop;
    if exists (select from pg_roles where rolname = 'tagpulse_writer') then
        execute format('grant temporary on database %I to tagpulse_writer', current_database());
        grant select, insert, update, delete
            on stored_posts, stored_versions, forgotten_posts, stored_offsets to tagpulse_writer;
        grant execute on function make_months(date[]) to tagpulse_writer;
    end if;
end
$roles$;
"""


def upgrade() -> None:
    """Create everything in the first schema of the search path."""
    names = context.config.attributes["names"]
    for script in (_TABLES, _MONTHS.format(**names), _VIEWS, _ROLES.format(**names)):
        op.get_bind().exec_driver_sql(script.replace("%", "%%"))
