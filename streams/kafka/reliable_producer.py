"""Sends records to Kafka in order, and keeps them until they are confirmed."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from streams import metrics
from streams.contracts import HEADERS, DeadLetter, Headers, encode
from streams.errors import Refused
from streams.kafka import connection
from streams.kafka.kafka_python_internals import discard
from streams.retry.backoff import Backoff
from streams.settings import Settings, TopicsSettings

logger = logging.getLogger(__name__)

_MAX_BYTES_IN_FLIGHT = 64 * 2**20
_BATCH_BYTES = 64 * 1024
_OVERHEAD_BYTES = 1024  # for the headers of a record and its batch
# with this timeout kafka-python retries indefinitely, and in order: it has one batch per partition in flight
_UNLIMITED_MS = 10 * 365 * 24 * 3_600_000
_CONNECT_MS = 10_000
_METADATA_MS = 2_000
_RECONNECT_MAX_MS = 2_000
_AWAY_SECONDS = 5.0
_WAIT_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 15.0
_DISCARD_SECONDS = 1.0

_OVERSIZE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
_PERMANENT = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.InvalidTopicError,
    kafka_errors.PolicyViolationError,
)


class OutgoingRecord(NamedTuple):
    """A record to write; `source` and `kind` are labels for the metrics."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    source: str
    kind: str
    headers: Headers = HEADERS
    partition: int | None = None
    """None: chosen by the key."""

    @property
    def size(self) -> int:
        return len(self.value or b"")


def dead_letter_record(letter: DeadLetter, topics: TopicsSettings, source: str) -> OutgoingRecord:
    """Return the record of a dead letter, cut to what its topic accepts."""
    letter = letter.fit(topics.dead_limit)
    time_ms = int(letter.failed_at.timestamp() * 1000)
    return OutgoingRecord(topics.dead, letter.key, encode(letter), time_ms, source, "dead_letter")


class Stopped(Exception):
    """Raised when `stop` is called before all records are handed over."""


class ReliableProducer:
    """An idempotent producer with a bounded window of unconfirmed records; all methods except `stop` block.

    Outages of any length are waited out. If kafka-python gives up anyway, for example because its producer ID is no
    longer valid, a new producer sends the window again in order, from the first unconfirmed record on. Some records may
    then be in the topic twice, but the last record of every key is still the last.
    """

    def __init__(
        self,
        settings: Settings,
        refuse: Callable[[OutgoingRecord, str], OutgoingRecord],
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Set up the producer without connecting.

        Args:
            settings: Settings of the run.
            refuse: Turns a record that is too large for Kafka, and the reason, into a dead letter.
            clock: Monotonic clock, in seconds.
            jitter: Source of randomness for the back-off.
        """
        self._settings = settings
        self._refuse = refuse
        self._clock = clock
        self._jitter = jitter
        self._max_records = settings.produce.max_in_flight
        metrics.IN_FLIGHT_LIMIT.set(self._max_records)
        self._limits = settings.topics.limits
        self._window: deque[tuple[OutgoingRecord, Any]] = deque()
        self._bytes = 0
        self._handed_over = 0
        self._cursors: deque[tuple[int, str]] = deque()
        self._producer: Any = None
        self._stop = threading.Event()
        self._closing = False
        self._progress_at = clock()
        self._away_since: float | None = None
        self.confirmed = Counter[str]()
        """Number of confirmed records of each topic."""
        self.cursor: str | None = None
        """The latest cursor up to which all records are confirmed."""

    @property
    def is_away(self) -> bool:
        """Whether Kafka has stopped confirming records."""
        return self._away_since is not None

    def open(self) -> None:
        """Connect to Kafka. Raises SettingsError and the errors of kafka-python."""
        self._producer = self._connect()

    def send(self, records: Sequence[OutgoingRecord], cursor: str | None = None) -> None:
        """Hand over records, waiting until there is room in the window.

        Args:
            records: The records, in order.
            cursor: Position of the source that is reached once Kafka has confirmed all of these records.

        Raises:
            Stopped: `stop` was called in the meantime.
            Refused: Kafka rejects a record for good.
        """
        for record in records:
            while len(self._window) >= self._max_records or self._bytes >= _MAX_BYTES_IN_FLIGHT:
                self._wait()
            self._hand_over(record)
        if cursor is not None:
            if self._cursors and self._cursors[-1][0] == self._handed_over:
                self._cursors.pop()  # no record since: a quiet feed must not fill the memory
            self._cursors.append((self._handed_over, cursor))
        self.settle()

    def settle(self) -> None:
        """Process the confirmations received so far. Raises Refused."""
        self._settle_window()
        self._report_outage()

    def drain(self) -> int:
        """Wait until all records are confirmed or `stop` is called; return the number unconfirmed. Raises Refused."""
        with contextlib.suppress(Stopped):
            self.settle()
            while self._window:
                self._wait()
        return len(self._window)

    def stop(self) -> None:
        """End every wait in progress; may be called from another thread."""
        self._stop.set()

    def close(self, seconds: float) -> int:
        """Wait at most `seconds` for outstanding confirmations; return the number of records without one."""
        self._closing = True
        deadline = self._clock() + seconds
        self._settle_window()
        while self._window and not self._window[0][1].is_done and self._clock() < deadline:
            self._wait_for_oldest()
            self._settle_window()
        self._discard()
        metrics.IN_FLIGHT.set(0)
        return len(self._window)

    def _connect(self, timeout_ms: int = _CONNECT_MS) -> Any:
        kafka = self._settings.kafka
        return connection.open_client(
            KafkaProducer,
            kafka,
            acks="all",
            enable_idempotence=True,
            compression_type=None if kafka.compression == "none" else kafka.compression,
            linger_ms=self._settings.produce.linger_ms,
            batch_size=min(_BATCH_BYTES, self._settings.topics.max_message_bytes),
            max_request_size=max(self._limits.values()) + _OVERHEAD_BYTES,
            request_timeout_ms=int(kafka.request_timeout_seconds * 1000),
            delivery_timeout_ms=_UNLIMITED_MS,
            max_block_ms=_METADATA_MS,
            bootstrap_timeout_ms=timeout_ms,
            reconnect_backoff_max_ms=_RECONNECT_MAX_MS,
            metrics_enabled=False,
        )

    def _hand_over(self, record: OutgoingRecord) -> None:
        if record.size + len(record.key or b"") + _OVERHEAD_BYTES > self._limits[record.topic]:
            record = self._dead_letter(record, f"{record.size} bytes exceed TAGPULSE_TOPICS__MAX_MESSAGE_BYTES")
        if not self._window:
            self._progress_at = self._clock()
        while True:
            try:
                future = self._producer.send(
                    record.topic,
                    record.value,
                    record.key,
                    list(record.headers),
                    partition=record.partition,
                    timestamp_ms=record.timestamp_ms,
                )
            except kafka_errors.KafkaTimeoutError:  # no metadata of the topic: its leader may be away
                self._report_outage(waiting=True)
                if self._stop.is_set():
                    raise Stopped from None
            else:
                break
        self._window.append((record, future))
        self._bytes += record.size
        self._handed_over += 1

    def _wait(self) -> None:
        """Wait a moment for the oldest record to be confirmed. Raises Stopped."""
        if self._stop.is_set():
            raise Stopped
        self._wait_for_oldest()
        self.settle()

    def _wait_for_oldest(self) -> None:
        if self._window:
            with contextlib.suppress(kafka_errors.KafkaError):  # failures are handled when the future is read
                self._window[0][1].get(timeout=_WAIT_SECONDS)

    def _settle_window(self) -> None:
        window, kinds, topics = self._window, Counter[tuple[str, str]](), Counter[str]()
        while window and window[0][1].is_done:
            record, future = window[0]
            if future.exception is not None:
                if self._closing:
                    break
                self._count(kinds, topics)
                kinds, topics = Counter(), Counter()
                self._recover(future.exception)
                continue
            window.popleft()
            self._bytes -= record.size
            kinds[record.source, record.kind] += 1
            topics[record.topic] += 1
        self._count(kinds, topics)
        metrics.IN_FLIGHT.set(len(window))

    def _count(self, kinds: Counter[tuple[str, str]], topics: Counter[str]) -> None:
        for (source, kind), count in kinds.items():
            metrics.PRODUCED.labels(source, kind).inc(count)
        if topics:
            self.confirmed.update(topics)
            self._progress_at = self._clock()
        confirmed = self._handed_over - len(self._window)
        while self._cursors and self._cursors[0][0] <= confirmed:
            self.cursor = self._cursors.popleft()[1]

    def _report_outage(self, *, waiting: bool = False) -> None:
        """Log once when Kafka goes away and once when it is back; `waiting`: also if no record is unconfirmed."""
        silence = self._clock() - self._progress_at
        if (self._window or waiting) and silence > _AWAY_SECONDS and self._away_since is None:
            self._away_since = self._progress_at
            metrics.BROKER_AWAY.set(1)
            logger.warning(
                "Kafka (%s) has confirmed nothing for %.0f s: the source waits, nothing is lost",
                self._settings.kafka.bootstrap_servers,
                silence,
            )
        elif self._away_since is not None and self._progress_at > self._away_since:
            logger.warning("Kafka is back after %.0f s", self._progress_at - self._away_since)
            self._away_since = None
            metrics.BROKER_AWAY.set(0)

    def _recover(self, error: Exception) -> None:
        """Send the whole window again, because kafka-python has given up its oldest record."""
        records = [record for record, _ in self._window]
        first = records[0]
        if isinstance(error, _OVERSIZE):
            records[0] = self._dead_letter(first, f"Kafka rejects {first.size} bytes: {error}")
        elif isinstance(error, _PERMANENT):
            raise Refused(
                f"{first.topic}: Kafka rejects the record with key {first.key!r} and timestamp "
                f"{first.timestamp_ms} ms: {error!r}: check the access rights and the message.timestamp.* settings of "
                "the topic, and the clocks of this machine and the broker"
            )
        logger.warning(
            "the Kafka client gave up on the record with key %r (%r): sending %d records again in order",
            first.key,
            error,
            len(records),
        )
        self._discard()
        self._producer = self._reconnected()
        self._handed_over -= len(records)
        self._window.clear()
        self._bytes = 0
        for record in records:
            self._hand_over(record)

    def _reconnected(self) -> Any:
        backoff = Backoff(_MAX_BACKOFF_SECONDS, self._jitter)
        while not self._stop.wait(backoff.next()):
            try:
                return self._connect(_RECONNECT_MAX_MS)  # short, so that a stop is not delayed
            except kafka_errors.KafkaError:
                self._report_outage(waiting=True)
        raise Stopped

    def _dead_letter(self, record: OutgoingRecord, error: str) -> OutgoingRecord:
        if record.topic == self._settings.topics.dead:
            raise Refused(
                f"{record.topic}: {error}: increase its max.message.bytes to the value shown by `tagpulse topics check`"
            )
        return self._refuse(record, error)

    def _discard(self) -> None:
        """Close the producer without waiting for batches in flight."""
        if self._producer is not None:
            discard(self._producer, _DISCARD_SECONDS)
            self._producer = None
