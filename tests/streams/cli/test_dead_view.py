from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.cli.dead_view import as_detail, as_object, done_line, done_object, plan_lines, plan_object
from streams.contracts import DeadLetter, DeadLetterOutcome
from streams.dead_letters.outcomes import DeadLetterPlan, LetterResult
from streams.dead_letters.reader import FoundLetter

AT = datetime(2026, 11, 1, 9, 31, tzinfo=UTC)
HOSTILE = "\x1b[2J\u202e\nforged"


def found(outcome: DeadLetterOutcome | None = None, **changes: Any) -> FoundLetter:
    fields: dict[str, Any] = {
        "topic": "posts.raw",
        "partition": 1,
        "offset": 7,
        "timestamp_ms": 1_793_525_460_000,
        "key": b"test:1",
        "value": b'{"id":1}',
        "headers": (("a", b"1"), ("b", None)),
        "reason": "invalid",
        "error": "no text",
        "attempts": 2,
        "failed_at": AT,
    }
    letter = DeadLetter(**fields | changes)
    return FoundLetter(topic="posts.dead", partition=0, offset=42, letter=letter, outcome=outcome)


RETRIED = DeadLetterOutcome(partition=0, offset=42, outcome="retried", attempts=2, at=AT, sent_to="posts.raw[1]@9")


def test_a_dead_letter_as_json() -> None:
    assert json.loads(as_object(found())) == {
        "letter": "posts.dead[0]@42",
        "origin": "posts.raw[1]@7",
        "reason": "invalid",
        "error": "no text",
        "attempts": 2,
        "failed_at": "2026-11-01T09:31:00Z",
        "key": "test:1",
        "size": 8,
        "cut": False,
        "outcome": None,
    }
    empty = json.loads(as_object(found(RETRIED, key=None, value=None)))
    assert (empty["key"], empty["size"], empty["outcome"]["sent_to"]) == (None, None, "posts.raw[1]@9")


def test_a_whole_dead_letter_has_the_bytes_of_its_record() -> None:
    whole = json.loads(as_object(found(value=b"\xff"), whole=True))
    assert (whole["timestamp_ms"], whole["headers"]) == (1_793_525_460_000, [["a", "1"], ["b", None]])
    assert whole["value_base64"] == "/w=="
    assert json.loads(as_object(found(value=None), whole=True))["value_base64"] is None


def test_a_dead_letter_in_full() -> None:
    assert as_detail(found()).splitlines() == [
        "letter: posts.dead[0]@42",
        "record: posts.raw[1]@7",
        "time: 2026-11-01T09:31:00Z",
        "key: test:1",
        "reason: invalid",
        "error: no text",
        "attempts: 2",
        "failed at: 2026-11-01T09:31:00Z",
        "outcome: none yet",
        "header a: 1",
        "header b: none",
        "value: 8 bytes",
        '{"id":1}',
    ]


@pytest.mark.parametrize(
    ("letter", "line"),
    [
        (found(RETRIED), "outcome: retried at 2026-11-01T09:31:00Z, sent as posts.raw[1]@9"),
        (
            found(DeadLetterOutcome(partition=0, offset=42, outcome="dropped", attempts=2, at=AT)),
            "outcome: dropped at 2026-11-01T09:31:00Z",
        ),
        (found(key=None), "key: none"),
        (found(value=None), "value: none"),
        (found(cut=True), "value: 8 bytes, cut"),
        (found(value=b"\xff\x00"), r"\xff\x00"),
        (found(timestamp_ms=2**62), f"time: {2**62} ms"),
    ],
)
def test_each_field_of_a_dead_letter_has_a_line(letter: FoundLetter, line: str) -> None:
    assert line in as_detail(letter).splitlines()


def test_a_dead_letter_cannot_control_the_terminal() -> None:
    hostile = found(
        key=HOSTILE.encode(),
        value=HOSTILE.encode(),
        headers=((HOSTILE, HOSTILE.encode()),),
        reason=HOSTILE,
        error=HOSTILE,
    )
    plan = DeadLetterPlan(Counter({HOSTILE: 1}), Counter({HOSTILE: 1}), Counter({HOSTILE: 1}))
    shown = [
        *as_detail(hostile).splitlines(),
        as_object(hostile, whole=True),
        done_line(LetterResult(hostile, "failed", HOSTILE)),
        *plan_lines(plan, [HOSTILE], "posts.dead", "retry"),
    ]
    assert all(line.isprintable() for line in shown)
    assert len(as_detail(hostile).splitlines()) == len(as_detail(found()).splitlines()) - 1


def test_a_plan_in_full() -> None:
    plan = DeadLetterPlan(
        by_reason=Counter(invalid=2, empty=1),
        by_origin=Counter({"posts.raw": 3}),
        left_out=Counter({"too many attempts": 1, "cut": 2}),
    )
    assert list(plan_lines(plan, ["posts.dead[0]@9"], "posts.dead", "retry")) == [
        "3 dead letters of posts.dead to retry",
        "  by reason: empty 1, invalid 2",
        "  by origin: posts.raw 3",
        "  left out: 2: cut",
        "  left out: 1: too many attempts",
        "  posts.dead[0]@9: no dead letter to retry",
    ]
    assert list(plan_lines(DeadLetterPlan(), [], "posts.dead", "drop")) == ["0 dead letters of posts.dead to drop"]
    assert json.loads(plan_object(plan, ["x"])) == {
        "plan": {
            "letters": 3,
            "by_reason": {"invalid": 2, "empty": 1},
            "by_origin": {"posts.raw": 3},
            "left_out": {"too many attempts": 1, "cut": 2},
            "missing": ["x"],
        }
    }


@pytest.mark.parametrize(
    ("result", "detail", "end", "sent_to", "error"),
    [
        ("retried", "posts.raw[1]@9", "retried as posts.raw[1]@9", "posts.raw[1]@9", None),
        ("dropped", "", "dropped", None, None),
        ("failed", "too large", "failed: too large", None, "too large"),
        ("left out", "cut", "left out: cut", None, "cut"),
    ],
)
def test_the_result_for_a_dead_letter(
    result: Any, detail: str, end: str, sent_to: str | None, error: str | None
) -> None:
    done = LetterResult(found(), result, detail)
    assert done_line(done) == f"posts.dead[0]@42 (invalid, from posts.raw[1]@7): {end}"
    assert json.loads(done_object(done)) == {
        "letter": "posts.dead[0]@42",
        "origin": "posts.raw[1]@7",
        "reason": "invalid",
        "result": result,
        "sent_to": sent_to,
        "error": error,
    }
