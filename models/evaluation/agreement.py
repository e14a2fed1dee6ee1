"""Agreement of a back end with the full-precision model, and with itself on single posts."""

from collections.abc import Sequence
from statistics import fmean

from msgspec import Struct

from models.enricher import CachedEnricher
from models.enrichment import Enrichment, ModelInfo
from models.evaluation.answers import Advance, ask, model_of, silent
from models.evaluation.measures import fraction


class BackendAgreement(Struct, frozen=True, kw_only=True):
    """Agreement of two sets of answers, as shares (0 to 1).

    Attributes:
        sentiment: Posts with the same sentiment label.
        language: Posts with the same language code.
        topics: Posts with the same set of topics.
        topic_labels: Pairs of post and topic on which both agree.
        largest_difference: Largest difference in the probability of a sentiment.
    """

    sentiment: float
    language: float
    topics: float
    topic_labels: float
    largest_difference: float


class AgreementReport(Struct, frozen=True, kw_only=True):
    """The report printed by `eval agreement --json`.

    Attributes:
        exact: Agreement with the full-precision model.
        alone: Agreement of the model in batches with itself on single posts.
    """

    task: str = "agreement"
    posts: int
    exact: BackendAgreement
    alone: BackendAgreement
    model: ModelInfo
    reference: ModelInfo


def agreement_report(
    enricher: CachedEnricher, exact: CachedEnricher, texts: Sequence[str], advance: Advance = silent
) -> AgreementReport:
    """Compare the answers in batches with those in full precision and with those one by one.

    Neither model may have a cache.
    """
    answers = ask(enricher, texts, advance)
    reference = ask(exact, texts, advance)
    topics = len({*enricher.labels_of("topics"), *exact.labels_of("topics")})
    alone: list[Enrichment] = []
    for text in texts:
        alone += enricher.enrich([text])
        advance(1)
    return AgreementReport(
        posts=len(texts),
        exact=_agreement(answers, reference, topics),
        alone=_agreement(answers, alone, topics),
        model=model_of(enricher),
        reference=model_of(exact),
    )


def _agreement(answers: Sequence[Enrichment], others: Sequence[Enrichment], topics: int) -> BackendAgreement:
    """Return shares of equal answers; sets of topics are not among the labels that scikit-learn compares."""
    pairs = list(zip(answers, others, strict=True))

    def share(same: Sequence[bool]) -> float:
        return fraction(fmean(same))

    other_topics = sum(len(_topics(one) ^ _topics(other)) for one, other in pairs)
    return BackendAgreement(
        sentiment=share([one.sentiment.label == other.sentiment.label for one, other in pairs]),
        language=share([one.language.code == other.language.code for one, other in pairs]),
        topics=share([_topics(one) == _topics(other) for one, other in pairs]),
        topic_labels=fraction(1 - other_topics / max(1, topics * len(pairs))),
        largest_difference=fraction(max(_difference(one, other) for one, other in pairs)),
    )


def _topics(answer: Enrichment) -> set[str]:
    return {topic.name for topic in answer.topics}


def _difference(one: Enrichment, other: Enrichment) -> float:
    mine, theirs = one.sentiment, other.sentiment
    return max(
        abs(mine.negative - theirs.negative), abs(mine.neutral - theirs.neutral), abs(mine.positive - theirs.positive)
    )
