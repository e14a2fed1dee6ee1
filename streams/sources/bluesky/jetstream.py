"""Decodes the frames of Bluesky's Jetstream, in both versions of its protocol."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec

from streams.contracts import Reason
from streams.contracts.repair import decode_json
from streams.sources.base import MAX_FRAME_BYTES, Unreadable, oversize
from streams.sources.untyped import time

SOURCE = "bluesky"
POSTS = "app.bsky.feed.post"
REPOSTS = "app.bsky.feed.repost"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIME_US = 253_402_300_799_000_000  # the end of the year 9999
_TIME_KEY = b'"time_us":'
_TIME_KEY_WITHIN = 400  # it comes before anything that an author wrote
_ERROR_CHARACTERS = 300
_NOTICE_BYTES = 4_000
_INFO = "#info"
_ACCOUNT = "#account"
_GONE = ("deleted", "takendown")
"""Final states of an account; one that is deactivated or suspended may come back with its posts."""


Revision = Annotated[str, msgspec.Meta(max_length=100)]
"""Revision of a commit; 13 characters according to the protocol."""


class CommitRecord(msgspec.Struct):
    """A record as the author's client wrote it; the type of every field but `text` is checked later."""

    text: str = ""
    createdAt: Any = None  # noqa: N815
    langs: Any = None
    facets: Any = None
    tags: Any = None
    reply: Any = None
    embed: Any = None
    labels: Any = None
    subject: Any = None


class _Commit(msgspec.Struct):
    operation: str
    collection: str
    rkey: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    rev: Revision = ""
    record: CommitRecord | None = None


class _Account(msgspec.Struct):
    status: str = ""


class _Payload(msgspec.Struct, rename={"type": "$type"}):
    """A message in version 2 of the protocol."""

    type: str = ""
    seq: Annotated[int, msgspec.Meta(ge=0, lt=10**15)] = 0
    did: Annotated[str, msgspec.Meta(max_length=300)] = ""
    time: str = ""
    witnessedAt: str = ""  # noqa: N815
    operation: str = ""
    collection: str = ""
    rkey: Annotated[str, msgspec.Meta(max_length=512)] = ""
    rev: Revision = ""
    record: CommitRecord | None = None
    status: str = ""
    name: str = ""
    message: str = ""


class _Frame(msgspec.Struct):
    kind: str = ""
    did: Annotated[str, msgspec.Meta(max_length=300)] = ""
    time_us: Annotated[int, msgspec.Meta(ge=0, le=_MAX_TIME_US)] = 0
    commit: _Commit | None = None
    account: _Account | None = None
    payload: _Payload | None = None
    error: str = ""
    message: str = ""


class _HeadPayload(msgspec.Struct):
    seq: Annotated[int, msgspec.Meta(ge=0, lt=10**15)] = 0
    time: str = ""
    witnessedAt: str = ""  # noqa: N815


class _Head(msgspec.Struct):
    payload: _HeadPayload | None = None


_FRAME: msgspec.json.Decoder[_Frame] = msgspec.json.Decoder(_Frame)
_HEAD: msgspec.json.Decoder[_Head] = msgspec.json.Decoder(_Head)


class Position(NamedTuple):
    """The position of a frame in the feed."""

    time_us: int
    """Server time in microseconds, which every server understands; 0 if unknown."""
    seq: int | None = None
    """Sequence number of the frame on servers of version 2; valid on that server only."""


class Commit(NamedTuple):
    """A change to a record, from either version of the protocol."""

    did: str
    collection: str
    rkey: str
    rev: str
    operation: str
    record: CommitRecord | None
    at: datetime
    """Time by the server's clock."""


class AccountRemoved(NamedTuple):
    """An account that was deleted or taken down; its posts must no longer be shown."""

    did: str
    at: datetime
    """Time by the server's clock."""


class StreamNotice(Exception):
    """A message from the server about the stream itself; if it is an error, the connection ends."""

    def __init__(self, name: str, message: str, *, is_error: bool) -> None:
        super().__init__(f"{name}: {message}" if message else name)
        self.name = name
        self.is_error = is_error


def position_of(frame: bytes) -> Position:
    """Return the position of a frame."""
    begin = frame.find(_TIME_KEY, 0, _TIME_KEY_WITHIN)
    if begin < 0:
        return _position_of_message(frame) if b'"payload"' in frame else Position(0)
    digits = frame[begin + len(_TIME_KEY) : begin + len(_TIME_KEY) + 18].split(b",")[0].strip()
    time_us = int(digits) if digits.isdigit() else 0
    return Position(time_us if time_us <= _MAX_TIME_US else 0)


def _position_of_message(frame: bytes) -> Position:
    try:
        payload = _HEAD.decode(frame).payload
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Position(0)
    if payload is None or not payload.seq:
        return Position(0)
    # time cursors refer to when the server saw the event, which an operator's import does not change
    at = time(payload.witnessedAt) or time(payload.time)
    time_us = 0 if at is None or at < _EPOCH else (at - _EPOCH) // timedelta(microseconds=1)
    return Position(time_us, payload.seq)


def notice_of(frame: bytes) -> StreamNotice | None:
    """Return the notice in a frame, or None for a frame of any other kind."""
    if len(frame) > _NOTICE_BYTES or not (b'"error"' in frame or _INFO.encode() in frame):
        return None
    try:
        read = decode_json(_FRAME, frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if read.error and not read.kind and read.payload is None:
        return StreamNotice(read.error, read.message, is_error=True)
    if read.payload is not None and read.payload.type.endswith(_INFO):
        return StreamNotice(read.payload.name, read.payload.message, is_error=False)
    return None


def decode(frame: bytes) -> Commit | AccountRemoved | Unreadable | None:
    """Decode a frame; return None for a frame that is neither a commit nor an account removal."""
    if len(frame) > MAX_FRAME_BYTES:
        return oversize(SOURCE, position_of(frame).time_us, frame)
    try:
        read = decode_json(_FRAME, frame)
    except msgspec.ValidationError as error:
        return invalid(frame, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return malformed(frame, str(error))
    if (payload := read.payload) is not None:
        at = time(payload.time) or time(payload.witnessedAt)
        if payload.type.endswith(_ACCOUNT):
            return AccountRemoved(payload.did, at) if payload.did and at and payload.status in _GONE else None
        if not payload.operation:
            return None
        if not payload.did or not payload.rkey or at is None:
            return invalid(frame, "a commit without did, rkey or time")
        parts = payload.did, payload.collection, payload.rkey, payload.rev or str(payload.seq), payload.operation
        return Commit(*parts, payload.record, at)
    at = _EPOCH + timedelta(microseconds=read.time_us)
    if read.account is not None:
        return AccountRemoved(read.did, at) if read.did and read.time_us and read.account.status in _GONE else None
    commit = read.commit
    if commit is None:
        return None
    if not read.did or not read.time_us:
        return invalid(frame, "a commit without did or time_us")
    parts = read.did, commit.collection, commit.rkey, commit.rev or str(read.time_us), commit.operation
    return Commit(*parts, commit.record, at)


def invalid(frame: bytes, error: str) -> Unreadable:
    """Return an Unreadable for JSON that is not a valid frame."""
    return _unreadable(frame, "invalid", error)


def malformed(frame: bytes, error: str) -> Unreadable:
    """Return an Unreadable for a frame that is not JSON."""
    return _unreadable(frame, "malformed", error)


def _unreadable(frame: bytes, reason: Reason, error: str) -> Unreadable:
    number = position_of(frame).time_us
    if len(frame) > MAX_FRAME_BYTES:
        return oversize(SOURCE, number, frame)
    return Unreadable(SOURCE, number, frame, reason, error[:_ERROR_CHARACTERS])
