"""The records of one partition, in the order of their offsets → the parts of its minutes.

Everything that is told follows from the records alone: where a batch ends, when a worker was killed and who goes on after
it makes no difference. A part is told

- first, when its minute closes: once the partition has a post that is later than the minute's end by the time to settle;
- again, when late posts, edits or deletions changed it: at the next turn of a minute;
- at last, when it is final: once the partition has a post that is later by the lateness. Later ones are not counted.

A record may be acknowledged once its minute is final, so that a restart reads all posts of the open minutes again, and for
the others finds what is final on `pulse.minutes`.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil, inf, isfinite
from typing import Literal

import msgspec

from streams.contracts import END_OF_INPUT, FIRST_MINUTE, LAST_MINUTE, Deletion, EnrichedMessage, PulseMinute
from streams.metrics import OTHER
from streams.minutes.counted_hashtags import CountedHashtags
from streams.minutes.part import UNTOLD, make_part
from streams.minutes.post import MINUTE_SECONDS, CountedPost, count_post, event_time, minute_of, time_of
from streams.minutes.resume_state import ResumeState

_END_MINUTE = minute_of(END_OF_INPUT.timestamp())

_NO_MINUTE = -2
"""Waits for the records before it alone."""

State = Literal["closed", "corrected", "final", "empty"]
Outcome = Literal["counted", "late", "known", "ignored"]


@dataclass(frozen=True, slots=True)
class PublishedPart:
    """A part to be written, and why: its minute closed, it was corrected, it is final; `empty` tells a watermark alone."""

    state: State
    part: PulseMinute


@dataclass(slots=True)
class _Minute:
    """The posts of a minute that is not final, and the parts that were told of it, by hashtag."""

    posts: dict[bytes, CountedPost] = field(default_factory=dict)
    told: dict[str, PulseMinute] = field(default_factory=dict)
    closed: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class _Deleted:
    at: float
    until: int
    """Posts of later minutes were not written yet when the deletion came, so that it does not mean them."""


class PartitionMinutes:
    """The open minutes of a partition."""

    def __init__(
        self,
        partition: int,
        labels: CountedHashtags,
        known: ResumeState,
        *,
        lateness_seconds: float,
        settle_seconds: float,
    ) -> None:
        self._partition = partition
        self._labels = labels
        self._known = known
        self._lateness = ceil(lateness_seconds / MINUTE_SECONDS)
        self._settle = settle_seconds
        self._minutes: dict[int, _Minute] = {}
        self._where: dict[bytes, int] = {}
        self._deleted: dict[bytes, _Deleted] = {}
        self._latest = -inf
        self._watermark = -inf
        self._final_until = -1
        self._closed_until = -1
        self._proven = known.done_until - 1
        """The newest minute that is known as final on the topic, or will be once everything told is confirmed."""
        self._waiting: deque[tuple[int, int]] = deque()
        self.handled = 0
        """The offset after the last record."""

    @property
    def latest(self) -> float:
        """Event time of the newest post, in seconds since 1970; minus infinity without one."""
        return self._latest

    @property
    def released(self) -> int:
        """Records before this offset may be acknowledged, once what was told is confirmed."""
        return self._waiting[0][0] if self._waiting else self.handled

    def pass_over(self, offset: int) -> None:
        """A record that is no post."""
        self._take(offset, None)

    def add(self, message: EnrichedMessage, record_ms: int, offset: int) -> tuple[Outcome, list[PublishedPart]]:
        """The next record: what became of it, and the parts that it makes known."""
        if isinstance(message, Deletion):
            self._take(offset, self._delete(message))
            return "counted", []
        seconds = event_time(message.post, record_ms)
        minute = minute_of(seconds)
        if minute < self._known.done_until:
            outcome: Outcome = "known"
        elif minute < self._final_until:
            outcome = "late"
        else:
            outcome = "counted" if self._place(count_post(message, record_ms, offset)) else "ignored"
        self._take(offset, minute if outcome in ("counted", "ignored") else None)
        if seconds <= self._latest:
            return outcome, []
        self._latest = seconds
        return outcome, self._advance(seconds - self._settle, minute_of(seconds) - self._lateness)

    def idle(self, seconds: float) -> list[PublishedPart]:
        """Nothing comes, and the clock says that it is this time of the events: closes minutes, makes none final."""
        return self._advance(seconds - self._settle, self._final_until)

    def unheard(self) -> PublishedPart:
        """Nothing has come at all, so that nobody should wait for it."""
        return PublishedPart("empty", msgspec.structs.replace(self._empty(0).part, watermark=END_OF_INPUT))

    def end(self) -> list[PublishedPart]:
        """Nothing comes any more: every minute is final."""
        last = max(self._minutes, default=-1)
        told = self._advance(inf, max(self._final_until, last + 1, self._last_waiting() + 1))
        # a minute in which there was no post, so that it takes no part's place
        return told or [self._empty(0 if self._latest == -inf else minute_of(self._latest) + 1)]

    def _take(self, offset: int, minute: int | None) -> None:
        self.handled = offset + 1
        if minute is not None:
            self._waiting.append((offset, minute))
        elif self._waiting:
            self._waiting.append((offset, _NO_MINUTE))

    def _release(self) -> int:
        """The newest minute of the records that need not be read again."""
        newest = -1
        while self._waiting and self._waiting[0][1] < self._final_until:
            newest = max(newest, self._waiting.popleft()[1])
        return newest

    def _last_waiting(self) -> int:
        return max((minute for _, minute in self._waiting), default=-1)

    def _place(self, post: CountedPost) -> bool:
        """Takes a version of a post in; False when another one stands, or the post was deleted."""
        deleted = self._deleted.get(post.key)
        if deleted and post.minute <= deleted.until and not (post.order[0] and post.order[1] > deleted.at):
            return False
        before = self._find(post.key)
        if before is not None:
            if before.order >= post.order:
                return False
            self._remove(before)
        minute = self._minutes.get(post.minute)
        if minute is None:
            # a minute that was passed without a post is told at the next turn, as any that changed
            minute = self._minutes[post.minute] = _Minute(closed=post.minute < self._closed_until)
        minute.posts[post.key] = post
        minute.changed = True
        self._where[post.key] = post.minute
        return True

    def _find(self, key: bytes) -> CountedPost | None:
        minute = self._where.get(key)
        return None if minute is None else self._minutes[minute].posts[key]

    def _remove(self, post: CountedPost) -> None:
        minute = self._minutes[self._where.pop(post.key)]
        del minute.posts[post.key]
        minute.changed = True

    def _delete(self, deletion: Deletion) -> int | None:
        """Removes the post, and remembers it for as long as one of its minute may come; which that is."""
        at, before = deletion.deleted_at.timestamp(), self._deleted.get(deletion.key)
        post = self._find(deletion.key)
        if post is not None and not (post.order[0] and post.order[1] > at):
            self._remove(post)
        if self._latest == -inf:
            return None
        until = minute_of(self._latest)
        self._deleted[deletion.key] = _Deleted(max(at, before.at) if before else at, until)
        return until

    def _advance(self, watermark: float, final_until: int) -> list[PublishedPart]:
        closed_until = self._closed_until
        if isfinite(watermark):
            watermark = min(max(watermark, FIRST_MINUTE.timestamp()), LAST_MINUTE.timestamp())
        if watermark > self._watermark:
            self._watermark = watermark
            closed_until = _END_MINUTE if watermark == inf else max(closed_until, minute_of(watermark))
        if closed_until <= self._closed_until and final_until <= self._final_until:
            return []
        self._closed_until, self._final_until = closed_until, max(final_until, self._final_until)
        told = [each for number in sorted(self._minutes) for each in self._tell(number)]
        self._forget_finals()
        told.sort(key=lambda each: each.part.final)
        if told and told[-1].part.final:
            self._proven = max(self._proven, minute_of(told[-1].part.minute.timestamp()))
        released = self._release()
        if released > self._proven:
            # its posts were all taken back: that it is final must stand on the topic all the same
            self._proven = released
            told.append(self._empty(released, final=True))
        if not told and self._watermark != inf and closed_until - 1 > self._known.done_until:
            told.append(self._empty(closed_until - 1))
        return self._stamped(told)

    def _forget_finals(self) -> None:
        for number in [number for number in self._minutes if number < self._final_until]:
            for key in self._minutes.pop(number).posts:
                del self._where[key]
        for key in [key for key, deleted in self._deleted.items() if deleted.until < self._final_until]:
            del self._deleted[key]

    def _tell(self, number: int) -> Iterable[PublishedPart]:
        minute = self._minutes[number]
        final = number < self._final_until
        closes = not minute.closed and (final or number < self._closed_until)
        if not (closes or final or (minute.closed and minute.changed)):
            return
        if closes:
            self._labels.choose(number, Counter(tag for post in minute.posts.values() for tag in set(post.hashtags)))
        parts = self._parts(number, minute) if minute.changed else minute.told
        told, minute.told = minute.told, parts
        minute.closed, minute.changed = True, False
        written = self._known.begun if number == self._known.done_until else ()
        for hashtag, part in parts.items():
            before = told.get(hashtag)
            if hashtag in written:
                continue
            if final or part != before:
                state: State = "final" if final else "closed" if before is None and closes else "corrected"
                yield PublishedPart(state, msgspec.structs.replace(part, final=final))

    def _parts(self, number: int, minute: _Minute) -> dict[str, PulseMinute]:
        """The parts as they are now, without posts where all were taken back."""
        posts: defaultdict[str, list[CountedPost]] = defaultdict(list)
        for post in minute.posts.values():
            for hashtag in self._labels.among(number, post.hashtags):
                posts[hashtag].append(post)
        hashtags = sorted({*posts, *minute.told})
        return {hashtag: make_part(self._partition, number, hashtag, posts[hashtag]) for hashtag in hashtags}

    def _stamped(self, told: list[PublishedPart]) -> list[PublishedPart]:
        """With watermarks. The last part alone says how far the partition is: a killed worker may not get to it."""
        oldest = min((each.part.minute for each in told), default=UNTOLD)
        watermarks = [oldest] * (len(told) - 1) + [self._time()]
        return [
            PublishedPart(each.state, msgspec.structs.replace(each.part, watermark=watermark))
            for each, watermark in zip(told, watermarks, strict=False)
        ]

    def _empty(self, number: int, *, final: bool = False) -> PublishedPart:
        minute = time_of(number)
        part = PulseMinute(minute=minute, hashtag=OTHER, partition=self._partition, watermark=self._time(), final=final)
        return PublishedPart("empty", part)

    def _time(self) -> datetime:
        if self._watermark in (inf, -inf):
            return END_OF_INPUT if self._watermark > 0 else UNTOLD
        return datetime.fromtimestamp(self._watermark, UTC)
