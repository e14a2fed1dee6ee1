from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from click.testing import CliRunner

from streams import cli
from streams.cli import broker as module
from streams.errors import Unavailable
from tests.helpers.processes import deliver


class FakeBroker:
    """A broker that is stopped by a signal, or that ends by itself."""

    bootstrap_servers = "127.0.0.1:19092"

    def __init__(self, kind: str, folder: Path, port: int) -> None:
        self.given = (kind, folder, port)
        self.dies = False
        self.stopped = False
        self.interrupt: Callable[[], None] = lambda: None

    def check(self) -> None:
        if self.dies:
            raise Unavailable("the broker exited unexpectedly with code 137: killed")
        self.interrupt()

    def __enter__(self) -> Self:
        assert self.given[1].is_dir() or self.given[1].name == "kept"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopped = True


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeBroker]]:
    """Return the brokers that were started; a SIGTERM arrives once one of them runs."""
    started: list[FakeBroker] = []

    def build(kind: str, folder: Path, port: int) -> FakeBroker:
        broker = FakeBroker(kind, folder, port)
        broker.interrupt = lambda: deliver(signal.SIGTERM)
        started.append(broker)
        return broker

    monkeypatch.setattr(module, "build_broker", build)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield started
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli.group, ["broker", *arguments], standalone_mode=False, catch_exceptions=False)


def test_it_runs_until_it_is_stopped_and_its_folder_is_gone(brokers: list[FakeBroker]) -> None:
    result = run()
    [broker] = brokers
    kind, folder, port = broker.given
    assert (result.return_value, kind, port) == (0, "embedded", 9092)
    assert result.stdout == ("broker ready: TAGPULSE_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:19092 (Ctrl-C to stop)\n")
    assert broker.stopped
    assert not folder.exists()


def test_it_keeps_its_data_in_the_given_folder(brokers: list[FakeBroker], tmp_path: Path) -> None:
    run("--kind", "apache", "--port", "1234", "--data", str(tmp_path / "kept"))
    assert brokers[0].given == ("apache", tmp_path / "kept", 1234)


def test_a_broker_that_ends_by_itself_is_an_error_with_its_log(
    brokers: list[FakeBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(kind: str, folder: Path, port: int) -> FakeBroker:
        broker = FakeBroker(kind, folder, port)
        broker.dies = True
        brokers.append(broker)
        return broker

    monkeypatch.setattr(module, "build_broker", build)
    with pytest.raises(Unavailable, match="the broker exited unexpectedly with code 137: killed"):
        run()
    assert brokers[0].stopped


@pytest.mark.parametrize("arguments", [("--port", "0"), ("--port", "65536"), ("--kind", "other")])
def test_wrong_usage_is_refused(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(cli.group, ["broker", *arguments]).exit_code == 2
