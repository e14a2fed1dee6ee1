"""Third-party models in place of the shipped one: a text classifier each for sentiment, language and topics."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from models.backends import Runtime
from models.backends.choice import WantedPrecision, full_precision, missing_packages
from models.campaign import CampaignTopic
from models.enricher import DEFAULT_CACHE_SIZE, NO_LANGUAGE, CachedEnricher, Prepared
from models.enrichment import SENTIMENTS, CampaignScore, Enrichment, LabelScore, Language, ModelInfo, Sentiment
from models.errors import BackendError, HubModelError, MissingBackendExtra
from models.hub_labels import languages_of, moods_of
from models.probabilities import Logits, rounded, sigmoid, softmax
from models.text import has_words

if TYPE_CHECKING:
    from models.backends.hub import HubClassifier

Task = Literal["sentiment", "language", "topic"]

TOPIC_THRESHOLD = 0.5

_PACKAGES = ("torch", "transformers", "safetensors")
_NEUTRAL = Sentiment(label="neutral", negative=0.0, neutral=1.0, positive=0.0)
_UNKNOWN_LANGUAGE = Language(code=NO_LANGUAGE, score=0.0)
_NO_CAMPAIGN = CampaignScore(name=None, score=0.0)


class HubEnricher(CachedEnricher):
    """Third-party classifiers behind a cache.

    A task without a model gets a default answer: language `und` with score 0, neutral sentiment, no topics. Campaign
    topics are not scored, because they need the vectors of the shipped model.
    """

    def __init__(
        self,
        classifiers: "dict[Task, HubClassifier]",
        *,
        runtime: Runtime,
        topic_threshold: float = TOPIC_THRESHOLD,
        cache_size: int = DEFAULT_CACHE_SIZE,
    ) -> None:
        """Map the labels of the classifiers to ours.

        Args:
            classifiers: The classifier of each task.
            runtime: Back end and precision of the classifiers.
            topic_threshold: Minimum score for assigning a topic, if the topic model is multi-label.
            cache_size: Number of distinct texts to cache.

        Raises:
            HubModelError: If the labels of a classifier are not recognised.
        """
        model = ModelInfo(
            name=" + ".join(each.name for each in classifiers.values()),
            version=" + ".join(each.version for each in classifiers.values()),
            runtime=runtime.name,
            precision=runtime.precision,
        )
        super().__init__(model, runtime, cache_size)
        self._classifiers = classifiers
        self._topic_threshold = topic_threshold
        self._sentiment_indices = _sentiment_indices(classifiers.get("sentiment"))
        self._languages = _languages(classifiers.get("language"))

    @classmethod
    def load(
        cls,
        *,
        sentiment: str | None = None,
        language: str | None = None,
        topic: str | None = None,
        topic_threshold: float = TOPIC_THRESHOLD,
        precision: WantedPrecision = "auto",
        threads: int | None = None,
        cache_size: int = DEFAULT_CACHE_SIZE,
        campaign_topics: Sequence[CampaignTopic] = (),
    ) -> Self:
        """Load the given models, each a folder or a name on the Hugging Face hub (NAME or NAME@REVISION).

        Raises:
            HubModelError: If a model cannot be loaded, or its labels are not recognised.
            BackendError: If no model is given, campaign topics are given, or the precision is not available;
                MissingBackendExtra if installing an extra would fix it.
        """
        if missing_packages(*_PACKAGES):
            raise MissingBackendExtra("hub", "torch")
        if campaign_topics:
            raise BackendError(
                "the hub back end cannot score campaign topics: remove the [[topics]] from the campaign file"
            )
        wanted: dict[Task, str | None] = {"sentiment": sentiment, "language": language, "topic": topic}
        named = {task: name for task, name in wanted.items() if name}
        if not named:
            raise BackendError("the hub back end needs a model for sentiment, language or topic: choose at least one")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from models.backends.hub import HubClassifier

        runtime = full_precision("hub", precision)._replace(name="torch")
        classifiers = {
            task: HubClassifier(task, name, precision=runtime.precision, threads=threads or os.cpu_count() or 1)
            for task, name in named.items()
        }
        return cls(classifiers, runtime=runtime, topic_threshold=topic_threshold, cache_size=cache_size)

    def labels_of(self, head: str) -> tuple[str, ...]:
        """Return the labels of the topic model, unchanged; there are no models for emotions and acts."""
        classifier = self._classifiers.get("topic") if head == "topics" else None
        return classifier.labels if classifier else ()

    def _compute(self, prepared: Sequence[Prepared]) -> list[Enrichment]:
        texts = [each.text for each in prepared]
        logits = {task: classifier.logits(texts) for task, classifier in self._classifiers.items()}
        missing: list[None] = [None] * len(prepared)
        sentiments = self._sentiments(logits["sentiment"]) if "sentiment" in logits else missing
        languages = self._detected_languages(texts, logits["language"]) if "language" in logits else missing
        topics = self._topics(logits["topic"]) if "topic" in logits else missing
        return [
            Enrichment(
                language=languages[row] or _UNKNOWN_LANGUAGE,
                sentiment=sentiments[row] or _NEUTRAL,
                topics=topics[row] or (),
                campaign=_NO_CAMPAIGN,
                model=self._model,
            )
            for row in range(len(prepared))
        ]

    def _sentiments(self, logits: Logits) -> list[Sentiment]:
        labels = softmax(logits)
        probabilities = np.zeros((len(labels), len(SENTIMENTS)))
        for column, index in enumerate(self._sentiment_indices):
            probabilities[:, index] += labels[:, column]
        return [
            Sentiment(
                label=SENTIMENTS[int(row.argmax())],
                negative=rounded(row[0]),
                neutral=rounded(row[1]),
                positive=rounded(row[2]),
            )
            for row in probabilities
        ]

    def _detected_languages(self, prepared: Sequence[str], logits: Logits) -> list[Language]:
        probabilities = softmax(logits)
        best = probabilities.argmax(axis=1)
        return [
            Language(code=self._languages[best[row]], score=rounded(probabilities[row, best[row]]))
            if has_words(text)
            else Language(code=NO_LANGUAGE, score=1.0)
            for row, text in enumerate(prepared)
        ]

    def _topics(self, logits: Logits) -> list[tuple[LabelScore, ...]]:
        classifier = self._classifiers["topic"]
        is_multi_label = classifier.is_multi_label
        probabilities = sigmoid(logits) if is_multi_label else softmax(logits)
        answers = []
        for row in probabilities:
            reached = np.flatnonzero(row >= self._topic_threshold) if is_multi_label else [row.argmax()]
            best_first = sorted(reached, key=lambda column: -row[column])
            answers.append(
                tuple(LabelScore(name=classifier.labels[each], score=rounded(row[each])) for each in best_first)
            )
        return answers


def _sentiment_indices(classifier: "HubClassifier | None") -> tuple[int, ...]:
    if classifier is None:
        return ()
    indices = moods_of(classifier.labels)
    if indices is None:
        labels = ", ".join(classifier.labels[:10])
        reason = f"has the labels {labels}: choose one with negative, neutral and positive, or with 1 to 5 stars"
        raise HubModelError("sentiment", classifier.name, reason)
    return indices


def _languages(classifier: "HubClassifier | None") -> tuple[str, ...]:
    if classifier is None:
        return ()
    codes, unknown = languages_of(classifier.labels)
    if unknown:
        reason = f"has labels that are not languages, such as {', '.join(unknown[:5])}: choose another model"
        raise HubModelError("language", classifier.name, reason)
    return codes
