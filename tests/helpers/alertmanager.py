"""A real Alertmanager on 127.0.0.1, and the alerts that it holds."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from streams.processes.broker import free_port
from tests.helpers.processes import wait_until

_PROGRAMS = ("prometheus-alertmanager", "alertmanager")
_CONFIGURATION = """
route:
  receiver: hook
  group_by: [alertname, hashtag, run]
  group_wait: {group_wait}
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: hook
    webhook_configs: [{webhooks}]
"""


def alertmanager_program() -> str:
    """Return the path of the program. Skip the test if it is not installed."""
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return found
    pytest.skip("Alertmanager is not installed (Debian: prometheus-alertmanager)")


LOGIN = ("shift", "a password of tests")
"""The user and the password of a server that asks for a login."""
_USERS = 'basic_auth_users: {shift: "$2b$04$abcdefghijklmnopqrstuuf6jy9oofv/1FTtdWDUJPpjhojBhQQ.S"}'
"""The same user, with the bcrypt hash of the password."""


class Alertmanager:
    """An Alertmanager for a `with` block, which sends its notifications to `webhook` if there is one."""

    def __init__(
        self, folder: Path, webhook: str | None = None, group_wait: str = "0s", *, asks_for_login: bool = False
    ) -> None:
        self._program = alertmanager_program()
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        webhooks = f"{{url: '{webhook}', send_resolved: true}}" if webhook else ""
        configuration = _CONFIGURATION.format(webhooks=webhooks, group_wait=group_wait)
        (folder / "alertmanager.yml").write_text(configuration)
        (folder / "web.yml").write_text(_USERS if asks_for_login else "")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start, or restart with the same data, and wait until it is ready."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder / 'alertmanager.yml'}",
                    f"--storage.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--cluster.listen-address=",
                    f"--web.config.file={self._folder / 'web.yml'}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._is_ready, 30, "the start of Alertmanager")

    def stop(self) -> None:
        """Stop the process."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """Return the open alerts that have these labels."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return [alert for alert in found if alert["labels"].items() >= labels.items()]

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            return error.code == HTTPStatus.UNAUTHORIZED
        except (urllib.error.URLError, OSError):
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            error.add_note(f"log of Alertmanager:\n{self.log[-3000:]}")
