"""Dead letters, plans and results, formatted as text and as JSON."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from streams.dead_letters.outcomes import DeadLetterPlan, LetterResult
from streams.dead_letters.reader import FoundLetter
from streams.text.terminal import json_text, plain, rfc_3339


def as_object(found: FoundLetter, *, whole: bool = False) -> str:
    """Format a dead letter as JSON; `whole` adds the bytes, headers and timestamp of the record."""
    letter = found.letter
    fields: dict[str, Any] = {
        "letter": found.place,
        "origin": letter.origin,
        "reason": letter.reason,
        "error": letter.error,
        "attempts": letter.attempts,
        "failed_at": letter.failed_at,
        "key": _text(letter.key),
        "size": None if letter.value is None else len(letter.value),
        "cut": letter.cut,
        "outcome": msgspec.to_builtins(found.outcome) if found.outcome else None,
    }
    if whole:
        fields |= {
            "timestamp_ms": letter.timestamp_ms,
            "headers": [[name, _text(value)] for name, value in letter.headers],
            "value_base64": None if letter.value is None else base64.b64encode(letter.value).decode(),
        }
    return json_text(fields)


def as_detail(found: FoundLetter) -> str:
    """Format a dead letter for a terminal, with the bytes as text and control characters escaped."""
    letter, outcome = found.letter, found.outcome
    key, value = _text(letter.key), _text(letter.value)
    lines = {
        "letter": found.place,
        "record": letter.origin,
        "time": _time(letter.timestamp_ms),
        "key": "none" if key is None else key,
        "reason": letter.reason,
        "error": letter.error,
        "attempts": str(letter.attempts),
        "failed at": rfc_3339(letter.failed_at),
        "outcome": "none yet",
    }
    if outcome is not None:
        sent = f", sent as {outcome.sent_to}" if outcome.sent_to else ""
        lines["outcome"] = f"{outcome.outcome} at {rfc_3339(outcome.at)}{sent}"
    lines |= {f"header {name}": "none" if content is None else _text(content) or "" for name, content in letter.headers}
    size = "none" if letter.value is None else f"{len(letter.value)} bytes{', cut' if letter.cut else ''}"
    shown = [f"{plain(name)}: {plain(text)}" for name, text in lines.items()]
    return "\n".join([*shown, f"value: {size}", *([] if value is None else [plain(value)])])


def plan_lines(plan: DeadLetterPlan, missing: Sequence[str], topic: str, verb: str) -> Iterator[str]:
    """Describe a plan line by line: what would be done, what is left out, and which places are missing."""
    yield f"{plan.letters} dead letters of {topic} to {verb}"
    if plan.letters:
        yield f"  by reason: {_counted(plan.by_reason)}"
        yield f"  by origin: {_counted(plan.by_origin)}"
    for why, count in plan.left_out.most_common():
        yield f"  left out: {count}: {plain(why)}"
    for place in missing:
        yield f"  {plain(place)}: no dead letter to {verb}"


def plan_object(plan: DeadLetterPlan, missing: Sequence[str]) -> str:
    """Format a plan as JSON."""
    fields = {
        "letters": plan.letters,
        "by_reason": plan.by_reason,
        "by_origin": plan.by_origin,
        "left_out": plan.left_out,
        "missing": missing,
    }
    return json_text({"plan": fields})


def done_line(done: LetterResult) -> str:
    """Describe in one line what happened to a dead letter."""
    letter = done.found.letter
    detail = f" as {done.detail}" if done.result == "retried" else f": {plain(done.detail)}" if done.detail else ""
    return f"{done.found.place} ({plain(letter.reason)}, from {plain(letter.origin)}): {done.result}{detail}"


def done_object(done: LetterResult) -> str:
    """Format what happened to a dead letter as JSON."""
    letter = done.found.letter
    fields = {
        "letter": done.found.place,
        "origin": letter.origin,
        "reason": letter.reason,
        "result": done.result,
        "sent_to": done.detail if done.result == "retried" else None,
        "error": done.detail if done.result in ("failed", "left out") else None,
    }
    return json_text(fields)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{plain(name)} {count}" for name, count in sorted(counts.items()))


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")


def _time(timestamp_ms: int) -> str:
    try:
        return rfc_3339(datetime.fromtimestamp(timestamp_ms / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return f"{timestamp_ms} ms"
