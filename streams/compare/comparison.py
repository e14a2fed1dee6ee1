"""The output of `tagpulse compare --json`: one object, a `Comparison`, whose keys are the fields below.

Shares, agreements and probabilities are from 0 to 1, effects and kappas from -1 to 1. Intervals are two numbers at 95 %
confidence. A value is null if it is undefined, such as a share when there are no posts. Later versions only add fields.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, TypeVar, cast

import msgspec

from streams.compare.kappa import Interval
from streams.contracts import SEVERAL

FEW = 50
"""With fewer posts than this, a measure is marked `few`, since its interval is only approximate."""


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base class of the parts of a comparison."""


PartT = TypeVar("PartT", bound=_Part)


class ComparedPosts(_Part, frozen=True, kw_only=True):
    """The selection of posts: event time from `since` (inclusive) to `until` (exclusive), and a hashtag."""

    since: datetime | None = None
    until: datetime | None = None
    hashtag: str | None = None


class Model(_Part, frozen=True, kw_only=True):
    """A model, and the number of posts of the run that it enriched."""

    name: str
    version: str
    runtime: str | None
    precision: str | None
    posts: int


class ComparedRun(_Part, frozen=True, kw_only=True):
    """A run and its models, the one with the most posts first."""

    name: str
    posts: int
    models: tuple[Model, ...]


class Overlap(_Part, frozen=True, kw_only=True):
    """Number of posts in both runs and in only one of them, matched by source and id.

    Those in both runs are either `same_text`, whose labels are compared, or `edited`, with a different text in each
    run.
    """

    both: int
    same_text: int
    edited: int
    only_a: int
    only_b: int


class Agreement(_Part, frozen=True, kw_only=True):
    """Share of posts with the same label in both runs, with Wilson's interval, and Cohen's kappa.

    The interval of kappa is that of Fleiss, Cohen and Everitt. Kappa is null if all posts have one and the same label;
    its interval is null also if all labels agree.
    """

    posts: int
    agreed: int
    share: float | None
    interval: Interval | None
    kappa: float | None
    kappa_interval: Interval | None
    few: bool


class Matrix(_Part, frozen=True, kw_only=True):
    """`counts[i][j]` posts have the label `labels[i]` in A and `labels[j]` in B."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class LabelComparison(_Part, frozen=True, kw_only=True):
    """Comparison of a task with one label per post.

    The agreement takes all labels into account, even those that the matrix combines as `other`.
    """

    matrix: Matrix
    agreement: Agreement


class LanguageAgreement(_Part, frozen=True, kw_only=True):
    """Agreement on the sentiment of the posts that are in this language according to A."""

    language: str
    agreement: Agreement


class SentimentComparison(LabelComparison, frozen=True, kw_only=True):
    """Comparison of the sentiment, overall and by language (most posts first).

    `mean_distance` is the mean total variation distance of the probabilities.
    """

    by_language: tuple[LanguageAgreement, ...]
    mean_distance: float | None


class LabelChange(_Part, frozen=True, kw_only=True):
    """Number of posts that kept a label, lost it (only A has it) or gained it (only B has it).

    In JSON, `label` has the word for a label, such as `topic`.
    """

    label: str
    kept: int
    lost: int
    gained: int
    kappa: float | None
    kappa_interval: Interval | None


class LabelSets(_Part, frozen=True, kw_only=True):
    """Comparison of a task with any number of labels per post.

    `agreed` is the number of posts with the same set of labels in both runs. `mean_kappa` is the mean of the defined
    kappas of the labels; its interval takes into account that every post counts for all labels. In JSON, `labels` has
    the name of the task, such as `topics`.
    """

    posts: int
    agreed: int
    mean_kappa: float | None
    mean_kappa_interval: Interval | None
    labels: tuple[LabelChange, ...]


def _renamed(base: type[PartT], field: str, name: str) -> type[PartT]:
    """Return a subclass whose field has another name in JSON."""
    title = f"{name.capitalize()}{base.__name__}"
    # only fields of the class itself are renamed
    made = msgspec.defstruct(title, [(field, Any)], bases=(base,), rename={field: name}, frozen=True, kw_only=True)
    return cast("type[PartT]", made)


LABEL_CHANGES = {name: _renamed(LabelChange, "label", one) for name, one in SEVERAL.items()}
LABEL_SETS = {name: _renamed(LabelSets, "labels", name) for name in SEVERAL}


class Cause(_Part, frozen=True, kw_only=True):
    """Part of a difference: `posts` posts of a kind changed the share of negative posts by `effect`.

    The kinds are:
        neutral_to_negative and similar: Posts with the same text whose label flipped.
        edited: Posts with a different text in each run whose label flipped.
        moved_out, moved_in: Posts in both runs that are in this group only in A or only in B, because of another
            language or an edited hashtag.
        only_a, only_b: Posts that are only in this run.
    """

    kind: str
    posts: int
    effect: float


class Change(_Part, frozen=True, kw_only=True):
    """Change in the share of negative posts of one day (UTC) and group.

    `group` is the hashtag or language, and "" for posts without a hashtag and for all posts of the day. `difference` is
    the share in B minus that in A, and equals the sum of the effects of the causes; if a run has no posts in the group,
    it is null and there are no causes. `few` means that neither run has many posts in the group.
    """

    day: date
    group: str
    posts_a: int
    posts_b: int
    negative_a: int
    negative_b: int
    share_a: float | None
    share_b: float | None
    difference: float | None
    few: bool
    causes: tuple[Cause, ...]


class Daily(_Part, frozen=True, kw_only=True):
    """Changes in the daily numbers overall, for the most frequent hashtags, and by language.

    Each list starts with the largest difference; groups with few posts come last.
    """

    all: tuple[Change, ...]
    hashtags: tuple[Change, ...]
    languages: tuple[Change, ...]


class PostLabels(_Part, frozen=True, kw_only=True):
    """The labels that a run gave to a post."""

    language: str
    sentiment: str
    negative: float
    neutral: float
    positive: float


class ChangedPost(_Part, frozen=True, kw_only=True):
    """A post with the same text in both runs.

    `distance` is the total variation distance of the probabilities of the three sentiments, i.e. half the sum of the
    absolute differences: 0 if they are equal, 1 if each run is certain of a different sentiment.
    """

    source: str
    id: str
    created_at: datetime
    text: str
    distance: float
    a: PostLabels
    b: PostLabels


class Comparison(_Part, frozen=True, kw_only=True):
    """The comparison of run B with run A."""

    a: ComparedRun
    b: ComparedRun
    selection: ComparedPosts
    overlap: Overlap
    warnings: tuple[str, ...]
    sentiment: SentimentComparison
    language: LabelComparison
    topics: LabelSets
    emotions: LabelSets
    acts: LabelSets
    campaign: LabelComparison
    daily: Daily
    changed: tuple[ChangedPost, ...]

    def label_sets(self) -> dict[str, LabelSets]:
        """Return the comparison of each task with any number of labels per post, by its name."""
        return {name: getattr(self, name) for name in SEVERAL}
