"""The interface between the pipeline and the models: texts in, enrichments out."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from models.artefact import Artefact, Label, ModelLabels, SentimentCheck, open_artefact
from models.backends import Backend, Outputs, Padded, Runtime
from models.backends.batching import micro_batches
from models.backends.choice import WantedBackend, WantedPrecision, choose, open_backend
from models.cache import CacheInfo, LruCache
from models.campaign import CampaignMatcher, CampaignTopic
from models.enrichment import Enrichment, Language, ModelInfo
from models.errors import ArtefactError
from models.heads import HEADS, Head
from models.languages import Hints, hinted
from models.memory import give_memory_back
from models.probabilities import Logits, rounded, sigmoid, softmax
from models.text import has_running_text, has_words, prepare
from models.tokenizer import Tokenizer

NO_LANGUAGE = "und"
HASHTAGS_THRESHOLD = 0.9
"""Probability below which the language of a text of hashtags alone is reported as `und`."""

DEFAULT_CACHE_SIZE = 100_000
"""Number of distinct texts cached before the least recently used one is evicted."""


class Prepared(NamedTuple):
    """A text as the model reads it, and the languages that its network names; equal ones get the same answer."""

    text: str
    hinted: frozenset[str]


class TextEnricher(Protocol):
    """Anything that enriches texts: a model, or a constant in its place."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def runtime(self) -> Runtime | None: ...

    @property
    def sentiment_check(self) -> SentimentCheck | None: ...

    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]: ...

    def cache_info(self) -> CacheInfo: ...


class CachedEnricher(ABC):
    """A model behind a cache. Thread-safe.

    Every text gets an answer, and the answer does not depend on the other texts of the batch.
    """

    def __init__(self, model: ModelInfo, runtime: Runtime, cache_size: int, hintable: Sequence[str] = ()) -> None:
        """Create the cache; hints of languages that are not `hintable` are ignored."""
        self._model = model
        self._runtime = runtime
        self._cache: LruCache[Prepared, Enrichment] = LruCache(cache_size)
        self._hintable = frozenset(hintable)
        self._lock = Lock()

    @property
    def name(self) -> str:
        """Name of the model, or names of the models."""
        return self._model.name

    @property
    def version(self) -> str:
        """Version of the model, or versions of the models."""
        return self._model.version

    @property
    def runtime(self) -> Runtime:
        """Back end and precision in use."""
        return self._runtime

    @property
    def sentiment_check(self) -> SentimentCheck | None:
        """How to estimate the accuracy of the sentiment without labels; None if the model cannot tell."""
        return None

    @abstractmethod
    def labels_of(self, head: str) -> tuple[str, ...]:
        """Return the labels that a head of the model can assign; empty if the model has no such head."""

    def cache_info(self) -> CacheInfo:
        """Return the counters of the cache."""
        return self._cache.info()

    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
        """Enrich texts, in order. Larger batches are faster per text.

        The hints, if any, are as many as the texts; those that are not recognised are ignored.
        """
        pairs = zip(texts, [None] * len(texts) if hints is None else hints, strict=True)
        prepared = [Prepared(prepare(text), hinted(hint, self._hintable)) for text, hint in pairs]
        with self._lock:
            return self._cache.get_all(prepared, self._compute)

    @abstractmethod
    def _compute(self, prepared: Sequence[Prepared]) -> list[Enrichment]:
        """Enrich distinct prepared texts, in order."""


class Enricher(CachedEnricher):
    """The shipped model behind a cache.

    >>> Enricher.load().enrich(["What a lovely day!"])[0].sentiment.label
    'positive'
    """

    def __init__(
        self,
        artefact: Artefact,
        backend: Backend,
        *,
        runtime: Runtime,
        cache_size: int = DEFAULT_CACHE_SIZE,
        campaign_topics: Sequence[CampaignTopic] = (),
    ) -> None:
        self._labels: ModelLabels = artefact.labels
        self._columns = artefact.labels.columns
        if missing := sorted(self._columns.keys() - set(backend.outputs)):
            raise ArtefactError(f"{artefact.model} has no output {', '.join(missing)}, which its labels name")
        model = ModelInfo(
            name=artefact.labels.name,
            version=artefact.labels.version,
            runtime=runtime.name,
            precision=runtime.precision,
        )
        hintable = artefact.labels.languages if artefact.labels.language_hint_weight else ()
        super().__init__(model, runtime, cache_size, hintable)
        self._backend = backend
        self._tokenizer = Tokenizer(artefact.tokenizer)
        self._sentiment_prior = _prior(artefact.labels)
        self._campaign = CampaignMatcher(campaign_topics, self.vectors, artefact.labels.campaign)

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        backend: WantedBackend = "auto",
        precision: WantedPrecision = "auto",
        threads: int | None = None,
        cache_size: int = DEFAULT_CACHE_SIZE,
        campaign_topics: Sequence[CampaignTopic] = (),
    ) -> Self:
        """Load a folder of model files (the shipped one by default) to run on `threads` threads (all CPUs by default).

        Raises:
            ArtefactError: If the files are missing or damaged.
            BackendError: If the back end or precision is not available here; MissingBackendExtra if installing an
                extra would fix it.
        """
        runtime = choose(backend, precision)
        artefact = open_artefact(path)
        opened = open_backend(artefact.model, runtime, threads or os.cpu_count() or 1)
        enricher = cls(artefact, opened, runtime=runtime, cache_size=cache_size, campaign_topics=campaign_topics)
        give_memory_back()
        return enricher

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP-47 codes of the languages that the model can detect."""
        return self._labels.languages

    @property
    def sentiment_check(self) -> SentimentCheck | None:
        return self._labels.sentiment_check

    def labels_of(self, head: str) -> tuple[str, ...]:
        return tuple(label.name for label in self._columns.get(head, ()))

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors (texts x width) whose cosine measures how close texts are in subject, across languages."""
        with self._lock:
            return self._run([prepare(text) for text in texts])["vector"]

    def _compute(self, prepared: Sequence[Prepared]) -> list[Enrichment]:
        outputs = self._run([each.text for each in prepared])
        named = [[code in each.hinted for code in self._labels.languages] for each in prepared]
        weights = np.where(named, np.float32(self._labels.language_hint_weight), np.float32(0))
        languages = softmax(outputs["language"] + weights)
        named_languages = [self._language(each.text, languages[row]) for row, each in enumerate(prepared)]
        codes = [language.code for language in named_languages]
        prior = (languages @ self._sentiment_prior).astype(np.float32)
        adjusted = {**outputs, "sentiment": outputs["sentiment"] + prior}
        campaigns = self._campaign.match(outputs["vector"])
        answers = {
            head.name: _answers(head, self._columns[head.name], adjusted[head.name], codes)
            for head in HEADS.values()
            if head.answer and head.name in self._columns
        }
        return [
            Enrichment(
                language=named_languages[row],
                campaign=campaigns[row],
                model=self._model,
                **{name: found[row] for name, found in answers.items()},
            )
            for row, each in enumerate(prepared)
        ]

    def _run(self, prepared: Sequence[str]) -> Outputs:
        encoded = self._tokenizer.encode([self._labels.prefix + text for text in prepared])
        batches = list(micro_batches(encoded))
        results = self._backend.run([Padded(batch.ids, batch.mask) for batch in batches])
        order = np.argsort(np.concatenate([batch.rows for batch in batches]))
        texts = [len(batch.rows) for batch in batches]
        return {name: _joined([result[name] for result in results], texts)[order] for name in self._backend.outputs}

    def _language(self, prepared: str, probabilities: npt.NDArray[np.float64]) -> Language:
        if not has_words(prepared):
            return Language(code=NO_LANGUAGE, score=1.0)
        best = int(probabilities.argmax())
        least = self._labels.language_threshold
        is_confident = probabilities[best] >= (least if has_running_text(prepared) else max(least, HASHTAGS_THRESHOLD))
        code = self._labels.languages[best] if is_confident else NO_LANGUAGE
        return Language(code=code, score=rounded(probabilities[best]))


def _answers(head: Head, labels: Sequence[Label], logits: Logits, languages: Sequence[str]) -> list[Any]:
    """Return a head's answer for each post; the thresholds of labels may depend on its language."""
    make = head.answer or dict
    names = [label.name for label in labels]
    if head.kind == "one":
        return [
            make(label=names[row.argmax()], **dict(zip(names, map(rounded, row), strict=True)))
            for row in softmax(logits)
        ]
    limits = {
        language: [label.by_language.get(language, label.threshold) for label in labels] for language in set(languages)
    }
    return [
        tuple(
            make(name=names[column], score=rounded(row[column]))
            for column in np.argsort(-row, kind="stable")
            if row[column] >= limits[language][column]
        )
        for row, language in zip(sigmoid(logits), languages, strict=True)
    ]


def _prior(labels: ModelLabels) -> npt.NDArray[np.float32]:
    """Return what is added to the logits of the sentiments in each language (languages x 3)."""
    other = labels.sentiment_prior.get("", (0.0, 0.0, 0.0))
    return np.array([labels.sentiment_prior.get(code, other) for code in labels.languages], np.float32)


def _joined(parts: Sequence[npt.NDArray[np.float32]], texts: Sequence[int]) -> npt.NDArray[np.float32]:
    return np.concatenate([part[:count] for part, count in zip(parts, texts, strict=True)])
