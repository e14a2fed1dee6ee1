"""Messages of every version can be read, and arbitrary bytes cannot break a reader."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import (
    FIRST_MINUTE,
    HEADERS,
    LAST_MINUTE,
    REASONS,
    REFUSED_HEADER,
    SCHEMA_VERSION,
    SPIKE_KINDS,
    VERSION_HEADER,
    DeadLetter,
    DeadLetterOutcome,
    Deletion,
    Driver,
    EnrichedPost,
    Evidence,
    Excerpt,
    Explanation,
    Gap,
    Headers,
    Message,
    Post,
    PulseMinute,
    SentimentCounts,
    Spike,
    decode_any,
    decode_dead,
    decode_enriched,
    decode_gap,
    decode_minute,
    decode_raw,
    decode_spike,
    encode,
)
from streams.errors import BadMessage
from tests.helpers.generated import generated

WRITTEN = Path(__file__).parents[2] / "contracts"
MESSAGES = sorted(WRITTEN.glob("v*/*.json"))
NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)
READERS = {
    "post": decode_raw,
    "deletion": decode_raw,
    "enriched_post": decode_enriched,
    "dead_letter": decode_dead,
    "dead_letter_outcome": decode_dead,
    "pulse_minute": decode_minute,
    "spike": decode_spike,
    "gap": decode_gap,
}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
times = st.datetimes(timezones=st.just(UTC))
of_minutes = times.filter(lambda time: FIRST_MINUTE <= time <= LAST_MINUTE)
probabilities = st.floats(0, 1)
sources = st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True)
ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50)
counts = st.integers(0, 2**63 - 1)
headers = st.lists(st.tuples(texts, st.binary())).map(tuple)
posts, deletions, enriched = generated(Post), generated(Deletion), generated(EnrichedPost)
dead_letters = st.builds(
    DeadLetter,
    topic=texts,
    partition=counts,
    offset=counts,
    timestamp_ms=counts,
    key=st.none() | st.binary(),
    value=st.none() | st.binary(),
    headers=headers,
    reason=texts,
    error=texts,
    attempts=counts,
    failed_at=times,
    cut=st.booleans(),
)
outcomes = st.builds(
    DeadLetterOutcome,
    partition=counts,
    offset=counts,
    outcome=texts,
    attempts=counts,
    at=times,
    sent_to=st.none() | texts,
)
sentiments = st.builds(SentimentCounts, negative=counts, neutral=counts, positive=counts)
moods_by_name = st.dictionaries(texts, sentiments, max_size=3)
excerpts = st.builds(
    Excerpt, source=texts, id=texts, text=texts, created_at=times, negative=probabilities, author=texts, shared=counts
)
minutes = st.builds(
    PulseMinute,
    minute=of_minutes,
    hashtag=texts,
    partition=counts,
    watermark=of_minutes,
    final=st.booleans(),
    sentiments=sentiments,
    independent=sentiments,
    probabilities=st.tuples(*[st.floats(0, 1e9)] * 3),
    languages=moods_by_name,
    topics=moods_by_name,
    emotions=moods_by_name,
    acts=moods_by_name,
    reposts=counts,
    questions=counts,
    evidence=st.builds(Evidence, terms=moods_by_name, negative=st.lists(excerpts, max_size=2).map(tuple)),
)
drivers = st.builds(
    Driver, name=texts, posts=counts, share=probabilities, baseline=probabilities, score=st.floats(-99, 99)
)
spikes = st.builds(
    Spike,
    id=texts,
    kind=st.sampled_from(SPIKE_KINDS),
    hashtag=texts,
    state=st.sampled_from(["open", "growing", "closed"]),
    sensitivity=texts,
    opened_at=of_minutes,
    known_at=of_minutes,
    at=of_minutes,
    closed_at=st.none() | of_minutes,
    posts=counts,
    share=st.none() | probabilities,
    explanation=st.builds(Explanation, summary=texts, terms=st.lists(drivers, max_size=2).map(tuple)),
)

gaps = st.builds(
    Gap,
    source=sources,
    origin=texts,
    reason=texts,
    found_at=times,
    since=st.none() | times,
    until=st.none() | times,
)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "source", "id", "post"]) | texts, inner),
)
Reader = Callable[..., Message]


def read(reader: Reader, value: bytes | None, given_headers: Headers = ()) -> Message | BadMessage:
    try:
        return reader(value, given_headers)
    except BadMessage as error:
        return error


def a_post(**fields: Any) -> Post:
    wanted: dict[str, Any] = {"source": "file", "id": "1", "text": "hello", "created_at": NOON} | fields
    return Post(**wanted)


KINDS: dict[Any, st.SearchStrategy[Any]] = {
    Post: posts,
    Deletion: deletions,
    EnrichedPost: enriched,
    DeadLetter: dead_letters,
    DeadLetterOutcome: outcomes,
    PulseMinute: minutes,
    Spike: spikes,
    Gap: gaps,
}


def test_the_tests_cover_every_message() -> None:
    assert set(KINDS) == set(get_args(Message))
    assert set(READERS) == {kind.__struct_config__.tag for kind in KINDS}


@given(st.one_of(*KINDS.values()))
def test_what_is_written_is_read(message: Message) -> None:
    reader = READERS[str(message.__struct_config__.tag)]
    assert reader(encode(message), HEADERS) == decode_any(encode(message)) == message


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_messages_of_every_version_are_read(path: Path) -> None:
    written = path.read_bytes()
    plain = msgspec.json.decode(written)
    version = path.parent.name.removeprefix("v").encode()
    message = READERS[plain["type"]](written, [(VERSION_HEADER, version)])
    assert msgspec.json.decode(encode(message)) == plain


def test_every_version_and_kind_of_message_is_kept() -> None:
    for version in range(1, SCHEMA_VERSION + 1):
        kinds = {msgspec.json.decode(path.read_bytes())["type"] for path in WRITTEN.glob(f"v{version}/*.json")}
        assert kinds == {kind.__struct_config__.tag for kind in get_args(Message)}


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_fields_of_a_later_version_are_ignored(path: Path) -> None:
    plain = msgspec.json.decode(path.read_bytes())
    later = {**plain, "mood_ring": {"colour": ["blue"]}}
    if "post" in later:
        later["post"] = {**later["post"], "pinned": True}
    assert decode_any(msgspec.json.encode(later)) == decode_any(path.read_bytes())


@pytest.mark.parametrize("version", [b"2", b"0", b"-1", b"", b"one", b"1.0", b"9" * 50, None])
def test_an_unknown_version_is_refused(version: bytes | None) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_raw(encode(a_post()), [("other", None), (VERSION_HEADER, version)])
    assert caught.value.reason == "unknown_version"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("header", "reason", "detail"),
    [
        (b"invalid: created_at is in the future: 2999", "invalid", "created_at is in the future: 2999"),
        (b"oversize: a line", "oversize", "a line"),
        (b"unheard-of: text", "invalid", "text"),
        (b"invalid: " + b"x" * 5_000, "invalid", "x" * 300),
        (b"\xff", "invalid", "refused when it was read"),
        (None, "invalid", "refused when it was read"),
    ],
)
def test_a_refused_record_is_a_bad_message(header: bytes | None, reason: str, detail: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_raw(encode(a_post()), [*HEADERS, (REFUSED_HEADER, header)])
    assert (caught.value.reason, caught.value.detail) == (reason, detail)


@given(
    st.none() | st.binary() | texts.map(str.encode) | json_values.map(msgspec.json.encode),
    st.lists(st.tuples(st.sampled_from([VERSION_HEADER, REFUSED_HEADER, "x"]), st.none() | st.binary(max_size=5))),
)
def test_any_bytes_are_a_message_or_a_bad_message(value: bytes | None, given_headers: Any) -> None:
    for reader in {*READERS.values(), decode_any}:
        outcome = read(reader, value, given_headers)
        if isinstance(outcome, BadMessage):
            assert outcome.reason in REASONS
            assert len(outcome.detail) <= 300
        else:
            assert decode_any(encode(outcome)) == outcome


@given(posts, st.data())
def test_damaged_messages_are_a_message_or_a_bad_message(post: Post, data: st.DataObject) -> None:
    whole = bytearray(encode(post))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    outcome = read(decode_raw, bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert not isinstance(outcome, BadMessage) or outcome.reason in ("empty", "invalid", "malformed")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"{", "malformed"),
        (b'{"type":"post","text":"\xff"}', "malformed"),
        (b"[" * 200_000, "invalid"),
        (b'{"type":"post","source":' + b"[" * 200_000, "invalid"),
        (b'{"x":' + b"[" * 200_000, "malformed"),
        (b"null", "invalid"),
        (b'{"source":"file","id":"1","text":"","created_at":"2024-06-03T12:00:00Z"}', "invalid"),
        (b'{"type":"post","source":"file","id":"1","text":"","created_at":"2024-06-03T12:00:00"}', "invalid"),
        (b'{"type":"post","source":"file","id":"1","text":"","created_at":"0001-01-01T00:00:00+01:00"}', "invalid"),
        (b'{"type":"post","source":"a:b","id":"1","text":"","created_at":"2024-06-03T12:00:00Z"}', "invalid"),
        (b'{"type":"post","source":"a\\n","id":"1","text":"","created_at":"2024-06-03T12:00:00Z"}', "invalid"),
        (b'{"type":"' + b"x" * 100_000 + b'"}', "invalid"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else str(value),
)
def test_the_reason_is_given(value: bytes | None, reason: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_raw(value)
    assert caught.value.reason == reason
    assert len(caught.value.detail) <= 300
