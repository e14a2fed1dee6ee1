"""What the pipeline knows of models: texts in, enrichments out."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from models.artefact import Artefact, Labels, open_artefact
from models.backends import Backend, Outputs, Padded
from models.backends.openvino import OpenVinoBackend
from models.batching import micro_batches
from models.cache import CacheInfo, LruCache
from models.campaign import CampaignMatcher, CampaignTopic
from models.enrichment import Enrichment, Language, ModelInfo, Sentiment, TopicScore
from models.text import QUERY_PREFIX, has_words, prepare

NO_LANGUAGE = "und"
DEFAULT_CACHE_SIZE = 100_000
"""Identical texts kept before the oldest is forgotten."""


class TextEnricher(Protocol):
    """Anything that enriches texts: the model, or a constant in its place."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def enrich(self, texts: Sequence[str]) -> list[Enrichment]: ...

    def cache_info(self) -> CacheInfo: ...


class Enricher:
    """The shipped model behind a cache. Any text gets an answer, the same whatever its neighbours; safe in threads.

    >>> Enricher.load().enrich(["What a lovely day!"])[0].sentiment.label
    'positive'
    """

    def __init__(
        self,
        artefact: Artefact,
        backend: Backend,
        *,
        cache_size: int = DEFAULT_CACHE_SIZE,
        campaign_topics: Sequence[CampaignTopic] = (),
    ) -> None:
        self._labels: Labels = artefact.labels
        self._model = ModelInfo(name=artefact.labels.name, version=artefact.labels.version)
        self._backend = backend
        self._tokenizer = Tokenizer.from_file(str(artefact.tokenizer))
        self._cache: LruCache[str, Enrichment] = LruCache(cache_size)
        self._lock = Lock()
        self._campaign = CampaignMatcher(
            campaign_topics,
            [self.vectors(topic.texts) for topic in campaign_topics],
            artefact.labels.campaign,
        )

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        threads: int | None = None,
        cache_size: int = DEFAULT_CACHE_SIZE,
        campaign_topics: Sequence[CampaignTopic] = (),
    ) -> Self:
        """Load a folder of model files (the shipped one by default) to run on `threads` threads (all by default).

        Raises:
            ArtefactError: the files are missing or damaged.
        """
        # The tokenizer's own threads would come on top of ours, and complain after a fork.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        artefact = open_artefact(path)
        backend = OpenVinoBackend(artefact.model, threads=threads or os.cpu_count() or 1)
        return cls(artefact, backend, cache_size=cache_size, campaign_topics=campaign_topics)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._model.name

    @property
    def version(self) -> str:
        """Version of the model."""
        return self._model.version

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP-47 codes the model can answer."""
        return self._labels.languages

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics the model can answer."""
        return tuple(topic.name for topic in self._labels.topics)

    def cache_info(self) -> CacheInfo:
        """Return the counters of the cache of identical texts."""
        return self._cache.info()

    def enrich(self, texts: Sequence[str]) -> list[Enrichment]:
        """Enrich texts, in their order; the larger the batch, the faster."""
        prepared = [prepare(text) for text in texts]
        with self._lock:
            answers: dict[str, Enrichment] = {}
            missing: list[str] = []
            for text in dict.fromkeys(prepared):
                if (cached := self._cache.get(text)) is None:
                    missing.append(text)
                else:
                    answers[text] = cached
            self._cache.count_shared(len(prepared) - len(answers) - len(missing))
            for text, answer in zip(missing, self._compute(missing), strict=True):
                answers[text] = answer
                self._cache.put(text, answer)
        return [answers[text] for text in prepared]

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors (texts x width) that compare what texts are about, in any language."""
        with self._lock:
            return self._run([prepare(text) for text in texts]).vector

    def _compute(self, prepared: Sequence[str]) -> list[Enrichment]:
        if not prepared:
            return []
        outputs = self._run(prepared)
        languages = _softmax(outputs.language)
        sentiments = _softmax(outputs.sentiment)
        topics = 1 / (1 + np.exp(-outputs.topics.astype(np.float64)))
        campaigns = self._campaign.match(outputs.vector)
        return [
            Enrichment(
                language=self._language(text, languages[row]),
                sentiment=self._sentiment(sentiments[row]),
                topics=self._topics(topics[row]),
                campaign=campaigns[row],
                model=self._model,
            )
            for row, text in enumerate(prepared)
        ]

    def _run(self, prepared: Sequence[str]) -> Outputs:
        encodings = self._tokenizer.encode_batch([QUERY_PREFIX + text for text in prepared])
        batches = list(micro_batches([encoding.ids for encoding in encodings]))
        results = self._backend.run([Padded(batch.ids, batch.mask) for batch in batches])
        order = np.argsort(np.concatenate([batch.rows for batch in batches]))
        texts = [len(batch.rows) for batch in batches]
        return Outputs(*(_joined(column, texts)[order] for column in zip(*results, strict=True)))

    def _language(self, prepared: str, probabilities: npt.NDArray[np.float64]) -> Language:
        if not has_words(prepared):
            return Language(code=NO_LANGUAGE, score=1.0)
        best = int(probabilities.argmax())
        return Language(code=self._labels.languages[best], score=_rounded(probabilities[best]))

    def _sentiment(self, probabilities: npt.NDArray[np.float64]) -> Sentiment:
        negative, neutral, positive = (_rounded(each) for each in probabilities)
        label = self._labels.sentiments[int(probabilities.argmax())]
        return Sentiment(label=label, negative=negative, neutral=neutral, positive=positive)

    def _topics(self, probabilities: npt.NDArray[np.float64]) -> tuple[TopicScore, ...]:
        scored = zip(self._labels.topics, probabilities, strict=True)
        reached = [TopicScore(name=label.name, score=_rounded(p)) for label, p in scored if p >= label.threshold]
        return tuple(sorted(reached, key=lambda topic: -topic.score))


def _joined(parts: Sequence[npt.NDArray[np.float32]], texts: Sequence[int]) -> npt.NDArray[np.float32]:
    return np.concatenate([part[:count] for part, count in zip(parts, texts, strict=True)])


def _softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _rounded(probability: np.float64) -> float:
    return round(float(probability), 4)
