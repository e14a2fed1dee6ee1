"""Prometheus and Alertmanager as real processes with the committed configuration, and a receiver of their alerts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import yaml

from streams.processes.broker import HOST, free_port
from tests.helpers.brokers import ROOT
from tests.helpers.processes import wait_until

PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))

_DEBIAN = {"prometheus": "prometheus", "promtool": "prometheus"}


def program(*names: str) -> str:
    """Return the path of the first of these programs that is installed. Skip the test if none is, but fail in CI."""
    for name in names:
        if path := shutil.which(name):
            return path
    package = _DEBIAN.get(names[0], "prometheus-alertmanager")
    reason = f"{names[0]} is not installed (Debian: apt-get install {package})"
    if os.environ.get("CI") and shutil.which("apt-get"):
        pytest.fail(reason)
    pytest.skip(reason)


def rules() -> list[dict[str, Any]]:
    """Return every recording and alerting rule of deploy/prometheus."""
    files = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES)
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def get(url: str) -> Any:
    """Return the JSON or the text at a URL; None while nothing listens there or the answer is an HTTP error."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            body = answer.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return None
    return json.loads(body) if body.startswith((b"{", b"[")) else body.decode()


class _Server:
    """A program that listens on a free port of 127.0.0.1 until the end of the `with` block."""

    def __init__(self, folder: Path, ready: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._ready = self.url + ready
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        with (self.folder / "log").open("wb") as log:
            self._process = process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_until(lambda: get(self._ready) or process.poll() is not None, 30, f"{self._ready} answers")
            assert process.poll() is None, self.log
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class Prometheus(_Server):
    """Prometheus with the committed configuration and rules, except that it scrapes other targets, once a second."""

    def __init__(self, folder: Path, targets: Sequence[str], alertmanager: str) -> None:
        self.program = program("prometheus")
        super().__init__(folder, "/-/ready")
        shutil.copytree(PROMETHEUS, folder / "etc")
        self._hasten(folder / "etc" / "prometheus.yml", "1s")
        for path in (folder / "etc" / "rules").glob("*.yml"):
            self._hasten(path, "1s")
        for name, addresses in {
            "tagpulse": targets,
            "alertmanager": [alertmanager],
            "monitoring": [f"{HOST}:{self.port}"],
        }.items():
            (folder / "etc" / "targets" / f"{name}.yml").write_text(yaml.safe_dump([{"targets": list(addresses)}]))

    def _hasten(self, path: Path, interval: str) -> None:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "global" in content:
            content["global"] |= dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), interval)
        for group in content.get("groups", ()):
            group.pop("interval", None)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def command(self) -> Sequence[str]:
        return [
            self.program,
            f"--config.file={self.folder / 'etc' / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            # an alert raised before the first Alertmanager is found is soon sent again
            "--rules.alert.resend-delay=1s",
            f"--web.listen-address={HOST}:{self.port}",
        ]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query, each with `metric` and `value`."""
        answer = get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return [] if answer is None else answer["data"]["result"]

    def targets(self) -> list[dict[str, Any]]:
        """Return the active targets, each with `labels`, `health` and `lastError`."""
        answer = get(f"{self.url}/api/v1/targets?state=active")
        return [] if answer is None else answer["data"]["activeTargets"]

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules that are loaded, each with `name`, `type`, `health` and `lastError`."""
        groups = get(f"{self.url}/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


class Alertmanager(_Server):
    """Alertmanager with the committed configuration, except that the receivers are those of `post_office`."""

    def __init__(self, folder: Path, post_office: PostOffice) -> None:
        self.program = program("prometheus-alertmanager", "alertmanager")
        super().__init__(folder, "/-/ready")
        shutil.copytree(ALERTMANAGER, folder / "etc")
        path = folder / "etc" / "alertmanager.yml"
        text = path.read_text(encoding="utf-8")
        (folder / "secrets").mkdir()
        for name in ("shift_webhook_url", "pager_webhook_url", "dead_mans_switch_token"):
            assert f"/run/secrets/{name}" in text
            (folder / "secrets" / name).write_text(f"{post_office.url}/{name}")
        text = text.replace("/run/secrets", str(folder / "secrets"))
        path.write_text(text.replace("https://dead-mans-switch.invalid", f"{post_office.url}/dead-mans-switch"))

    def command(self) -> Sequence[str]:
        return [
            self.program,
            f"--config.file={self.folder / 'etc' / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--cluster.listen-address=",
        ]

    def send(self, labels: dict[str, str], annotations: dict[str, str] | None = None) -> None:
        """Raise an alert, as Prometheus does."""
        body = json.dumps([{"labels": labels, "annotations": annotations or {}}]).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 200

    def alerts(self) -> list[dict[str, Any]]:
        """Return every alert, each with `labels` and `status`."""
        return get(f"{self.url}/api/v2/alerts") or []


class PostOffice:
    """A server to which alerts are delivered by HTTP; `received` has the path and the JSON of each delivery."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.append((self.path, body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"

    def at(self, path: str) -> list[dict[str, Any]]:
        """Return what was delivered to a path."""
        return [body for where, body in list(self.received) if where.startswith(path)]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
