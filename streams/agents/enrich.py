"""`posts.raw` → `posts.enriched`: adds the answer of the model; unreadable records → `posts.dead`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import msgspec

from models.artefact import SentimentCheck
from models.enricher import TextEnricher
from models.enrichment import Enrichment
from streams import metrics
from streams.agents.dead_letter import Limit, dead_letter, outgoing
from streams.contracts import (
    DeadLetter,
    Deletion,
    EnrichedPost,
    Post,
    decode_raw,
    encode,
    utc_now,
)
from streams.errors import BadMessage, Refused
from streams.kafka.publisher import Outgoing, Oversize, Publisher
from streams.retry.halving import Halving
from streams.runtime.lossless import Record
from streams.settings import Settings, TopicsSettings

logger = logging.getLogger(__name__)

WORKER = "enrich"


Result = EnrichedPost | Deletion | DeadLetter


class Handled(NamedTuple):
    """A record and the result of processing it."""

    record: Record
    result: Result


class Enrich:
    """The processing of the enrich worker: decodes on the event loop and runs the model in its own thread."""

    def __init__(self, enricher: TextEnricher, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        self._enricher = enricher
        self._max_post_bytes = settings.enrich.max_post_bytes
        self._letter_limit = settings.topics.dead_limit
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._limit = Limit(WORKER, settings.worker)
        self._lookups = (0, 0)

    async def process(self, records: Sequence[Record]) -> list[Handled]:
        """Return the result of each record, in order.

        Raises:
            DeadLetterLimit: Too many of the last records failed.
        """
        results: dict[int, Result] = {}
        posts: dict[int, Post] = {}
        for index, record in enumerate(records):
            try:
                message = self._read(record)
            except BadMessage as error:
                results[index] = dead_letter(record, error, self._clock(), self._letter_limit)
            else:
                if isinstance(message, Post):
                    posts[index] = message
                else:
                    results[index] = message
        if posts:
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._thread, self._timed, list(posts.values()))
            now = self._clock()
            for (index, post), answer in zip(posts.items(), answers, strict=True):
                if isinstance(answer, Exception):
                    failure = BadMessage("enrichment_failed", f"{type(answer).__name__}: {answer}")
                    results[index] = dead_letter(records[index], failure, now, self._letter_limit)
                else:
                    results[index] = _enriched(post, answer, now)
        handled = [Handled(record, results[index]) for index, record in enumerate(records)]
        self._limit.check([result for _, result in handled])
        return handled

    def _read(self, record: Record) -> Post | Deletion:
        size = len(record.value or b"")
        if size > self._max_post_bytes:
            limit = f"{self._max_post_bytes} (TAGPULSE_ENRICH__MAX_POST_BYTES)"
            raise BadMessage("oversize", f"the record has {size} bytes; the limit is {limit}")
        return decode_raw(record.value, record.headers)

    def _timed(self, posts: Sequence[Post]) -> list[Enrichment | Exception]:
        started = time.perf_counter()
        answers = self._answers(posts)
        metrics.INFERENCE.observe(time.perf_counter() - started)
        self._count_lookups()
        return answers

    def _answers(self, posts: Sequence[Post]) -> list[Enrichment | Exception]:
        """Return the model's answers, and the error of each post that it fails on."""
        answers: list[Enrichment | Exception] = []
        for part in (parts := Halving(posts)):
            try:
                answers += list(
                    self._enricher.enrich([post.text for post in part], [post.language_hint for post in part])
                )
            except Exception as error:
                if len(part) > 1:
                    parts.split(part)
                else:
                    logger.warning("the model failed on a post, which is sent to the dead-letter topic: %r", error)
                    answers.append(error)
        return answers

    def _count_lookups(self) -> None:
        info = self._enricher.cache_info()
        metrics.CACHE.labels("hit").inc(info.hits - self._lookups[0])
        metrics.CACHE.labels("miss").inc(info.misses - self._lookups[1])
        self._lookups = (info.hits, info.misses)


def _enriched(post: Post, answer: Enrichment, now: datetime) -> EnrichedPost:
    return EnrichedPost(post=post, enriched_at=now, **msgspec.structs.asdict(answer))


class EnrichedOutput:
    """Sends each batch to its topics and counts it once Kafka has confirmed it."""

    def __init__(
        self,
        publisher: Publisher,
        topics: TopicsSettings,
        hashtags: metrics.BoundedLabel,
        clock: Callable[[], datetime] = utc_now,
        *,
        check: SentimentCheck | None = None,
    ) -> None:
        """Create the output of a model.

        Args:
            publisher: Sends the results.
            topics: The topics to send them to.
            hashtags: Label of the hashtags.
            clock: The current time.
            check: How to estimate the accuracy of the model; it is not estimated if None.
        """
        self._publisher = publisher
        self._topics = topics
        self._hashtags = hashtags
        self._sources = metrics.BoundedLabel((), metrics.MAX_SOURCES)
        self._clock = clock
        self._check = check

    async def write(self, batch: Sequence[Handled]) -> None:
        """Send a batch; return once Kafka has confirmed it. A result too large for its topic becomes a dead letter.

        Raises:
            Refused: Kafka will never accept the records.
        """
        handled = list(batch)
        sent = [self._outgoing(record, message) for record, message in handled]
        while True:
            try:
                await self._publisher.publish(sent)
            except Oversize as error:
                index = next(index for index, record in enumerate(sent) if record is error.record)
                record, result = handled[index]
                if isinstance(result, DeadLetter):
                    raise Refused(
                        f"the dead letter of {record.location} is too large: {error}; "
                        "compare the topic settings with `tagpulse topics check`"
                    ) from error
                refused = BadMessage("oversize", f"the result is too large: {error}")
                letter = dead_letter(record, refused, self._clock(), self._topics.dead_limit)
                handled[index] = Handled(record, letter)
                sent[index] = self._outgoing(record, letter)
            else:
                break
        self._count([message for _, message in handled])

    async def flush(self) -> None:
        """Do nothing: `write` is already durable."""

    def _outgoing(self, record: Record, result: Result) -> Outgoing:
        if isinstance(result, DeadLetter):
            return outgoing(result, self._topics.dead)
        return Outgoing(self._topics.enriched, result.key, encode(result), record.timestamp_ms, record.location)

    def _count(self, results: Sequence[Result]) -> None:
        now = self._clock()
        for result in results:
            if isinstance(result, EnrichedPost):
                self._count_post(result)
                if result.post.collected_at is not None:
                    metrics.END_TO_END.observe(max(0.0, (now - result.post.collected_at).total_seconds()))
            elif isinstance(result, Deletion):
                metrics.DELETIONS.labels(self._sources.of(result.source)).inc()
            else:
                metrics.DEAD_LETTERS.labels(WORKER, result.reason).inc()

    def _count_post(self, enriched: EnrichedPost) -> None:
        source = self._sources.of(enriched.post.source)
        language, sentiment = enriched.language.code, enriched.sentiment.label
        if self._check:
            metrics.JUDGED.labels(language).inc()
            metrics.SURE.labels(language).inc(self._check.is_sure(enriched.sentiment))
        for hashtag in self._hashtags.among(enriched.post.hashtags):
            metrics.ENRICHED.labels(source, hashtag, language, sentiment).inc()
            for name, counter in metrics.LABELS.items():
                for label in getattr(enriched, name):
                    counter.labels(hashtag, label.name).inc()
            if enriched.campaign.name is not None:
                metrics.CAMPAIGN_TOPICS.labels(hashtag, enriched.campaign.name).inc()
