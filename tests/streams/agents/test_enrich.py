"""How the enrich worker processes records, and what it sends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.artefact import SentimentCheck
from models.constant import ConstantEnricher
from models.enrichment import Enrichment, Language, Sentiment
from models.languages import Hints
from streams import metrics
from streams.agents.dead_letter import Limit
from streams.agents.enrich import Enrich, EnrichedOutput
from streams.contracts import DeadLetter, Deletion, EnrichedPost, Post, decode_enriched, encode
from streams.errors import DeadLetterLimit
from streams.kafka import topics
from streams.kafka.publisher import Outgoing, Publisher
from streams.processes.broker import Broker
from streams.runtime.lossless import Record
from streams.settings import Settings, WorkerSettings
from tests.conftest import SettingsFactory
from tests.helpers.letters import dead_letters_of
from tests.helpers.records import read_all
from tests.helpers.scrapes import value_of
from tests.helpers.scripted_model import ScriptedEnricher, answer

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)


def _post(post_id: str, text: str = "hello") -> Post:
    return Post(source="test", id=post_id, text=text, created_at=NOW, hashtags=("poltwt",), collected_at=NOW)


def _record(offset: int, value: bytes | None, key: bytes = b"k") -> Record:
    return Record("posts.raw", 0, offset, 1_000 + offset, key, value, ())


class FailsOn(ConstantEnricher):
    """A model that fails on any batch that contains one of the given texts."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self._texts = set(texts)

    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
        if self._texts & set(texts):
            raise RuntimeError("cannot")
        return super().enrich(texts, hints)


class Taken(Publisher):
    """A publisher whose records are confirmed at once."""

    async def publish(self, records: Sequence[Outgoing]) -> None: ...


def _enrich(model: ConstantEnricher | None = None, settings: Settings | None = None) -> Enrich:
    return Enrich(model or ConstantEnricher(), settings or Settings(), lambda: NOW)


async def test_the_model_gets_the_hint_of_each_post() -> None:
    class Hinted(ConstantEnricher):
        def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
            received.extend(zip(texts, hints or (), strict=True))
            return super().enrich(texts, hints)

    received: list[tuple[str, str | None]] = []
    posts = [
        Post(source="test", id=str(number), text=f"post {number}", created_at=NOW, language_hint=hint)
        for number, hint in enumerate(["de", None, "pt-BR"])
    ]
    await _enrich(Hinted()).process([_record(number, encode(post)) for number, post in enumerate(posts)])
    assert received == [("post 0", "de"), ("post 1", None), ("post 2", "pt-BR")]


async def test_results_keep_the_order_of_reading() -> None:
    deletion = Deletion(source="test", id="1", deleted_at=NOW)
    records = [
        _record(0, encode(_post("1"))),
        _record(1, b"{"),
        _record(2, encode(deletion)),
        _record(3, encode(_post("2"))),
    ]
    handled = await _enrich().process(records)
    assert [record for record, _ in handled] == records
    assert [type(result) for _, result in handled] == [EnrichedPost, DeadLetter, Deletion, EnrichedPost]
    assert handled[2].result == deletion


async def test_a_post_carries_the_whole_answer_of_the_model() -> None:
    wanted = answer(
        language=("de", 0.9),
        sentiment=(0.7, 0.2, 0.1),
        topics=["pets"],
        emotions=["anger", "fear"],
        acts=["complaint", "question"],
        campaign=("police dogs", 0.8),
    )
    enrich = Enrich(ScriptedEnricher({"hello": wanted}), Settings(), lambda: NOW)
    ((_, result),) = await enrich.process([_record(0, encode(_post("1")))])
    assert isinstance(result, EnrichedPost)
    assert {name: getattr(result, name) for name in wanted.__struct_fields__} == msgspec.structs.asdict(wanted)
    assert decode_enriched(encode(result)) == result


async def test_a_post_that_breaks_the_model_is_the_only_dead_letter() -> None:
    texts = [f"text {n}" for n in range(37)]
    records = [_record(n, encode(_post(str(n), text))) for n, text in enumerate(texts)]
    handled = await _enrich(FailsOn("text 5", "text 30")).process(records)
    letters = {record.offset: result for record, result in handled if isinstance(result, DeadLetter)}
    assert set(letters) == {5, 30}
    assert letters[5].reason == "enrichment_failed"
    assert letters[5].value == records[5].value
    assert "RuntimeError: cannot" in letters[5].error
    assert sum(isinstance(result, EnrichedPost) for _, result in handled) == 35


async def test_a_broken_model_stops_the_worker() -> None:
    broken = _enrich(FailsOn("hello"), Settings(worker=WorkerSettings(dead_window=20)))
    with pytest.raises(DeadLetterLimit, match=r"posts\.raw\[0\]@11: enrichment_failed"):
        await broken.process([_record(n, encode(_post(str(n)))) for n in range(12)])


@given(outcomes=st.lists(st.booleans(), max_size=300), window=st.integers(1, 50), share=st.floats(0.1, 1))
def test_the_limit_counts_only_the_last_records(outcomes: list[bool], window: int, share: float) -> None:
    limit = Limit("test", WorkerSettings(dead_window=window, dead_share=share))
    letter = DeadLetter(
        topic="t",
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=None,
        value=None,
        headers=(),
        reason="empty",
        error="",
        attempts=1,
        failed_at=NOW,
    )
    for index, failed in enumerate(outcomes):
        recent = outcomes[max(0, index + 1 - window) : index + 1]
        if failed and sum(recent) > window * share:
            with pytest.raises(DeadLetterLimit):
                limit.check([letter])
            return
        limit.check([letter if failed else "fine"])


async def test_what_is_sent_is_confirmed_counted_and_keeps_key_and_time(
    broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(broker)
    topics.create(settings)
    records = [_record(n, encode(_post(str(n))), f"test:{n}".encode()) for n in range(300)]
    records[7] = _record(7, b"no json", b"bad")
    publisher = Publisher(settings.kafka, "test", settings.topics.limits)
    output = EnrichedOutput(publisher, settings.topics, metrics.BoundedLabel((), 5), lambda: NOW)
    before = value_of(metrics.ENRICHED.labels("test", "poltwt", "und", "neutral"))
    await output.write(await _enrich().process(records))
    await publisher.close()

    sent = read_all(settings.kafka, settings.topics.enriched)
    assert {record.key: record.timestamp for record in sent} == {
        record.key: record.timestamp_ms for record in records if record.offset != 7
    }
    assert all(isinstance(decode_enriched(record.value, record.headers), EnrichedPost) for record in sent)
    assert len(read_all(settings.kafka, settings.topics.dead)) == 1
    assert value_of(metrics.ENRICHED.labels("test", "poltwt", "und", "neutral")) - before == 299


async def test_labels_are_counted_by_hashtag() -> None:
    settings = Settings()
    publisher = Taken(settings.kafka, "test", settings.topics.limits)
    output = EnrichedOutput(publisher, settings.topics, metrics.BoundedLabel((), 5), lambda: NOW)
    wanted = answer(topics=["pets"], emotions=["anger", "fear"], acts=["complaint"])
    series = [("topics", "pets"), ("emotions", "anger"), ("emotions", "fear"), ("acts", "complaint")]
    before = [value_of(metrics.LABELS[name].labels("poltwt", label)) for name, label in series]
    enrich = Enrich(ScriptedEnricher({"hello": wanted}), settings, lambda: NOW)
    await output.write(await enrich.process([_record(n, encode(_post(str(n)))) for n in range(3)]))
    after = [value_of(metrics.LABELS[name].labels("poltwt", label)) for name, label in series]
    assert [later - earlier for earlier, later in zip(before, after, strict=True)] == [3, 3, 3, 3]


async def test_the_share_of_sure_posts_is_counted_by_language_if_the_model_has_a_threshold() -> None:
    def answer(code: str, positive: float) -> ConstantEnricher:
        (found,) = ConstantEnricher().enrich([""])
        sentiment = Sentiment(label="positive", negative=0.0, neutral=1 - positive, positive=positive)
        return ConstantEnricher(
            msgspec.structs.replace(found, language=Language(code=code, score=1.0), sentiment=sentiment)
        )

    settings = Settings()
    publisher = Taken(settings.kafka, "test", settings.topics.limits)
    for check in (None, SentimentCheck(threshold=0.7, accuracy=0.8)):
        output = EnrichedOutput(publisher, settings.topics, metrics.BoundedLabel((), 5), lambda: NOW, check=check)
        for code, positive, posts in (("qaa", 0.9, 3), ("qaa", 0.6, 1), ("qab", 0.6, 2)):
            records = [_record(number, encode(_post(str(number)))) for number in range(posts)]
            await output.write(await _enrich(answer(code, positive)).process(records))
    for code, sure, judged in (("qaa", 3, 4), ("qab", 0, 2)):
        assert value_of(metrics.SURE.labels(code)) == sure
        assert value_of(metrics.JUDGED.labels(code)) == judged


async def test_the_feed_cannot_create_unlimited_series() -> None:
    settings = Settings()
    publisher = Taken(settings.kafka, "test", settings.topics.limits)
    output = EnrichedOutput(publisher, settings.topics, metrics.BoundedLabel((), 5), lambda: NOW)
    enrich = _enrich(settings=Settings(worker=WorkerSettings(dead_share=1.0)))
    series = []
    for number in range(100):
        hostile = msgspec.structs.replace(
            _post(str(number)),
            source=f"source-{number}",
            hashtags=(f"{number}", f'a"{{\n{number}'),
            language_hint=f"x{number}",
        )
        deletion = Deletion(source=f"deleted-{number}", id="1", deleted_at=NOW)
        values = encode(hostile), encode(deletion), b"%d{" % number
        await output.write(await enrich.process([_record(0, value) for value in values]))
        series.append(_series())
    assert len(set(series[50:])) == 1


def _series() -> int:
    return sum(len(metric.samples) for metric in metrics.REGISTRY.collect())


async def test_a_record_too_large_for_a_dead_letter_is_cut_and_says_so(
    embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    huge = Record("posts.raw", 0, 0, 1_000, b"k" * 5_000, b"x" * 4_000_000, (("trace", b"y" * 9_000),))
    publisher = Publisher(settings.kafka, "test", settings.topics.limits)
    output = EnrichedOutput(publisher, settings.topics, metrics.BoundedLabel((), 5), lambda: NOW)
    await output.write(await _enrich(settings=settings).process([huge]))
    await publisher.close()
    (letter,) = dead_letters_of(read_all(settings.kafka, settings.topics.dead))
    assert letter.value
    assert huge.value
    assert huge.value.startswith(letter.value)
    assert "of 4000000 bytes" in letter.error
    assert "key and headers are too large" in letter.error


async def test_a_result_above_the_limit_of_its_topic_becomes_a_dead_letter(
    broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(broker, topics={"max_message_bytes": 20_000})
    topics.create(settings)
    records = [
        _record(0, encode(_post("small")), b"test:small"),
        _record(1, encode(_post("large", "x" * 19_700)), b"test:large"),
    ]
    publisher = Publisher(settings.kafka, "test", settings.topics.limits)
    output = EnrichedOutput(publisher, settings.topics, metrics.BoundedLabel((), 5), lambda: NOW)
    await output.write(await _enrich().process(records))
    await publisher.close()
    assert [record.key for record in read_all(settings.kafka, settings.topics.enriched)] == [b"test:small"]
    (letter,) = read_all(settings.kafka, settings.topics.dead)
    assert letter.key == b"test:large"
    assert b'"reason":"oversize"' in letter.value
