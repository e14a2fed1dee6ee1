"""Checks everything that a run needs, and says what to do about what is wrong."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from models.errors import ArtefactError
from streams.campaign import Campaign, load_campaign
from streams.doctor import clock_check
from streams.errors import SettingsError, TagpulseError
from streams.kafka import connection, topics
from streams.settings import LakeSettings, Settings
from streams.settings.types import is_local
from streams.sinks.lake.opening import open_storage

Status = Literal["ok", "warn", "fail"]

_PROBE_SECONDS = 5.0
_SAMPLE = "What a lovely day with the police dogs!"
_CLOCK_TOLERANCE = timedelta(seconds=5)
_GIB = 2**30
_LOW_BYTES = 5 * _GIB
_FULL_BYTES = _GIB // 2


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found, and what to do when it is not ok."""

    check: str
    status: Status
    detail: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check, one after the other; each finding comes as soon as it is known. Raises nothing of its own."""
    yield check_campaign(settings)
    broker = check_broker(settings)
    yield broker
    if broker.status == "fail":
        yield Finding(check="topics", status="warn", detail="not checked: the broker cannot be reached")
    else:
        yield check_topics(settings)
    yield from check_tokens(settings)
    yield check_model(settings)
    yield check_port(settings)
    yield check_clock(settings, ask_broker=broker.status != "fail")
    yield check_lake(settings.lake)
    yield check_disk("state", settings.produce.state_path, "TAGPULSE_PRODUCE__STATE_PATH")


def check_campaign(settings: Settings) -> Finding:
    """Whether the campaign file can be read."""
    if settings.campaign is None:
        return Finding(
            check="campaign", status="ok", detail="none: every hashtag counts, no campaign topics are scored"
        )
    try:
        campaign = load_campaign(settings.campaign)
    except TagpulseError as error:
        return Finding(check="campaign", status="fail", detail=str(error), advice="tagpulse config validate")
    tags = ", ".join(f"#{tag}" for tag in campaign.hashtags) or "every hashtag"
    return Finding(check="campaign", status="ok", detail=f"{campaign.name}: {tags}, {len(campaign.topics)} topics")


def check_broker(settings: Settings) -> Finding:
    """Whether Kafka answers to these settings, and if not, why."""
    kafka = settings.kafka
    names = [topic.name for topic in topics.planned(settings)]
    try:
        asyncio.run(connection.probe(kafka, _PROBE_SECONDS, names))
    except TagpulseError as error:
        return Finding(check="broker", status="fail", detail=str(error))
    detail = f"{kafka.bootstrap_servers} answers ({kafka.security_protocol})"
    if not kafka.security_protocol.endswith("SSL") and not all(is_local(host) for host, _ in connection.servers(kafka)):
        return Finding(
            check="broker",
            status="warn",
            detail=f"{detail}: posts and passwords cross the network unencrypted",
            advice="use TLS: TAGPULSE_KAFKA__SECURITY_PROTOCOL=SSL or SASL_SSL",
        )
    return Finding(check="broker", status="ok", detail=detail)


def check_topics(settings: Settings) -> Finding:
    """Whether the topics are there and as the settings want them."""
    try:
        found = topics.check(settings)
    except TagpulseError as error:
        return Finding(check="topics", status="fail", detail=str(error))
    missing = [difference.topic for difference in found.differences if difference.what == "topic"]
    if missing:
        detail = f"missing: {', '.join(missing)}"
        return Finding(check="topics", status="fail", detail=detail, advice="tagpulse topics create")
    if found.differences:
        differences = (f"{d.topic}: {d.what} is {d.found}, wanted {d.wanted}" for d in found.differences)
        return Finding(
            check="topics",
            status="warn",
            detail="; ".join(differences),
            advice="alter the topics with Kafka's tools (kafka-configs.sh, kafka-topics.sh), or mend TAGPULSE_TOPICS__…",
        )
    note = " (this broker tells no configurations)" if found.without_configs else ""
    return Finding(check="topics", status="ok", detail=f"{', '.join(t.name for t in topics.planned(settings))}{note}")


def check_tokens(settings: Settings) -> Iterator[Finding]:
    """Whether there are tokens for the networks that the campaign names; nothing is asked of the networks."""
    networks = _campaign(settings).sources
    if "x" in networks:
        if settings.x.token is None:
            advice = "set TAGPULSE_X__TOKEN: see docs/sources.md"
            yield Finding(check="x", status="fail", detail="no token: X lets nobody listen without one", advice=advice)
        else:
            yield Finding(check="x", status="ok", detail=f"a token for {settings.x.url}")
    if "mastodon" in networks:
        without = [url for url, token in settings.mastodon.servers.items() if token is None]
        if without:
            advice = "set TAGPULSE_MASTODON__TOKENS: see docs/sources.md"
            detail = f"no token for {', '.join(without)}: instances since 4.2 ask for one"
            yield Finding(check="mastodon", status="warn", detail=detail, advice=advice)
        else:
            yield Finding(check="mastodon", status="ok", detail=f"a token for {', '.join(settings.mastodon.servers)}")


def check_model(settings: Settings) -> Finding:
    """Whether the model's files are whole, and it loads and answers."""
    began = time.perf_counter()
    try:
        from streams.model import load_enricher  # slow to import: a closed port should be said before

        enricher = load_enricher(settings.model, _campaign(settings))
        loaded = time.perf_counter()
        [answer] = enricher.enrich([_SAMPLE])
    except SettingsError as error:
        shipped = isinstance(error.__cause__, ArtefactError) and settings.model.path is None
        advice = "install tagpulse again" if shipped else "mend the setting, or what it names"
        return Finding(check="model", status="fail", detail=str(error), advice=advice)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        detail = f"{type(error).__name__}: {error}"
        return Finding(check="model", status="fail", detail=detail, advice="install tagpulse again")
    return Finding(
        check="model",
        status="ok",
        detail=f"{answer.model.name} {answer.model.version}, {enricher.runtime or 'no model'}: loaded in {loaded - began:.1f} s, answered in"
        f" {(time.perf_counter() - loaded) * 1000:.0f} ms ({answer.language.code}, {answer.sentiment.label})",
    )


def _campaign(settings: Settings) -> Campaign:
    try:
        return load_campaign(settings.campaign)
    except TagpulseError:  # a finding of its own
        return Campaign()


def check_port(settings: Settings) -> Finding:
    """Whether the metrics can listen on their address."""
    host, port = settings.metrics.host, settings.metrics.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            pass
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return Finding(
                check="metrics port",
                status="warn",
                detail=f"{host}:{port} is in use: a worker takes the next free port",
                advice="tell Prometheus the port of the worker's log, or set TAGPULSE_METRICS__PORT",
            )
        return Finding(
            check="metrics port",
            status="fail",
            detail=f"{host}:{port}: {error.strerror or error}",
            advice="mend TAGPULSE_METRICS__HOST and TAGPULSE_METRICS__PORT",
        )
    return Finding(check="metrics port", status="ok", detail=f"{host}:{port} is free" if port else f"{host}, any port")


def check_clock(settings: Settings, *, ask_broker: bool) -> Finding:
    """Whether the clock can be believed: against the installation, the newest records and the kernel's opinion."""
    advice = "let a time service keep the clock: timedatectl set-ntp true, or chrony"
    behind = clock_check.behind_installation()
    if behind > timedelta(days=1):
        detail = f"the clock is {behind.days} days behind the installation of tagpulse"
        return Finding(check="clock", status="fail", detail=detail, advice=advice)
    ahead = _records_ahead(settings) if ask_broker else None
    if ahead and ahead > _CLOCK_TOLERANCE:
        detail = f"the newest record of {settings.topics.raw} is {ahead.total_seconds():.0f} s ahead of this clock"
        return Finding(check="clock", status="fail", detail=detail, advice=f"{advice}; here and where it was collected")
    if clock_check.is_synchronised() is False:
        detail = "plausible, but the kernel says that no time service keeps it"
        return Finding(check="clock", status="warn", detail=detail, advice=advice)
    return Finding(check="clock", status="ok", detail="plausible" if ahead is None else "no record is ahead of it")


def _records_ahead(settings: Settings) -> timedelta | None:
    try:
        return clock_check.behind_records(settings)
    except TagpulseError:
        return None


def check_lake(lake: LakeSettings) -> Finding:
    """Whether the folder of the lake can be written and has room, or the object store answers."""
    if isinstance(lake.path, Path):
        return check_disk("lake", lake.path, "TAGPULSE_LAKE__PATH")
    try:
        storage = open_storage(lake.path)
        storage.prepare()
    except TagpulseError as error:
        return Finding(check="lake", status="fail", detail=str(error))
    return Finding(check="lake", status="ok", detail=f"{storage.place} answers")


def check_disk(check: str, path: Path, variable: str) -> Finding:
    """Whether a folder can be written and has room."""
    folder = path.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            check=check,
            status="fail",
            detail=f"{folder}: {existing} is no folder that this user may write to",
            advice=f"give the rights, or set {variable}",
        )
    free = shutil.disk_usage(existing).free
    detail = f"{folder}: {free / _GIB:.1f} GiB free"
    if free >= _LOW_BYTES:
        return Finding(check=check, status="ok", detail=detail)
    advice = f"make room, or set {variable} to another disk"
    return Finding(check=check, status="fail" if free < _FULL_BYTES else "warn", detail=detail, advice=advice)
