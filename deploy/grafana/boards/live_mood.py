"""*Live mood*: the dashboard for the person on shift."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.boards.panels import (
    ALARM,
    CALM,
    NEGATIVE,
    NEUTRAL,
    PER_MINUTE,
    POSITIVE,
    SHARE,
    AnyPanel,
    above,
    course,
    headline,
    rows,
)
from deploy.grafana.boards.queries import (
    HASHTAGS,
    POSTGRES,
    PROMETHEUS,
    each,
    prom,
    shown,
    sql,
    wilson_prom,
    wilson_sql,
)
from deploy.grafana.boards.variables import asked, chosen, guide, new_board, postgres, prometheus, spike_marks
from streams.contracts import SEVERAL
from streams.minutes.text import question_sql

_LABELS = 'run="$run", hashtag=~"$hashtag", source=~"$source", language=~"$language"'
_NEGATIVE_ONLY = f'{_LABELS}, sentiment="negative"'
_POSTS = f"sum(increase(tagpulse_posts_enriched_total{{{_LABELS}}}[$window]))"
_NEGATIVE = f"(sum(increase(tagpulse_posts_enriched_total{{{_NEGATIVE_ONLY}}}[$window])) or vector(0))"
_BEFORE = "[$baseline] offset $window"
_USUAL = (
    f"(sum(increase(tagpulse_posts_enriched_total{{{_NEGATIVE_ONLY}}}{_BEFORE})) or vector(0)) "
    f"/ sum(increase(tagpulse_posts_enriched_total{{{_LABELS}}}{_BEFORE}))"
)

_SHOWN_POSTS = f"""run = ${{run:sqlstring}} and $__timeFilter(created_at) and {HASHTAGS}
and (source in (${{source:sqlstring}}) or 'other' in (${{source:sqlstring}}))
and language in (${{language:sqlstring}})"""
_QUESTION = question_sql("text")
_OPEN = """acts && array['question', 'request', 'complaint'] and replies = 0 and not exists (
    select from posts reply
    where reply.run = posts.run and reply.source = posts.source and reply.reply_to = posts.id
    and $__timeFilter(reply.created_at)
)"""
_LINK = "case when url ~ '^https?://' then url end as url"


def board() -> dashboard.Dashboard:
    made = new_board(
        "tagpulse-live-mood",
        "Live mood",
        "Current volume and mood of the hashtags, compared with the usual; open spikes and what drives them.",
        since="now-3h",
        refresh="15s",
    )
    for variable in (
        prometheus(),
        postgres(),
        guide(),
        asked("run", "Run", "label_values(tagpulse_posts_enriched_total, run)", PROMETHEUS, first="live"),
        _label("hashtag", "Hashtag"),
        _label("source", "Source"),
        _label("language", "Language"),
        chosen("window", "Window", ("5m", "10m", "30m", "1h"), "10m", "The period that counts as now"),
        chosen(
            "baseline", "Baseline", ("1h", "6h", "1d", "7d"), "6h", "The period before the window that counts as usual"
        ),
    ):
        made = made.with_variable(variable)
    made = made.annotation(spike_marks("Spikes", "run"))
    for panel in (*_headlines(), *_courses(), *_labels(), *_spikes(), *_posts(), *_by_label(), *_breakdowns()):
        made = made.with_panel(panel)
    return made


def _label(name: str, label: str) -> dashboard.QueryVariable:
    query = f'label_values(tagpulse_posts_enriched_total{{run="$run"}}, {name})'
    return asked(name, label, query, PROMETHEUS, several=True)


def _headlines() -> list[AnyPanel]:
    low = wilson_prom(_NEGATIVE, _POSTS, "low")
    return [
        headline(
            "Posts a minute",
            "Enriched posts a minute over the window. A post with several watched hashtags counts for each of them.",
            PER_MINUTE,
            prom(f"sum(rate(tagpulse_posts_enriched_total{{{_LABELS}}}[$window])) * 60"),
            PROMETHEUS,
            decimals=1,
        ),
        headline(
            "Negative now",
            "Share of negative posts in the window.",
            SHARE,
            prom(f"{_NEGATIVE} / {_POSTS}"),
            PROMETHEUS,
            steps=above(0.35, 0.5),
            decimals=0,
            runbook="NegativeShareHigh",
        ),
        headline(
            "Usual share",
            "Share of negative posts in the baseline, the period before the window.",
            SHARE,
            prom(_USUAL),
            PROMETHEUS,
            decimals=0,
        ),
        headline(
            "Credibly above usual by",
            "The lower bound of the 95 % interval of the current share minus the usual share: above 0 it is not chance.",
            SHARE,
            prom(f"{low} - ({_USUAL})"),
            PROMETHEUS,
            steps=((None, CALM), (0, "#e3b341"), (0.1, ALARM)),
            decimals=0,
            runbook="NegativeShareHigh",
        ),
        headline(
            "Open spikes",
            "Spikes of this run that have not closed. The table below says what drives each of them.",
            "short",
            sql("select count(*) as open from spikes where run = ${run:sqlstring} and state <> 'closed'"),
            POSTGRES,
            steps=((None, CALM), (1, ALARM)),
            decimals=0,
        ),
        headline(
            "Questions",
            "Posts with a question mark in the selected time range.",
            "short",
            sql(f"select count(*) as questions from posts where {_SHOWN_POSTS} and {_QUESTION}"),
            POSTGRES,
            decimals=0,
        ),
    ]


def _courses() -> list[AnyPanel]:
    return [
        course(
            "Share of negative posts with its 95 % interval",
            "The band is Wilson's interval of the share in the window; the dashed line is the usual share. "
            "A band that is entirely above the line is not chance.",
            SHARE,
            [
                prom(f"{_NEGATIVE} / {_POSTS}", "negative"),
                prom(wilson_prom(_NEGATIVE, _POSTS, "low"), "low", ref="B"),
                prom(wilson_prom(_NEGATIVE, _POSTS, "high"), "high", ref="C"),
                prom(_USUAL, "usual", ref="D"),
            ],
            PROMETHEUS,
            width=16,
            height=10,
            colours={"negative": NEGATIVE},
            band=("low", "high"),
            dashed=["usual"],
            top=0.5,
            runbook="NegativeShareHigh",
        ),
        course(
            "Volume by mood",
            "Posts a minute by sentiment.",
            PER_MINUTE,
            [
                prom(
                    f"sum by (sentiment) (rate(tagpulse_posts_enriched_total{{{_LABELS}}}[$window])) * 60",
                    "{{sentiment}}",
                )
            ],
            PROMETHEUS,
            width=8,
            height=10,
            stacked=True,
            colours={"negative": NEGATIVE, "neutral": NEUTRAL, "positive": POSITIVE},
        ),
    ]


def _labels() -> list[AnyPanel]:
    posts = 'tagpulse_posts_{0}_total{{run="$run", hashtag=~"$hashtag"}}'
    return [
        course(
            name.capitalize(),
            f"Posts a minute by {one}, from all sources and in all languages; a post may have several or none.",
            PER_MINUTE,
            [prom(f"topk(8, sum by ({one}) (rate({posts.format(one)}[$window]))) * 60", f"{{{{{one}}}}}")],
            PROMETHEUS,
            width=24 // len(SEVERAL),
        )
        for name, one in SEVERAL.items()
    ]


def _by_label() -> list[AnyPanel]:
    by = "sum by ({0}) (increase(tagpulse_posts_enriched_total{{{1}}}[$window]))"

    def shares(label: str) -> str:
        negative, posts = by.format(label, _NEGATIVE_ONLY), by.format(label, _LABELS)
        return f"{negative} / {posts} and topk(8, {posts})"

    return [
        *(
            course(
                f"Negative by {label}",
                f"Share of negative posts in the window, for the eight values of {label} with the most posts.",
                SHARE,
                [prom(shares(label), f"{{{{{label}}}}}")],
                PROMETHEUS,
                width=6,
                top=0.5,
            )
            for label in ("hashtag", "language", "source")
        ),
        _accuracy(),
    ]


def _accuracy() -> AnyPanel:
    sure, judged = (
        f'sum by (language) (increase(tagpulse_posts_{name}_total{{run="$run", language=~"$language"}}[$window]))'
        for name in ("sure", "judged")
    )
    return course(
        "Accuracy to expect",
        "Estimate of the share of posts with the right sentiment, for the eight languages with the most posts, from how sure "
        "the model is. Far below the dashed line, the accuracy on the posts that the model was checked on, these posts are "
        "unlike those. Empty if the model has no threshold.",
        SHARE,
        [
            prom(f"{sure} / ({judged} > 0) and topk(8, {judged})", "{{language}}"),
            prom('max(tagpulse_model_accuracy{run="$run"})', "checked", ref="B"),
        ],
        PROMETHEUS,
        width=6,
        dashed=["checked"],
        top=1,
    )


def _spikes() -> list[AnyPanel]:
    drivers = "(select string_agg(driver ->> 'name', ', ') from jsonb_array_elements(explanation -> 'terms') as driver)"
    return [
        rows(
            "Spikes and what drives them",
            "Spikes that were open in the selected time range, newest first. The share is that of negative posts "
            "since the spike opened, with its 95 % interval.",
            sql(
                f"""
select
    opened_at as opened, known_at as known, closed_at as closed, state, kind, hashtag, posts, negative, share, low, high,
    baseline as usual, rate, usual_rate, {shown("summary", 600)} as summary, {shown(drivers, 200)} as terms,
    round((explanation ->> 'top_text_share')::numeric, 2)::float8 as top_text
from spikes
where run = ${{run:sqlstring}}
and opened_at <= $__timeTo() and coalesce(closed_at, updated_at) >= $__timeFrom()
order by (state = 'closed'), opened_at desc
limit 50
"""
            ),
            POSTGRES,
            width=24,
            height=7,
            units={
                **dict.fromkeys(("share", "low", "high", "usual", "top_text"), SHARE),
                **dict.fromkeys(("rate", "usual_rate"), PER_MINUTE),
            },
            widths={
                **dict.fromkeys(("opened", "known", "closed"), 150),
                **dict.fromkeys(("state", "kind", "posts", "negative", "share", "low", "high", "usual"), 75),
                "hashtag": 110,
                "summary": 420,
            },
            hidden=("known", "rate", "usual_rate", "top_text"),
            steps=above(0.35, 0.5),
        )
    ]


def _breakdowns() -> list[AnyPanel]:
    def table(title: str, column: str, source: str, *, width: int) -> AnyPanel:
        query = f"""
with counted as (
    select {column} as name, count(*) as posts, count(*) filter (where sentiment = 'negative') as negative
    from {source}
    where {_SHOWN_POSTS}
    group by 1
)
select
    name, posts, negative::float8 / posts as share,
    {wilson_sql("negative", "posts", "low")} as low, {wilson_sql("negative", "posts", "high")} as high
from counted
where name is not null
order by low desc, posts desc
limit 25
"""
        return rows(
            title,
            "Posts in the selected time range and their share of negative ones with its 95 % interval; those with the "
            "highest lower bound first.",
            sql(query),
            POSTGRES,
            width=width,
            height=9,
            units={"posts": "short", "low": SHARE, "high": SHARE},
            widths={"posts": 60, "low": 60, "high": 60},
            gauges=("share",),
            steps=above(0.35, 0.5),
        )

    return [
        *(table(f"By {one}", one, each(name, one), width=24 // len(SEVERAL)) for name, one in SEVERAL.items()),
        table("By hashtag", shown("tag", 40), each("hashtags", "tag"), width=12),
        table("By campaign topic", shown("campaign_topic", 60), "posts", width=12),
        table("By language", "language", "posts", width=12),
        table("By source", "source", "posts", width=12),
    ]


def _posts() -> list[AnyPanel]:
    return [
        rows(
            "Latest negative posts",
            "Posts that the model finds negative with a probability of at least 50 %, newest first.",
            sql(
                f"""
select
    created_at as time, language, negative, {shown("text")} as post, {shown("author", 60)} as author, source, {_LINK}
from posts
where {_SHOWN_POSTS} and sentiment = 'negative' and negative >= 0.5
order by created_at desc
limit 50
"""
            ),
            POSTGRES,
            width=14,
            height=12,
            units={"negative": SHARE},
            widths={"time": 150, "language": 75, "negative": 75, "author": 110, "source": 85, "url": 60},
            links={"url": "${__value.raw}"},
            steps=above(0.6, 0.8),
        ),
        rows(
            "Questions",
            "Posts with a question mark, newest first; replies as counted by the network when the post was read.",
            sql(
                f"""
select created_at as time, language, sentiment, {shown("text")} as post, replies, {_LINK}
from posts
where {_SHOWN_POSTS} and {_QUESTION}
order by created_at desc
limit 50
"""
            ),
            POSTGRES,
            width=10,
            height=12,
            units={"replies": "short"},
            widths={"time": 150, "language": 75, "sentiment": 80, "replies": 65, "url": 60},
            links={"url": "${__value.raw}"},
        ),
        rows(
            "Open questions, requests and complaints",
            "Posts that ask, request or complain according to the model, and to which no post replies, newest first.",
            sql(
                f"""
select
    created_at as time, language, array_to_string(acts, ', ') as acts, array_to_string(emotions, ', ') as emotions,
    {shown("text")} as post, {shown("author", 60)} as author, source, {_LINK}
from posts
where {_SHOWN_POSTS} and {_OPEN}
order by created_at desc
limit 50
"""
            ),
            POSTGRES,
            width=24,
            height=10,
            widths={
                "time": 150,
                **dict.fromkeys(("acts", "emotions"), 150),
                **dict.fromkeys(("language", "source"), 85),
                "author": 110,
                "url": 60,
            },
            links={"url": "${__value.raw}"},
        ),
    ]
