"""Summarises a spike in a few sentences of plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from streams.contracts import Driver, Explanation, SpikeKind
from streams.spikes.term_counts import TONE
from streams.text.safe_text import readable

_DOMINANT = 0.3
"""A text or an account with at least this share of a spike is named as its cause."""
_MANY_POSTS = 5
_MIN_SHARE = 0.08
"""A name with a smaller share may be over-represented, but is not what the spike is about."""
_MIN_RATE = 0.005
_TERMS = 3
_CAMPAIGN_TOPICS = 1
_TOPICS = 2
_LABELS = 2
_NAME_LENGTH = 40
_TEXT_LENGTH = 80


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a spike; unknown ones are None."""

    posts: int = 0
    negative: int = 0
    share: float | None = None
    baseline: float | None = None
    rate: float | None = None
    usual_rate: float | None = None


def summarise(kind: SpikeKind, hashtag: str, figures: Figures, explanation: Explanation) -> str:
    """Return what happened and what it is about. Names and texts from posts are sanitised."""
    tag = f"#{_name(hashtag)}"
    about = _join([name for name in map(_name, _subjects(explanation)) if name])
    match kind:
        case "negative":
            return f"{tag}: {_mood(figures)}. {_cause(kind, figures, explanation, about)}{_tone(explanation)}"
        case "volume":
            return f"{tag}: {_volume(figures)}. {_cause(kind, figures, explanation, about)}{_tone(explanation)}"
        case "silence":
            before = f" Before, it was about {about}." if about else ""
            return f"{tag} has fallen silent: {_volume(figures)}.{before}"


def percent(share: float) -> str:
    """Format a share as a percentage, e.g. 52 %."""
    return f"{100 * share:.0f} %"


def pace(rate: float) -> str:
    """Format posts per minute, e.g. 39, 3.9, 0.04 or 0."""
    if rate < _MIN_RATE:
        return "0"
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"


def _mood(figures: Figures) -> str:
    share = figures.share
    if share is None:
        share = figures.negative / figures.posts if figures.posts else 0.0
    usually = "" if figures.baseline is None else f", usually {percent(figures.baseline)}"
    return f"{percent(share)} negative ({figures.negative} of {figures.posts} posts){usually}"


def _volume(figures: Figures) -> str:
    now = f"{figures.posts} posts" if figures.rate is None else f"{pace(figures.rate)} posts a minute"
    return now if figures.usual_rate is None else f"{now}, usually {pace(figures.usual_rate)}"


def _cause(kind: SpikeKind, figures: Figures, explanation: Explanation, about: str) -> str:
    posts = figures.negative if kind == "negative" else figures.posts
    them = "the negative posts" if kind == "negative" else "them"
    if _is_dominant(explanation.top_text_share, posts):
        text = readable(explanation.top_text, _TEXT_LENGTH)
        return f"One repeated text makes up {percent(explanation.top_text_share)} of {them}: “{text}”."
    alone = ""
    if explanation.top_author and _is_dominant(explanation.top_author_share, posts):
        author = _name(explanation.top_author)
        alone = f"one account, {author}, wrote {percent(explanation.top_author_share)} of {them}"
    if about:
        return f"It is about {about}{'; ' if alone else ''}{alone}."
    return f"{alone[0].upper()}{alone[1:]}." if alone else "No one term or topic stands out."


def _tone(explanation: Explanation) -> str:
    """Return what else rose, such as the emotions: they tell a day of mourning from a day of anger."""
    labels = [_names(getattr(explanation, part), _LABELS) for part in TONE]
    risen = [name for name in map(_name, chain.from_iterable(labels)) if name]
    return f" More frequent than usual: {_join(risen)}." if risen else ""


def _is_dominant(share: float, posts: int) -> bool:
    return share >= _DOMINANT and share * posts >= _MANY_POSTS


def _subjects(explanation: Explanation) -> list[str]:
    """Return the campaign's topics, then terms; the model's topics if there is neither."""
    names = [
        *_names(explanation.campaign_topics, _CAMPAIGN_TOPICS),
        *_names(explanation.terms, _TERMS),
    ] or _names(explanation.topics, _TOPICS)
    return list(dict.fromkeys(name.replace("_", " ") for name in names))


def _names(found: Sequence[Driver], limit: int) -> list[str]:
    # names without a score are the most frequent ones before a silence
    return [driver.name for driver in found if driver.share >= _MIN_SHARE or not driver.score][:limit]


def _name(text: str) -> str:
    return readable(text, _NAME_LENGTH)


def _join(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
