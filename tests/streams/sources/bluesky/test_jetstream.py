"""Decoding of Jetstream frames, which never fails, whatever the bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.base import MAX_FRAME_BYTES, Unreadable
from streams.sources.bluesky.jetstream import (
    POSTS,
    AccountRemoved,
    Commit,
    decode,
    invalid,
    malformed,
    notice_of,
    position_of,
)
from tests.streams.sources.bluesky.frames import DID, TIME_US, account_frames, frame, frame_v2

AT = datetime(2026, 8, 1, 11, 59, 58, 500_000, tzinfo=UTC)


def test_notices_from_the_server_are_returned() -> None:
    notice = notice_of(b'{"error":"CursorTooOld","message":"too old"}')
    assert notice is not None
    assert (str(notice), notice.is_error) == ("CursorTooOld: too old", True)
    assert notice_of(frame("error", operation="create", error="x")) is None
    assert notice_of(b'"error"') is None


def test_time_is_read_without_decoding() -> None:
    assert position_of(frame()) == (TIME_US, None)
    assert position_of(b'{"time_us":12,"kind":""}') == (12, None)
    assert position_of(b'{"time_us":' + b"9" * 40) == (0, None)
    assert position_of(frame('"time_us":1')) == (TIME_US, None)
    assert position_of(b"") == (0, None)
    assert position_of(b'{"payload":{"seq":"x"}}') == (0, None)


def test_a_notice_of_version_2_is_not_an_error() -> None:
    notice = notice_of(b'{"$type":"message","payload":{"$type":"x#info","name":"OutdatedCursor","message":"from 5"}}')
    assert notice is not None
    assert (str(notice), notice.is_error) == ("OutdatedCursor: from 5", False)
    bare = notice_of(b'{"error":"FutureCursor"}')
    assert (str(bare), bare and bare.name) == ("FutureCursor", "FutureCursor")


def test_a_position_of_version_2_has_a_number_and_the_time_when_the_server_saw_it() -> None:
    assert position_of(frame_v2()) == (TIME_US, 7)
    payload = {"seq": 9, "time": "2013-04-15T00:00:00Z", "witnessedAt": "2026-08-01T11:59:58.5Z"}
    assert position_of(json.dumps({"payload": payload}).encode()) == (TIME_US, 9)
    assert position_of(json.dumps({"payload": payload | {"witnessedAt": ""}}).encode()) == (1_365_984_000_000_000, 9)
    assert position_of(json.dumps({"payload": payload | {"witnessedAt": "1960-01-01T00:00:00Z"}}).encode()) == (0, 9)
    assert position_of(json.dumps({"payload": payload | {"seq": 0}}).encode()) == (0, None)


def test_both_versions_decode_to_the_same_commit() -> None:
    first, second = decode(frame("Good dog")), decode(frame_v2("Good dog"))
    assert isinstance(first, Commit)
    assert first == second
    assert first[:5] == (DID, POSTS, "3lk", "r1", "create")
    assert first.at == AT
    assert first.record is not None
    assert first.record.text == "Good dog"


def test_a_commit_without_a_revision_is_known_by_its_position() -> None:
    first, second = (decode(each.replace(b'"rev":"r1",', b"")) for each in (frame(), frame_v2()))
    assert isinstance(first, Commit)
    assert isinstance(second, Commit)
    assert (first.rev, second.rev) == (str(TIME_US), "7")


@pytest.mark.parametrize("version", [0, 1])
def test_only_a_permanent_removal_of_an_account_counts(version: int) -> None:
    for status in ("deleted", "takendown"):
        removed = decode(account_frames(status)[version])
        assert isinstance(removed, AccountRemoved)
        assert removed.did == DID
    for status in ("deactivated", "suspended", ""):
        assert decode(account_frames(status)[version]) is None


@pytest.mark.parametrize(
    ("value", "reason", "error"),
    [
        (b"{", "malformed", ""),
        (b'{"x":' + b"[" * 100_000, "malformed", ""),
        (b"[]", "invalid", "Expected `object`"),
        (frame(rkey=""), "invalid", "rkey"),
        (frame_v2().replace(b'"3lk"', b'""'), "invalid", "a commit without did, rkey or time"),
        (frame().replace(DID.encode(), b""), "invalid", "a commit without did or time_us"),
    ],
)
def test_an_unreadable_frame_has_a_reason(value: bytes, reason: str, error: str) -> None:
    found = decode(value)
    assert isinstance(found, Unreadable)
    assert (found.origin, found.reason, found.value) == ("bluesky", reason, value)
    assert error in found.error


@pytest.mark.parametrize("value", [b"{}", b'{"kind":"identity","did":"x"}', b'{"payload":{"$type":"x#identity"}}'])
def test_other_frames_are_ignored(value: bytes) -> None:
    assert decode(value) is None


def test_a_frame_that_is_too_large_is_cut() -> None:
    large = frame("x" * MAX_FRAME_BYTES)
    for found in (decode(large), invalid(large, "why"), malformed(large, "why")):
        assert isinstance(found, Unreadable)
        assert (found.number, found.reason, len(found.value)) == (TIME_US, "oversize", MAX_FRAME_BYTES)
    assert len(invalid(b"{}", "x" * 999).error) == 300


_PIECES: list[Any] = [b'{"error":"x"}', b'{"payload":{"seq":5}}', b'"time_us":', b'"payload"', b"#info"]


@given(st.binary() | st.lists(st.sampled_from(_PIECES), max_size=4).map(b"".join))
def test_any_bytes_are_decoded(value: bytes) -> None:
    notice_of(value)
    position = position_of(value)
    assert position.time_us >= 0
    assert isinstance(decode(value), Commit | AccountRemoved | Unreadable | None)
