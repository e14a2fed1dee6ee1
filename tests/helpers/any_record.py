"""Records of any content: our messages, with parts of them replaced by anything, and values that are no messages at all."""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from streams.contracts import ATTEMPTS_HEADER, ORIGIN_HEADER, REFUSED_HEADER, VERSION_HEADER
from streams.runtime.lossless import Record

WRITTEN = [
    json.loads(path.read_bytes()) for path in sorted((Path(__file__).parents[1] / "contracts").glob("v*/*.json"))
]
"""A message of each kind, in every version."""
KINDS = tuple(sorted({message["type"] for message in WRITTEN}))

_TIMES = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:00Z", "9999-12-31T23:59:59-14:00", "2026-06-20T09:30:00"),
)
_CHANCE = random.Random(1)
_INCOMPRESSIBLE = "".join(chr(_CHANCE.randrange(0x4E00, 0x9FFF)) for _ in range(1_000))
_TEXTS = (
    _INCOMPRESSIBLE,
    *(
        "",
        "\x00",
        "a\x00b",
        "é" * 300,
        "\u202e",
        "𝕏" * 300,
        "x" * 5_000,
        "a" + "\u0301" * 50,
        "\u0000#\ufeff",
        "²",
    ),
)
_NUMBERS = (0, -1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1e308, -0.0, 5e-324, 1.5)
_OTHERS: tuple[Any, ...] = (None, True, [], {}, [None], {"": ""}, [[[[]]]], {"type": "post"})
_ODD = st.sampled_from([*_TIMES, *_TEXTS, *_NUMBERS, *_OTHERS]) | st.text(max_size=20) | st.integers()


@st.composite
def _messages(draw: st.DrawFn, kinds: tuple[str, ...]) -> bytes:
    """Draw a message of one of these kinds and replace some of its parts."""
    message = copy.deepcopy(draw(st.sampled_from([each for each in WRITTEN if each["type"] in kinds])))
    for _ in range(draw(st.integers(0, 3))):
        _replace(message, draw(_ODD), random.Random(draw(st.integers(0, 2**16))))
    return json.dumps(message).encode()


def _replace(message: Any, odd: Any, dice: random.Random) -> None:
    """Replace a random part of the message, at any depth, with `odd`."""
    while isinstance(message, dict | list) and message:
        key = dice.choice(list(message) if isinstance(message, dict) else range(len(message)))
        inner = message[key]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.2:
            message[key] = copy.deepcopy(odd)
            return
        message = inner


_OTHER_VALUES = (
    _messages(KINDS)
    | st.none()
    | st.binary(max_size=50)
    | st.sampled_from(
        [
            b"[" * 3_000,
            b'{"a":' * 3_000,
            b'{"type":"post","x":' + b"[" * 3_000,
            b"NaN",
            b"1e999",
            b'"\\ud800"',
            b"\xff\xfe",
        ]
    )
)
_NUMERALS = st.sampled_from(
    [b"9" * 5_000, b"1" * 20, b"-1", b"+1", "²".encode(), "٣".encode(), b"1_0", b" 1", b"", b"1", b"3"]
)
_PLACES = st.sampled_from(
    [b"posts.raw[0]@1", b"posts.raw[" + b"9" * 5_000 + b"]@1", b"\xff[0]@1", "x[٣]@²".encode(), b"[", b"x[-1]@-1"]
)
_HEADERS = st.lists(
    st.tuples(st.sampled_from([ATTEMPTS_HEADER, REFUSED_HEADER, VERSION_HEADER]), st.none() | _NUMERALS)
    | st.tuples(st.just(ORIGIN_HEADER), st.none() | _PLACES)
    | st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=20))
    | st.tuples(st.just("large"), st.just(b"x" * 5_000)),
    max_size=4,
)
_MILLISECONDS = st.sampled_from([-1, 0, -(10**15), 2**62, 1_750_000_000_000]) | st.integers(0, 4 * 10**12)


@st.composite
def records(draw: st.DrawFn, topic: str, *kinds: str) -> Record:
    """Draw records of a topic, most of which look like messages of these kinds."""
    return Record(
        topic,
        partition=draw(st.integers(0, 2)),
        offset=draw(st.integers(0, 10**9)),
        timestamp_ms=draw(_MILLISECONDS),
        key=draw(st.none() | st.binary(max_size=20) | st.just(b"k" * 5_000)),
        value=draw(_OTHER_VALUES if draw(st.integers(0, 4)) == 0 else _messages(kinds)),
        headers=tuple(draw(_HEADERS)),
    )


NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
