"""Secrets are planted in every setting that holds one; nothing that the processes write or show holds any of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from streams.contracts import decode_any, encode
from streams.delivery.sample import sample_spikes
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import ROLES, Settings
from tests.conftest import SettingsFactory
from tests.helpers import records, x
from tests.helpers.canaries import canaries, canary, leaked, shown_by, written
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.processes import Tagpulse, environment, eventually

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
"""The exit code of each command when the server refuses it."""


async def _run(command: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Return the exit code, and everything that the command wrote or that a list of processes shows of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streams", *command.split(), env=env,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    shown = Path(f"/proc/{process.pid}/cmdline").read_text()
    output, _ = await process.communicate()
    return process.returncode or 0, shown + output.decode(errors="replace")


async def _refuse(request: Request, connection: Connection) -> None:
    """Answer as a server that echoes what was sent to it."""
    echo = {"title": "Forbidden", "detail": str(request.headers), "error": f"{request.path} {request.headers}"}
    await connection.answer(403, json.dumps(echo).encode(), Content_Type="application/json")


def _environment(settings: Settings, address: str, **more: str) -> dict[str, str]:
    own = {
        "TAGPULSE_MASTODON__INSTANCES": address,
        "TAGPULSE_X__URL": address,
        "TAGPULSE_ALERTS__ALERTMANAGER_URL": address,
        "TAGPULSE_LOG__LEVEL": "DEBUG",
    }
    planted = canaries(int(address.rpartition(":")[2]))
    del planted[TOKEN if USER in more else PASSWORD]
    return environment(settings, own | planted | more)


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
        wrong = env | {name: value + " \n" for name, value in canaries(1).items()}
        by_password = _environment(settings, address, **{USER: "tagpulse"})
        runs = [(command, code, _run(command, env)) for command, code in COMMANDS.items()]
        runs += [("alerts test", 1, _run("alerts test", by_password))]
        runs += [("worker enrich", 77, _run("worker enrich", refused)), ("wrong", 78, _run("config validate", wrong))]
        outcomes = await asyncio.wait_for(asyncio.gather(*(run for *_, run in runs)), 200)
    for (command, code, _), (found, output) in zip(runs, outcomes, strict=True):
        assert output.strip(), command
        assert not leaked(output), f"{command}: {output}"
        assert found == code, f"{command}: {output}"


PIPELINE = {
    "produce": ("produce", "x", "--tag", "poltwt"),
    "enrich": ("worker", "enrich"),
    "store": ("worker", "store", "--sink", "parquet", "--sink", "postgres"),
    "watch": ("worker", "watch"),
}


@pytest.mark.slow
async def test_no_running_process_leaves_a_secret_anywhere(
    embedded_broker: Broker, settings_for: SettingsFactory, dsn: str, tmp_path: Path
) -> None:
    settings = settings_for(
        embedded_broker, model={"backend": "constant"}, lake={"flush_seconds": 0.5}, produce={"cursor_seconds": 0.5}
    )
    topics.create(settings)
    alert, _ = sample_spikes("negative", "poltwt", datetime.now(UTC))
    # first the producer is disconnected, then the recorder
    streams: list[list[x.Act]] = [
        [x.send(x.line(0), b"{junk\r\n"), x.cut],
        [x.send(x.line(1)), x.stay],
        [x.send(x.line(2)), x.cut],
        [x.stay],
    ]
    async with x.x(*streams) as network, http_server(_refuse) as address:
        env = _environment(settings, address) | {
            "TAGPULSE_X__URL": network.url,
            "TAGPULSE_X__TOKEN": x.TOKEN,
            "TAGPULSE_X__SILENCE_SECONDS": "600",
            "TAGPULSE_POSTGRES__DSN": dsn.replace("postgres@", f"postgres:{canary('TAGPULSE_POSTGRES__DSN')}@"),
        }
        with contextlib.ExitStack() as stack:

            def start(*arguments: str | Path) -> Tagpulse:
                return stack.enter_context(Tagpulse(*arguments, settings=settings, folder=tmp_path, env=env))

            running = {name: start(*arguments) for name, arguments in PIPELINE.items()}
            await _until(lambda: records.count(settings.kafka, settings.topics.gaps), "a gap")
            running["record"] = start("record", "x", "--tag", "poltwt", "--to", tmp_path / "day.zst")
            records.produce(settings.kafka, settings.topics.alerts, [(alert.key, encode(alert))])
            await _until(lambda: records.count(settings.kafka, settings.topics.dead), "a dead letter")
            await _until(lambda: list((tmp_path / "lake").rglob("*.parquet")), "posts in the lake")
            await _until(lambda: _rows(dsn), "posts in PostgreSQL")
            await _until(lambda: "refuses alerts" in running["watch"].stderr, "an alert that is refused")
            await _until(lambda: "reconnecting in" in running["record"].stderr, "a recorded frame")
            shown = dict(shown_by(running.values()))
            for process in running.values():
                process.terminate()
            for name, process in running.items():
                assert await asyncio.to_thread(process.wait) == 0, f"{name}: {process.stderr}"
    shown |= dict(written(tmp_path)) | {"PostgreSQL": _rows(dsn)}
    for role in ROLES:
        found = records.read_all(settings.kafka, getattr(settings.topics, role))
        shown[role] = str([(record.key, decode_any(record.value, record.headers)) for record in found])
    assert [what for what in ("raw", "enriched", "day.zst", "PostgreSQL") if "#poltwt" not in shown[what]] == []
    assert "{junk" in shown["dead"]
    assert {what: text for what, text in shown.items() if leaked(text)} == {}


async def _until(condition: Callable[[], object], what: str) -> None:
    await eventually(condition, 60, what)


def _rows(dsn: str) -> str:
    """Return all rows of all tables, or nothing while there is no post."""
    with psycopg.connect(dsn) as connection:
        named = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        rows = {
            name: connection.execute(sql.SQL("select * from {}").format(sql.Identifier(name))).fetchall()
            for (name,) in named
        }
    return str(rows) if rows.get("stored_posts") else ""
