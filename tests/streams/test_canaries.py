"""Secrets are planted in every setting that holds one; nothing that the processes write or show holds any of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from streams import topics
from streams.broker import Broker
from streams.settings import Settings
from streams.settings.tree import variables
from tests.conftest import SettingsFactory
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.processes import environment

SHAPES = {
    "TAGPULSE_MASTODON__TOKENS": "127.0.0.1:{port}={canary}",
    "TAGPULSE_POSTGRES__DSN": "postgresql://tagpulse:{canary}@127.0.0.1:{port}/tagpulse?connect_timeout=2",
    "TAGPULSE_ALERTS__WEBHOOK_URL": "http://127.0.0.1:{port}/{canary}",
    "TAGPULSE_ALERTS__WEBHOOKS": '[{{"name": "a", "url": "http://127.0.0.1:{port}/{canary}", "secret": "{canary}"}}]',
}
"""Of secrets that are more than a word."""

TOKEN, USER, PASSWORD = (f"TAGPULSE_ALERTS__ALERTMANAGER_{name}" for name in ("TOKEN", "USER", "PASSWORD"))
"""A token, or a user with a password."""

COMMANDS = {
    "config show": 0,
    "config show --json": 0,
    "doctor": 0,
    "alerts show": 0,
    "alerts test": 1,
    "produce x --tag poltwt": 77,
    "produce mastodon --tag poltwt": 77,
    "postgres check": 69,
}
"""And how each ends when the server says no."""


def _canaries(port: int) -> dict[str, str]:
    names = [name for name, variable in variables().items() if "SecretStr" in str(variable.field.annotation)]
    shapes = dict.fromkeys(names, "{canary}") | SHAPES
    return {name: shape.format(port=port, canary=_canary(name)) for name, shape in shapes.items()}


def _canary(name: str) -> str:
    return "canary-" + name.removeprefix("TAGPULSE_").replace("__", "-").lower()


async def _run(command: str, env: Mapping[str, str]) -> tuple[int, str]:
    """The exit code, and everything that it wrote or that a list of processes shows of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streams", *command.split(), env=env,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    shown = Path(f"/proc/{process.pid}/cmdline").read_text()
    written, _ = await process.communicate()
    return process.returncode or 0, shown + written.decode(errors="replace")


async def _refuse(request: Request, connection: Connection) -> None:
    """A server that tells everybody what it was told."""
    echo = {"title": "Forbidden", "detail": str(request.headers), "error": f"{request.path} {request.headers}"}
    await connection.answer(403, json.dumps(echo).encode(), Content_Type="application/json")


def _environment(settings: Settings, address: str, **more: str) -> dict[str, str]:
    own = {
        "TAGPULSE_MASTODON__INSTANCES": address,
        "TAGPULSE_X__URL": address,
        "TAGPULSE_ALERTS__ALERTMANAGER_URL": address,
        "TAGPULSE_LOG__LEVEL": "DEBUG",
    }
    canaries = _canaries(int(address.rpartition(":")[2]))
    del canaries[TOKEN if USER in more else PASSWORD]
    return environment(settings, own | canaries | more)


@pytest.mark.slow
async def test_no_process_shows_a_secret(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker, model={"backend": "constant"})
    topics.create(settings)
    async with http_server(_refuse) as address:
        env = _environment(settings, address)
        refused = env | {
            "TAGPULSE_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "TAGPULSE_KAFKA__USERNAME": "tagpulse",
        }
        wrong = env | {name: value + " \n" for name, value in _canaries(1).items()}
        by_password = _environment(settings, address, **{USER: "tagpulse"})
        runs = [(command, code, _run(command, env)) for command, code in COMMANDS.items()]
        runs += [("alerts test", 1, _run("alerts test", by_password))]
        runs += [("worker enrich", 77, _run("worker enrich", refused)), ("wrong", 78, _run("config validate", wrong))]
        outcomes = await asyncio.wait_for(asyncio.gather(*(run for *_, run in runs)), 200)
    planted = [_canary(name) for name in _canaries(1)]
    for (command, code, _), (found, written) in zip(runs, outcomes, strict=True):
        assert written.strip(), command
        leaked = [canary for canary in planted if canary in written]
        assert not leaked, f"{command}: {written}"
        assert found == code, f"{command}: {written}"
