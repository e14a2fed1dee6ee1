"""How far a back end gives the labels of the full-precision model, and the same ones whatever the neighbours."""

from collections.abc import Sequence

from msgspec import Struct

from models.enricher import CachedEnricher
from models.enrichment import Enrichment, ModelInfo
from models.evaluation.answers import Advance, ask, model_of, silent
from models.evaluation.measures import fraction


class BackendAgreement(Struct, frozen=True, kw_only=True):
    """Shares (0 to 1) of what is the same.

    Attributes:
        sentiment: posts with the same label.
        language: posts with the same code.
        topics: posts with the same set of topics.
        topic_labels: pairs of post and topic where both say that the post has it, or both that it has not.
        largest_difference: of a sentiment's probability.
    """

    sentiment: float
    language: float
    topics: float
    topic_labels: float
    largest_difference: float


class AgreementReport(Struct, frozen=True, kw_only=True):
    """What `eval agreement --json` prints.

    Attributes:
        exact: with the full-precision model.
        alone: with itself, each post asked for alone instead of in a batch.
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
    """Ask for all texts in batches, in full precision, and one by one; neither model may remember answers."""
    answers = ask(enricher, texts, advance)
    reference = ask(exact, texts, advance)
    topics = len({*enricher.topics, *exact.topics})
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
    pairs = list(zip(answers, others, strict=True))

    def share(same: Sequence[bool]) -> float:
        return fraction(sum(same) / len(same))

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
