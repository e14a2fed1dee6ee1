"""What `tagpulse compare --json` writes: one object, a `Comparison`, whose keys are the fields below.

Shares, effects, agreements and probabilities are from 0 to 1 (effects and kappa from -1 to 1); intervals are two numbers
at 95 % confidence; null is a value that does not exist, such as the share of no posts. Later versions only add fields.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from streams.compare.kappa import Interval

FEW = 50
"""Below this many posts a measure is marked `few`: its interval is a rough one."""


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parts."""


class ComparedPosts(_Part, frozen=True, kw_only=True):
    """What was compared: posts of event time from `since` (included) to `until` (excluded), with the hashtag."""

    since: datetime | None = None
    until: datetime | None = None
    hashtag: str | None = None


class Model(_Part, frozen=True, kw_only=True):
    """A model and how many posts of the run it enriched."""

    name: str
    version: str
    runtime: str | None
    precision: str | None
    posts: int


class ComparedRun(_Part, frozen=True, kw_only=True):
    """A run and its models, the one of most posts first."""

    name: str
    posts: int
    models: tuple[Model, ...]


class Overlap(_Part, frozen=True, kw_only=True):
    """Posts by source and id. The labels of `same_text` are compared; `edited` ones have another text in each run."""

    both: int
    same_text: int
    edited: int
    only_a: int
    only_b: int


class Agreement(_Part, frozen=True, kw_only=True):
    """How often the runs gave the same label, with Wilson's interval, and Cohen's kappa with that of Fleiss, Cohen and
    Everitt. Kappa is null when every post has the same one label, its interval also when all labels agree."""

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
    """A task with one label a post. The agreement is that of all labels, also where the matrix has them as `other`."""

    matrix: Matrix
    agreement: Agreement


class LanguageAgreement(_Part, frozen=True, kw_only=True):
    """Agreement on the sentiment of the posts that A holds to be in a language."""

    language: str
    agreement: Agreement


class SentimentComparison(LabelComparison, frozen=True, kw_only=True):
    """The labels, by language too (most posts first), and the mean total variation distance of the probabilities."""

    by_language: tuple[LanguageAgreement, ...]
    mean_distance: float | None


class TopicChange(_Part, frozen=True, kw_only=True):
    """How many posts kept a topic, lost it (A has it, B not) and gained it."""

    topic: str
    kept: int
    lost: int
    gained: int
    kappa: float | None
    kappa_interval: Interval | None


class Topics(_Part, frozen=True, kw_only=True):
    """A task with any number of labels a post: `agreed` posts have the same set in both runs; `mean_kappa` is the mean
    of the topics' kappas, as far as they have a value, with an interval that heeds that a post counts for all topics."""

    posts: int
    agreed: int
    mean_kappa: float | None
    mean_kappa_interval: Interval | None
    topics: tuple[TopicChange, ...]


class Cause(_Part, frozen=True, kw_only=True):
    """A part of a difference: `posts` of a kind move the share of negative posts by `effect`.

    Kinds: `neutral_to_negative` and the like, flips of posts with the same text; `edited`, flips of posts with another
    text in each run; `moved_out` and `moved_in`, posts that A or B alone has in this group, though both runs have them
    (another language, or an edited hashtag); `only_a` and `only_b`, posts that only this run has.
    """

    kind: str
    posts: int
    effect: float


class Change(_Part, frozen=True, kw_only=True):
    """The share of negative posts of one day (UTC) in one group. `difference` is that of B less that of A, and the sum of
    the effects of its causes; null, and without causes, where a run has no post in the group. `group` is the hashtag
    or language: "" for posts without hashtag, and for all posts of the day. `few`: neither run has many posts in it."""

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
    """What moved the daily numbers, each list by the size of the difference, groups of few posts after the others. Hashtags are
    the most frequent ones."""

    all: tuple[Change, ...]
    hashtags: tuple[Change, ...]
    languages: tuple[Change, ...]


class PostLabels(_Part, frozen=True, kw_only=True):
    """What a run made of a post."""

    language: str
    sentiment: str
    negative: float
    neutral: float
    positive: float


class ChangedPost(_Part, frozen=True, kw_only=True):
    """A post with the same text in both runs. `distance` is the total variation distance of the probabilities of the
    three sentiments: half the sum of the absolute differences, 0 for equal ones, 1 for opposite certainties."""

    source: str
    id: str
    created_at: datetime
    text: str
    distance: float
    a: PostLabels
    b: PostLabels


class Comparison(_Part, frozen=True, kw_only=True):
    """Two runs, B against A."""

    a: ComparedRun
    b: ComparedRun
    selection: ComparedPosts
    overlap: Overlap
    warnings: tuple[str, ...]
    sentiment: SentimentComparison
    language: LabelComparison
    topics: Topics
    campaign: LabelComparison
    daily: Daily
    changed: tuple[ChangedPost, ...]
