"""*A day in replay*: any past day in event time, or two runs of it side by side."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.boards.panels import (
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    SHARE,
    USUAL,
    AnyPanel,
    above,
    course,
    headline,
    rows,
)
from deploy.grafana.boards.queries import POSTGRES, bucket, each, shown, sql, wilson_sql
from deploy.grafana.boards.variables import asked, chosen, guide, new_board, postgres, spike_marks
from streams.contracts import SEVERAL
from streams.spikes.term_counts import TONE

_RUNS = "select distinct run from posts where $__timeFilter(created_at) order by run"
# includes the hashtags of the campaign, so that `All` omits none of its posts
_TAGS = (
    "select hashtag from minutes where run in (${run:sqlstring}, ${against:sqlstring}) "
    "and $__timeFilter(minute) group by hashtag order by sum(posts) desc limit 100"
)
_DAY = "$__timeFilter(created_at) and hashtags && array[${hashtag:sqlstring}]"


def board() -> dashboard.Dashboard:
    made = new_board(
        "tagpulse-replay-day",
        "A day in replay",
        "Any past day by the time of its posts, from PostgreSQL: one run, or two side by side.",
        since="now-24h",
        refresh="",
    )
    for variable in (
        postgres(),
        guide(),
        asked("run", "Run", _RUNS, POSTGRES, first="live"),
        asked("against", "Compare with", _RUNS, POSTGRES, first="live"),
        asked("hashtag", "Hashtag", _TAGS, POSTGRES, several=True),
        chosen("bucket", "Interval", ("1m", "5m", "15m", "1h"), "5m", "The time that each point covers"),
    ):
        made = made.with_variable(variable)
    made = made.annotation(spike_marks("Spikes of the run", "run"))
    made = made.annotation(spike_marks("Spikes of the other run", "against", USUAL))
    for panel in (*_headlines(), *_courses(), *_tables()):
        made = made.with_panel(panel)
    return made


def _headlines() -> list[AnyPanel]:
    panels: list[AnyPanel] = []
    for variable, whose in (("run", "the run"), ("against", "the other run")):
        where = f"run = ${{{variable}:sqlstring}} and {_DAY}"
        panels += [
            headline(
                f"Posts of ${variable}",
                f"Distinct posts of {whose} in the selected time range.",
                "short",
                sql(f"select count(*) as posts from posts where {where}"),
                POSTGRES,
            ),
            headline(
                f"Negative in ${variable}",
                f"Share of negative posts of {whose}.",
                SHARE,
                sql(f"select avg((sentiment = 'negative')::int)::float8 as negative from posts where {where}"),
                POSTGRES,
                steps=above(0.35, 0.5),
                decimals=1,
            ),
            headline(
                f"Spikes of ${variable}",
                f"Spikes of {whose} that opened in the selected time range.",
                "short",
                sql(
                    f"select count(*) as spikes from spikes where run = ${{{variable}:sqlstring}} "
                    "and $__timeFilter(opened_at) and hashtag in (${hashtag:sqlstring})"
                ),
                POSTGRES,
            ),
        ]
    return panels


def _courses() -> list[AnyPanel]:
    shares: list[AnyPanel] = []
    volumes: list[AnyPanel] = []
    labels: list[AnyPanel] = []
    for variable, whose in (("run", "the run"), ("against", "the other run")):
        counted = f"""
with counted as (
    select
        {bucket("created_at")} as time, count(*) as posts, count(*) filter (where sentiment = 'negative') as negative
    from posts
    where run = ${{{variable}:sqlstring}} and {_DAY}
    group by 1
)
select
    time, negative::float8 / posts as negative,
    {wilson_sql("negative", "posts", "low")} as low, {wilson_sql("negative", "posts", "high")} as high
from counted
order by time
"""
        shares.append(
            course(
                f"Negative in ${variable}",
                f"Share of negative posts of {whose} by the time of the posts, with its 95 % interval.",
                SHARE,
                [sql(counted, series=True)],
                POSTGRES,
                width=12,
                height=9,
                colours={"negative": NEGATIVE},
                band=("low", "high"),
                top=0.5,
            )
        )
        moods = ", ".join(
            f"count(*) filter (where sentiment = '{mood}') as {mood}" for mood in ("negative", "neutral", "positive")
        )
        volumes.append(
            course(
                f"Posts of ${variable}",
                f"Posts of {whose} by sentiment, in each interval.",
                "short",
                [
                    sql(
                        f"select {bucket('created_at')} as time, {moods} from posts "
                        f"where run = ${{{variable}:sqlstring}} and {_DAY} group by 1 order by 1",
                        series=True,
                    )
                ],
                POSTGRES,
                width=12,
                height=7,
                stacked=True,
                colours={"negative": NEGATIVE, "neutral": NEUTRAL, "positive": POSITIVE},
            )
        )
        labels += [
            course(
                f"{name.capitalize()} of ${variable}",
                f"Posts of {whose} by {SEVERAL[name]}, in each interval; a post may have several or none.",
                "short",
                [
                    sql(
                        f"select {bucket('created_at')} as time, {SEVERAL[name]} as metric, count(*) as posts "
                        f"from {each(name, SEVERAL[name])} where run = ${{{variable}:sqlstring}} and {_DAY} "
                        "group by 1, 2 order by 1, 2",
                        series=True,
                    )
                ],
                POSTGRES,
                width=24 // len(TONE) // 2,
                height=7,
            )
            for name in TONE
        ]
    both = course(
        "Share of negative posts, both runs",
        "Where the lines diverge, the two runs see the day differently.",
        SHARE,
        [
            sql(
                f"select {bucket('created_at')} as time, run as metric, "
                "avg((sentiment = 'negative')::int)::float8 as negative from posts "
                f"where run in (${{run:sqlstring}}, ${{against:sqlstring}}) and {_DAY} group by 1, 2 order by 1, 2",
                series=True,
            )
        ],
        POSTGRES,
        width=24,
        height=7,
        top=0.5,
    )
    return [*shares, *volumes, *labels, both]


def _tables() -> list[AnyPanel]:
    def compared(title: str, column: str, source: str) -> AnyPanel:
        query = f"""
with counted as (
    select
        {column} as name, count(*) filter (where run = ${{run:sqlstring}}) as posts,
        count(*) filter (where run = ${{against:sqlstring}}) as posts_against,
        avg((sentiment = 'negative')::int) filter (where run = ${{run:sqlstring}})::float8 as share,
        avg((sentiment = 'negative')::int) filter (where run = ${{against:sqlstring}})::float8 as share_against
    from {source}
    where run in (${{run:sqlstring}}, ${{against:sqlstring}}) and {_DAY}
    group by 1
)
select name, posts, posts_against, share, share_against, share - share_against as difference
from counted
where name is not null
order by posts desc, name
limit 25
"""
        return rows(
            title,
            "Posts and their share of negative ones in the two runs.",
            sql(query),
            POSTGRES,
            width=12,
            height=9,
            units={"posts": "short", "posts_against": "short", "difference": SHARE},
            widths={"posts": 70, "posts_against": 100, "difference": 85},
            gauges=("share", "share_against"),
            steps=above(0.35, 0.5),
        )

    return [
        rows(
            "Spikes of both runs",
            "Spikes that opened in the selected time range, in chronological order.",
            sql(
                f"""
select
    opened_at as opened, closed_at as closed, run, kind, hashtag, posts, share, low, high, baseline as usual,
    {shown("summary", 600)} as summary
from spikes
where run in (${{run:sqlstring}}, ${{against:sqlstring}}) and $__timeFilter(opened_at)
and hashtag in (${{hashtag:sqlstring}})
order by opened_at, run
limit 100
"""
            ),
            POSTGRES,
            width=24,
            height=7,
            units=dict.fromkeys(("share", "low", "high", "usual"), SHARE),
            widths={
                **dict.fromkeys(("opened", "closed"), 150),
                **dict.fromkeys(("kind", "posts", "share", "low", "high", "usual"), 75),
                "run": 110,
                "hashtag": 110,
            },
            steps=above(0.35, 0.5),
        ),
        compared("By language", "language", "posts"),
        *(compared(f"By {one}", one, each(name, one)) for name, one in SEVERAL.items()),
        compared("By hashtag", shown("tag", 40), each("hashtags", "tag")),
        compared("By source", "source", "posts"),
        rows(
            "Posts that the two runs label differently",
            "The same post with different labels, the largest difference first. Empty if both are the same run.",
            sql(
                f"""
select
    one.created_at as time, one.language, one.sentiment, other.sentiment as against, one.negative,
    other.negative as negative_against, {shown("one.text")} as post
from posts one join posts other on other.source = one.source and other.id = one.id and other.created_at = one.created_at
where one.run = ${{run:sqlstring}} and other.run = ${{against:sqlstring}} and one.sentiment <> other.sentiment
and $__timeFilter(one.created_at) and one.hashtags && array[${{hashtag:sqlstring}}]
order by abs(one.negative - other.negative) desc, one.created_at
limit 100
"""
            ),
            POSTGRES,
            width=24,
            height=10,
            units={"negative": SHARE, "negative_against": SHARE},
            widths={
                "time": 150,
                **dict.fromkeys(("language", "sentiment", "against", "negative"), 85),
                "negative_against": 120,
            },
        ),
    ]
