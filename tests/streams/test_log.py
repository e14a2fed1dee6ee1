"""The log: one line per event, whatever a post contains."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import log
from streams.log import RateLimit
from streams.settings import LogSettings


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def a_record(message: str, *, line: int = 1, error: BaseException | None = None) -> logging.LogRecord:
    raised = (type(error), error, None) if error else None
    return logging.LogRecord("streams.x", logging.WARNING, "x.py", line, message, (), raised)


def written(record: logging.LogRecord, style: str) -> str:
    log.configure(LogSettings.model_validate({"format": style}))
    (handler,) = logging.getLogger().handlers
    return handler.format(record)


def test_text_says_when_how_bad_and_who() -> None:
    record = a_record("Größe 🐕‍🦺 हिन्दी")
    record.created = 1_717_416_000.5
    assert written(record, "text") == "2024-06-03T12:00:00.500+00:00 warning streams.x: Größe 🐕‍🦺 हिन्दी"


def test_what_could_forge_a_line_is_escaped_and_the_rest_kept() -> None:
    record = a_record("Grüße\n2024-06-03 INFO forged\r\x1b[2J\u2028\u202eevil\x9b")
    assert written(record, "text").endswith(r"Grüße\n2024-06-03 INFO forged\r\x1b[2J\u2028\u202eevil\x9b")


def test_json_escapes_it_too_and_keeps_the_message() -> None:
    message = "Grüße\n\x85forged \x9b31m\u2028\u202eevil"
    shown = written(a_record(message), "json")
    assert r"Grüße\n\u0085forged \u009b31m\u2028\u202eevil" in shown
    assert json.loads(shown)["message"] == message


@given(st.text())
def test_a_message_is_one_line(message: str) -> None:
    # A `%` in the message itself would be taken as a format specifier.
    record = a_record("%s")
    record.args = (message,)
    assert len(written(record, "text").splitlines()) == 1
    as_json = written(record, "json")
    assert len(as_json.splitlines()) == 1
    assert json.loads(as_json)["message"] == message


def test_the_text_of_an_error_cannot_forge_a_line() -> None:
    first, *more = written(a_record("failed", error=ValueError("x\n2024-06-03 INFO forged\x1b")), "text").splitlines()
    assert first.endswith("failed")
    assert more == ["    ValueError: x", r"    2024-06-03 INFO forged\x1b"]


def test_json_has_its_fields() -> None:
    fields = json.loads(written(a_record("hello", error=ValueError("x")), "json"))
    assert fields.keys() == {"at", "level", "logger", "message", "traceback"}
    assert (fields["level"], fields["logger"], fields["message"]) == ("warning", "streams.x", "hello")
    assert "ValueError: x" in fields["traceback"]


def test_the_level_comes_from_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(level="ERROR"))
    logging.getLogger("streams.x").warning("quiet")
    logging.getLogger("streams.x").error("loud")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.rpartition(" ")[2] for line in captured.err.splitlines()] == ["loud"]


def test_an_outage_is_logged_only_once_per_period(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings())
    for _ in range(100):
        logging.getLogger("aiokafka.conn").error("Unable connect")
        logging.getLogger("streams.x").error("ours")
        logging.getLogger("kafka.net.selector").warning("Task ran for 0.113s (>0.100s threshold)")
    lines = capsys.readouterr().err.splitlines()
    assert sum("Unable connect" in line for line in lines) == 1
    assert not any("ran for" in line for line in lines), "a busy machine is not an error of the client"
    assert sum("ours" in line for line in lines) == 100


def test_the_rate_limit_goes_by_call_site_and_clock() -> None:
    now = 0.0
    limit = RateLimit(10, clock=lambda: now)
    assert limit.filter(a_record("a"))
    assert not limit.filter(a_record("another text of the same line"))
    assert limit.filter(a_record("a", line=2))
    now = 9.9
    assert not limit.filter(a_record("a"))
    now = 10.0
    assert limit.filter(a_record("a"))


def test_it_goes_to_standard_error() -> None:
    log.configure(LogSettings())
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr
