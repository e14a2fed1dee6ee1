"""Turns the records of one partition, in order of offset, into the parts of its minutes.

The output depends on the records alone: batch boundaries, kills and the choice of worker make no difference. A part is
published

- first when its minute closes: once the partition has a post that is later than the minute's end by the settling time;
- again if late posts, edits or deletions have changed it: when the next minute closes;
- finally when it can no longer change: once the partition has a post that is later by the lateness. Posts of the minute
  that come after that are not counted.

A record may be acknowledged once its minute is final. A restart therefore reads all posts of the open minutes again and
finds the final minutes on `pulse.minutes`.
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
"""Marks a record without a minute of its own, which only waits for the records before it."""

State = Literal["closed", "corrected", "final", "empty"]
Outcome = Literal["counted", "late", "known", "ignored"]


@dataclass(frozen=True, slots=True)
class PublishedPart:
    """A part to publish, and why: it is closed, corrected, final, or `empty` (published only for its watermark)."""

    state: State
    part: PulseMinute


@dataclass(slots=True)
class _Minute:
    """The posts of a minute that is not final, and its published parts by hashtag."""

    posts: dict[bytes, CountedPost] = field(default_factory=dict)
    published: dict[str, PulseMinute] = field(default_factory=dict)
    closed: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class _Deleted:
    at: float
    until: int
    """The last minute that the deletion applies to: posts of later minutes did not exist yet when it came."""


class PartitionMinutes:
    """The minutes of a partition that are not final."""

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
        self._hashtags = labels
        self._resume_state = known
        self._lateness = ceil(lateness_seconds / MINUTE_SECONDS)
        self._settle = settle_seconds
        self._minutes: dict[int, _Minute] = {}
        self._where: dict[bytes, int] = {}
        self._deleted: dict[bytes, _Deleted] = {}
        self._latest = -inf
        self._watermark = -inf
        self._final_until = -1
        self._closed_until = -1
        self._proven_final = known.done_until - 1
        """The newest minute that is final on the topic, or will be once all published parts are confirmed."""
        self._unreleased: deque[tuple[int, int]] = deque()
        self.handled = 0
        """The offset after the last record."""

    @property
    def latest(self) -> float:
        """Event time of the newest post, in seconds since 1970; minus infinity before the first post."""
        return self._latest

    @property
    def released(self) -> int:
        """Offset before which records may be acknowledged, once all published parts are confirmed."""
        return self._unreleased[0][0] if self._unreleased else self.handled

    def pass_over(self, offset: int) -> None:
        """Skip a record that cannot be read."""
        self._track(offset, None)

    def add(self, message: EnrichedMessage, record_ms: int, offset: int) -> tuple[Outcome, list[PublishedPart]]:
        """Process the next record; return its outcome and the parts to publish."""
        if isinstance(message, Deletion):
            self._track(offset, self._delete(message))
            return "counted", []
        seconds = event_time(message.post, record_ms)
        minute = minute_of(seconds)
        if minute < self._resume_state.done_until:
            outcome: Outcome = "known"
        elif minute < self._final_until:
            outcome = "late"
        else:
            outcome = "counted" if self._insert(count_post(message, record_ms, offset)) else "ignored"
        self._track(offset, minute if outcome in ("counted", "ignored") else None)
        if seconds <= self._latest:
            return outcome, []
        self._latest = seconds
        return outcome, self._advance(seconds - self._settle, minute_of(seconds) - self._lateness)

    def idle(self, seconds: float) -> list[PublishedPart]:
        """Advance an idle partition to the event time `seconds`: minutes close, but none becomes final."""
        return self._advance(seconds - self._settle, self._final_until)

    def unheard(self) -> PublishedPart:
        """Return a part that ends a partition without any records, so that no other partition waits for it."""
        return PublishedPart("empty", msgspec.structs.replace(self._empty(0).part, watermark=END_OF_INPUT))

    def end(self) -> list[PublishedPart]:
        """End the partition: no more records will come, so every minute is final."""
        last = max(self._minutes, default=-1)
        published = self._advance(inf, max(self._final_until, last + 1, self._last_unreleased() + 1))
        # a minute without posts, so that the part does not replace another
        return published or [self._empty(0 if self._latest == -inf else minute_of(self._latest) + 1)]

    def _track(self, offset: int, minute: int | None) -> None:
        self.handled = offset + 1
        if minute is not None:
            self._unreleased.append((offset, minute))
        elif self._unreleased:
            self._unreleased.append((offset, _NO_MINUTE))

    def _release(self) -> int:
        """Release the records whose minutes are final; return the newest of these minutes, -1 if there is none."""
        newest = -1
        while self._unreleased and self._unreleased[0][1] < self._final_until:
            newest = max(newest, self._unreleased.popleft()[1])
        return newest

    def _last_unreleased(self) -> int:
        return max((minute for _, minute in self._unreleased), default=-1)

    def _insert(self, post: CountedPost) -> bool:
        """Add a version of a post; return False if it is outdated or the post was deleted."""
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
            # a minute that has already passed is published when the next one closes, like any changed minute
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
        """Remove the post and remember the deletion; return the last minute it applies to, or None without posts."""
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
        published = [each for number in sorted(self._minutes) for each in self._parts_to_publish(number)]
        self._forget_finals()
        published.sort(key=lambda each: each.part.final)
        if published and published[-1].part.final:
            self._proven_final = max(self._proven_final, minute_of(published[-1].part.minute.timestamp()))
        released = self._release()
        if released > self._proven_final:
            # all its posts were deleted or moved, but the topic must still record that the minute is final
            self._proven_final = released
            published.append(self._empty(released, final=True))
        if not published and self._watermark != inf and closed_until - 1 > self._resume_state.done_until:
            published.append(self._empty(closed_until - 1))
        return self._with_watermarks(published)

    def _forget_finals(self) -> None:
        for number in [number for number in self._minutes if number < self._final_until]:
            for key in self._minutes.pop(number).posts:
                del self._where[key]
        for key in [key for key, deleted in self._deleted.items() if deleted.until < self._final_until]:
            del self._deleted[key]

    def _parts_to_publish(self, number: int) -> Iterable[PublishedPart]:
        minute = self._minutes[number]
        final = number < self._final_until
        closes = not minute.closed and (final or number < self._closed_until)
        if not (closes or final or (minute.closed and minute.changed)):
            return
        if closes:
            self._hashtags.choose(number, Counter(tag for post in minute.posts.values() for tag in set(post.hashtags)))
        parts = self._parts(number, minute) if minute.changed else minute.published
        published, minute.published = minute.published, parts
        minute.closed, minute.changed = True, False
        written = self._resume_state.begun if number == self._resume_state.done_until else ()
        for hashtag, part in parts.items():
            before = published.get(hashtag)
            if hashtag in written:
                continue
            if final or part != before:
                state: State = "final" if final else "closed" if before is None and closes else "corrected"
                yield PublishedPart(state, msgspec.structs.replace(part, final=final))

    def _parts(self, number: int, minute: _Minute) -> dict[str, PulseMinute]:
        """Return the current parts; a published part that has lost all its posts is included as empty."""
        posts: defaultdict[str, list[CountedPost]] = defaultdict(list)
        for post in minute.posts.values():
            for hashtag in self._hashtags.among(number, post.hashtags):
                posts[hashtag].append(post)
        hashtags = sorted({*posts, *minute.published})
        return {hashtag: make_part(self._partition, number, hashtag, posts[hashtag]) for hashtag in hashtags}

    def _with_watermarks(self, published: list[PublishedPart]) -> list[PublishedPart]:
        """Set the watermarks. Only the last part has the partition's own: a killed worker may not get to write it."""
        oldest = min((each.part.minute for each in published), default=UNTOLD)
        watermarks = [oldest] * (len(published) - 1) + [self._time()]
        return [
            PublishedPart(each.state, msgspec.structs.replace(each.part, watermark=watermark))
            for each, watermark in zip(published, watermarks, strict=False)
        ]

    def _empty(self, number: int, *, final: bool = False) -> PublishedPart:
        minute = time_of(number)
        part = PulseMinute(minute=minute, hashtag=OTHER, partition=self._partition, watermark=self._time(), final=final)
        return PublishedPart("empty", part)

    def _time(self) -> datetime:
        if self._watermark in (inf, -inf):
            return END_OF_INPUT if self._watermark > 0 else UNTOLD
        return datetime.fromtimestamp(self._watermark, UTC)
