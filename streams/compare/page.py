"""A comparison as a self-contained HTML file without scripts, in which the contents of posts are escaped."""

from __future__ import annotations

from collections.abc import Iterator

from streams.compare import words
from streams.compare.charts import agreement_bars, dumbbells, heat_map, safe, topic_bars
from streams.compare.comparison import Change, ChangedPost, ComparedRun, Comparison
from streams.compare.style import CSS

# The page contains untrusted text. It may load and run nothing, even if some of that text were not escaped.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def as_page(comparison: Comparison, rows: int) -> str:
    """Return the page, with at most `rows` days or posts in each list."""
    title = safe(f"{comparison.a.name} against {comparison.b.name}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · tagpulse compare</title><style>{CSS}</style></head>\n<body><main>\n"
        + "\n".join(_sections(comparison, rows))
        + "\n</main></body></html>\n"
    )


def _sections(found: Comparison, rows: int) -> Iterator[str]:
    yield (
        f'<h1><span class="a">A: {safe(found.a.name)}</span> against <span class="b">B: {safe(found.b.name)}</span></h1>'
        f'<p class="soft">{safe(words.selection(found))} · {words.overlap(found)}</p>'
    )
    yield from (f'<p class="warning">{safe(warning)}</p>' for warning in found.warnings)
    yield _tiles(found)
    yield f"<h2>Models</h2><ul>{_models('A', found.a)}{_models('B', found.b)}</ul>"
    yield f"<h2>Sentiment</h2>{heat_map(found.sentiment.matrix, 'sentiment in A and B')}"
    yield (
        "<h3>Agreement by language in A</h3>"
        + agreement_bars((each.language, each.agreement) for each in found.sentiment.by_language)
    )
    yield f"<h2>Language</h2>{heat_map(found.language.matrix, 'language in A and B')}"
    yield f"<h2>Topics</h2>{topic_bars(found.topics.topics)}" if found.topics.topics else ""
    if len(found.campaign.matrix.labels) > 1:
        yield f"<h2>Campaign topic</h2>{heat_map(found.campaign.matrix, 'campaign topic in A and B')}"
    yield (
        "<h2>What moved the daily numbers</h2><p>The share of negative posts, largest difference first. "
        "The causes add up to the difference (pp: percentage points).</p>"
    )
    yield _daily("By day", "all", found.daily.all, rows)
    yield _daily("By day and hashtag", "hashtags", found.daily.hashtags, rows)
    yield _daily("By day and language", "languages", found.daily.languages, rows)
    yield (
        "<h2>The posts that changed most</h2><p>By the total variation distance of the probabilities of "
        "negative / neutral / positive: 0 means no change, 1 that each run is certain of a different sentiment.</p>"
        + ("".join(map(_post, found.changed[:rows])) or "<p>None.</p>")
    )


def _tiles(found: Comparison) -> str:
    sentiment, language, topics = found.sentiment, found.language.agreement, found.topics
    largest = next((change for change in found.daily.all if change.difference is not None), None)
    tiles = [
        (f"{found.overlap.same_text:,}", "posts compared", f"of {found.a.posts:,} in A and {found.b.posts:,} in B"),
        (words.percent(sentiment.agreement.share), "same sentiment", words.percents(sentiment.agreement.interval)),
        (
            words.number(sentiment.agreement.kappa),
            "sentiment kappa",
            words.numbers(sentiment.agreement.kappa_interval),
        ),
        (words.percent(language.share), "same language", f"kappa {words.number(language.kappa)}"),
        (words.number(topics.mean_kappa), "mean topic kappa", words.numbers(topics.mean_kappa_interval)),
        (words.number(sentiment.mean_distance), "mean distance", "of the sentiment probabilities"),
    ]
    if largest is not None:
        tiles.append((words.points(largest.difference), "largest daily change", f"negative, {largest.day}"))
    shown = (f'<div class="tile"><b>{value}</b>{label}<span>{detail}</span></div>' for value, label, detail in tiles)
    return f'<div class="tiles">{"".join(shown)}</div>'


def _models(side: str, run: ComparedRun) -> str:
    return "".join(
        f'<li><span class="{side.lower()}">{side}</span> <bdi>{safe(words.model(model))}</bdi></li>'
        for model in run.models
    )


def _daily(title: str, kind: str, changes: tuple[Change, ...], rows: int) -> str:
    if not changes:
        return ""
    more = f'<p class="soft">The first {rows} of {len(changes):,}.</p>' if len(changes) > rows else ""
    return f"<h3>{title}</h3>{dumbbells(changes[:rows], kind)}{more}"


def _post(post: ChangedPost) -> str:
    return (
        f'<article class="post"><blockquote dir="auto">{safe(post.text)}</blockquote><dl>'
        f'<dt class="a">A</dt><dd><bdi>{safe(words.reading(post.a))}</bdi></dd>'
        f'<dt class="b">B</dt><dd><bdi>{safe(words.reading(post.b))}</bdi></dd>'
        f'<dt>distance</dt><dd>{words.number(post.distance)} <span class="soft">'
        f"<bdi>{safe(f'{post.source}:{post.id}')}</bdi>, {words.moment(post.created_at)} UTC</span></dd></dl></article>"
    )
