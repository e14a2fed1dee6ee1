from __future__ import annotations

import ctypes
import struct
import sys
from datetime import timedelta
from typing import Any

import pytest

from streams.contracts import Post, encode, utc_now
from streams.doctor import clock_check
from streams.kafka import topics
from streams.settings import Settings
from tests.helpers.records import produce


def test_a_clock_behind_the_newest_record(settings: Settings) -> None:
    topics.create(settings)
    assert clock_check.behind_records(settings) is None

    now = utc_now()
    for ahead in (timedelta(days=-900), timedelta(seconds=0), timedelta(days=-1)):
        when = now + ahead
        post = Post(source="file", id=str(ahead), text="text", created_at=when)
        produce(
            settings.kafka,
            settings.topics.raw,
            [(post.key, encode(post))],
            timestamp_ms=int(when.timestamp() * 1000),
            partition=1,
        )
        produce(settings.kafka, settings.topics.raw, [(post.key, encode(post))], timestamp_ms=1_000, partition=2)

    behind = clock_check.behind_records(settings, clock=lambda: now - timedelta(days=2))
    assert behind
    assert timedelta(hours=23.9) < behind < timedelta(hours=24.1)


def test_the_clock_against_the_installation() -> None:
    assert clock_check.behind_installation() <= timedelta(0)
    assert clock_check.behind_installation(lambda: utc_now() - timedelta(days=3650)) > timedelta(days=3000)


class Kernel:
    """A C library whose clock has this status; -1 means that it does not answer."""

    def __init__(self, answer: int, status: int = 0) -> None:
        self._answer = answer
        self._status = status

    def adjtimex(self, timex: Any) -> int:
        assert bytes(timex) == bytes(ctypes.sizeof(timex)), "it changes nothing"
        struct.pack_into("i", timex, 40, self._status)
        return self._answer


@pytest.mark.skipif(sys.platform != "linux" or struct.calcsize("l") != 8, reason="another structure")
@pytest.mark.parametrize(
    ("kernel", "synchronised"),
    [(Kernel(0, 0x2001), True), (Kernel(5, 0x40), False), (Kernel(0, 0x2041), False), (Kernel(-1), None)],
)
def test_the_kernel_is_asked_for_its_status(
    kernel: Kernel, synchronised: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: kernel)
    assert clock_check.is_synchronised() is synchronised


def test_the_kernel_of_this_machine_answers() -> None:
    assert clock_check.is_synchronised() in (True, False, None)


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert clock_check.is_synchronised() is None
