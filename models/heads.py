"""The heads of the model: the list that training, graph, labels and answers are built from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from models.enrichment import ACTS, EMOTIONS, SENTIMENTS, LabelScore, Sentiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A linear head that is fitted after training.

    Attributes:
        features: What it reads: `low`, the means over tokens of the lower layers; `words`, the same without the tokens of
            placeholders; or `means`, `low` and the mean of the last layer.
        sources: Data sets that it is fitted on; if empty, all.
        penalty: The penalty of `models.training.heads:fit` or `regress`, or the strength of `fit_each`.
        share: Weight of its logits beside those of the trained head; 1 if it replaces the trained head.
    """

    features: Literal["low", "means", "words"]
    sources: tuple[str, ...] = ()
    penalty: float
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head of the model.

    Attributes:
        name: Name of the output, of the label in a `TrainingRow` and of the answer in an `Enrichment`.
        kind: `one` label applies (softmax), `several` or none apply (sigmoid), or the output is a unit `vector`.
        reads: What the trained head reads: learned means over `tokens` of an exit, their plain `mean`, or the means of the
            lower layers over the `words`, without the tokens of placeholders.
        weight: Weight of its loss.
        labels: The labels, in order; if empty, those of the training rows, sorted.
        ignored: Data sets whose labels follow other rules and are not learned.
        adjusted: Whether the logits are learned as those of equal shares of the labels (Menon et al., 2021, "Long-tail
            Learning via Logit Adjustment"): the shares in the draw of each set and language are added in training only.
        fitted: The head that is fitted after training, if there is one.
        calibrated_on: Data sets of the temperature or the thresholds. A fifth of a set that the head is also fitted on is
            left out of every training for that.
        answer: Makes the answer: from `label` and the probability of each label (`one`), or from the `name` and `score` of
            a label that reaches its threshold (`several`). None if the answer needs more than the probabilities.
    """

    name: str
    kind: Literal["one", "several", "vector"]
    reads: Literal["mean", "tokens", "words"] = "tokens"
    weight: float
    labels: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    adjusted: bool = False
    fitted: Fitted | None = None
    calibrated_on: tuple[str, ...] = ()
    answer: Callable[..., Any] | None = None


LANGUAGE_FIT = Fitted(features="words", penalty=1e-5, share=0.5)
VECTOR_FIT = Fitted(features="means", penalty=1e-2)

HEADS = {
    head.name: head
    for head in (
        Head(
            name="language",
            kind="one",
            reads="words",  # spelling is represented best in the lower layers
            weight=0.2,
            ignored=frozenset(f"semeval-{year}" for year in range(2013, 2017)),  # labelled English, but contains others
            fitted=LANGUAGE_FIT,
        ),
        Head(
            name="sentiment",
            kind="one",
            weight=1.0,
            labels=SENTIMENTS,
            adjusted=True,
            fitted=Fitted(features="low", sources=("umsab-train",), penalty=0.05, share=0.4),
            calibrated_on=("umsab-val",),
            answer=Sentiment,
        ),
        Head(
            name="topics",
            kind="several",
            weight=0.5,
            ignored=frozenset({"sib200", "sib200-held"}),
            fitted=Fitted(features="means", sources=("x_topic",), penalty=3e-3, share=0.3),
            calibrated_on=("x_topic",),
            answer=LabelScore,
        ),
        Head(
            name="emotions",
            kind="several",
            weight=0.3,
            labels=EMOTIONS,
            calibrated_on=("brighter-held", "goemotions-held"),
            answer=LabelScore,
        ),
        Head(
            name="acts",
            kind="several",
            weight=0.3,
            labels=ACTS,
            calibrated_on=("tweet_acts-held", "complaints-held"),
            answer=LabelScore,
        ),
        Head(
            name="vector",
            kind="vector",
            reads="mean",
            weight=0.1,
            fitted=VECTOR_FIT,
        ),
    )
}
"""The heads by name. The weights on disk may lack the newest, which then has no answer."""
