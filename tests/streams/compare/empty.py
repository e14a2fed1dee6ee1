"""A comparison of two runs without posts, for tests to fill in."""

from __future__ import annotations

from datetime import date

from streams.compare.comparison import (
    Agreement,
    Change,
    ComparedPosts,
    ComparedRun,
    Comparison,
    Daily,
    LabelComparison,
    LabelSets,
    Matrix,
    Overlap,
    SentimentComparison,
)

AGREEMENT = Agreement(posts=0, agreed=0, share=None, interval=None, kappa=None, kappa_interval=None, few=True)
MATRIX = Matrix(labels=(), counts=())
NO_SETS = LabelSets(posts=0, agreed=0, mean_kappa=None, mean_kappa_interval=None, labels=())
COMPARISON = Comparison(
    a=ComparedRun(name="live", posts=0, models=()),
    b=ComparedRun(name="again", posts=0, models=()),
    selection=ComparedPosts(),
    overlap=Overlap(both=0, same_text=0, edited=0, only_a=0, only_b=0),
    warnings=(),
    sentiment=SentimentComparison(matrix=MATRIX, agreement=AGREEMENT, by_language=(), mean_distance=None),
    language=LabelComparison(matrix=MATRIX, agreement=AGREEMENT),
    topics=NO_SETS,
    emotions=NO_SETS,
    acts=NO_SETS,
    campaign=LabelComparison(matrix=MATRIX, agreement=AGREEMENT),
    daily=Daily(all=(), hashtags=(), languages=()),
    changed=(),
)
CHANGE = Change(
    day=date(2026, 6, 20),
    group="",
    posts_a=0,
    posts_b=0,
    negative_a=0,
    negative_b=0,
    share_a=None,
    share_b=None,
    difference=None,
    few=False,
    causes=(),
)
