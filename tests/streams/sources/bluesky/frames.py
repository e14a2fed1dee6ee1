"""Frames of a Jetstream for the tests of its parser."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
TIME_US = 1_785_585_600_000_000 - 1_500_000
DID = "did:plc:abc"


def frame(text: str = "Good dog #PolTWT", operation: str = "create", rkey: str = "3lk", **record: Any) -> bytes:
    commit: dict[str, Any] = {"rev": "r1", "operation": operation, "collection": "app.bsky.feed.post", "rkey": rkey}
    if operation != "delete":
        written = {"$type": "app.bsky.feed.post", "createdAt": "2026-08-01T11:59:58.5Z", "text": text} | record
        commit |= {"record": written, "cid": "bafy"}
    whole = {"did": DID, "time_us": TIME_US, "kind": "commit", "commit": commit}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def frame_v2(text: str = "Good dog #PolTWT", operation: str = "create", **record: Any) -> bytes:
    """Return the same frame as `frame`, in version 2 of the protocol."""
    at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=TIME_US)).isoformat().replace("+00:00", "Z")
    payload: dict[str, Any] = {
        "$type": "network.bsky.jetstream.subscribeEvents#commit",
        "seq": 7,
        "did": DID,
        "time": at,
    }
    payload |= {
        "witnessedAt": at,
        "rev": "r1",
        "operation": operation,
        "collection": "app.bsky.feed.post",
        "rkey": "3lk",
    }
    if operation != "delete":
        payload["record"] = {
            "$type": "app.bsky.feed.post",
            "createdAt": "2026-08-01T11:59:58.5Z",
            "text": text,
        } | record
    return json.dumps({"$type": "message", "payload": payload}, ensure_ascii=False, separators=(",", ":")).encode()


def repost(rkey: str, operation: str = "create") -> bytes:
    commit: dict[str, Any] = {"rev": rkey, "operation": operation, "collection": "app.bsky.feed.repost", "rkey": rkey}
    if operation != "delete":
        subject = {"uri": f"at://{DID}/app.bsky.feed.post/3lk", "cid": "bafy"}
        commit["record"] = {"$type": "app.bsky.feed.repost", "createdAt": "2026-08-01T12:00:00Z", "subject": subject}
    whole = {"did": "did:plc:fan", "time_us": TIME_US, "kind": "commit", "commit": commit}
    return json.dumps(whole, separators=(",", ":")).encode()


def account_frames(status: str) -> list[bytes]:
    """Return an account's change of state in both versions of the protocol."""
    state = {"did": "did:plc:abc", "active": False, "status": status, "seq": 8, "time": "2026-08-01T12:00:00Z"}
    first = {"did": "did:plc:abc", "time_us": TIME_US, "kind": "account", "account": state}
    payload = {"$type": "network.bsky.jetstream.subscribeEvents#account", **state}
    return [json.dumps(whole).encode() for whole in (first, {"$type": "message", "payload": payload})]
