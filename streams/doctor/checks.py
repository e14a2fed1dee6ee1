"""Checks of everything that a run needs, each with advice on how to fix a problem."""

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
from streams.sources.registry import NETWORKS

Status = Literal["ok", "warn", "fail"]

_PROBE_SECONDS = 5.0
_SAMPLE = "What a lovely day with the police dogs!"
_CLOCK_TOLERANCE = timedelta(seconds=5)
_GIB = 2**30
_LOW_BYTES = 5 * _GIB
_FULL_BYTES = _GIB // 2


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check, with advice if it is not ok."""

    check: str
    status: Status
    detail: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check in turn and yield each finding as soon as it is known, without raising errors."""
    yield check_campaign(settings)
    broker = check_broker(settings)
    yield broker
    if broker.status == "fail":
        yield Finding(check="topics", status="warn", detail="not checked: the broker cannot be reached")
    else:
        yield check_topics(settings)
    yield from check_networks(settings)
    yield check_model(settings)
    yield check_port(settings)
    yield check_clock(settings, ask_broker=broker.status != "fail")
    yield check_lake(settings.lake)
    yield check_disk("state", settings.produce.state_path, "TAGPULSE_PRODUCE__STATE_PATH")


def check_campaign(settings: Settings) -> Finding:
    """Check that the campaign file is valid."""
    if settings.campaign is None:
        return Finding(
            check="campaign", status="ok", detail="none: all hashtags are watched, no campaign topics are scored"
        )
    try:
        campaign = load_campaign(settings.campaign)
    except TagpulseError as error:
        return Finding(check="campaign", status="fail", detail=str(error), advice="run tagpulse config validate")
    tags = ", ".join(f"#{tag}" for tag in campaign.hashtags) or "all hashtags"
    return Finding(check="campaign", status="ok", detail=f"{campaign.name}: {tags}, {len(campaign.topics)} topics")


def check_broker(settings: Settings) -> Finding:
    """Check that Kafka answers with these settings, and if it does not, say why."""
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
            detail=f"{detail}: posts and passwords are sent over the network unencrypted",
            advice="use TLS: TAGPULSE_KAFKA__SECURITY_PROTOCOL=SSL or SASL_SSL",
        )
    return Finding(check="broker", status="ok", detail=detail)


def check_topics(settings: Settings) -> Finding:
    """Check that the topics exist and match the settings."""
    try:
        found = topics.check(settings)
    except TagpulseError as error:
        return Finding(check="topics", status="fail", detail=str(error))
    missing = [difference.topic for difference in found.differences if difference.what == "topic"]
    if missing:
        detail = f"missing: {', '.join(missing)}"
        return Finding(check="topics", status="fail", detail=detail, advice="run tagpulse topics create")
    if found.differences:
        differences = (f"{d.topic}: {d.what} is {d.found}, wanted {d.wanted}" for d in found.differences)
        return Finding(
            check="topics",
            status="warn",
            detail="; ".join(differences),
            advice="alter the topics with Kafka's tools (kafka-configs.sh, kafka-topics.sh), or fix TAGPULSE_TOPICS__…",
        )
    note = " (configuration not compared: this broker does not report it)" if found.without_configs else ""
    return Finding(check="topics", status="ok", detail=f"{', '.join(t.name for t in topics.planned(settings))}{note}")


def check_networks(settings: Settings) -> Iterator[Finding]:
    """Check that the networks in the campaign exist and have their tokens, without contacting them."""
    for name in _campaign(settings).sources:
        try:
            access = NETWORKS.find(name)(settings).access()
        except TagpulseError as error:
            yield Finding(check=name, status="warn", detail=str(error), advice="correct sources in the campaign file")
            continue
        if access:
            yield Finding(check=name, status=access.status, detail=access.detail, advice=access.advice)


def check_model(settings: Settings) -> Finding:
    """Check that the files of the model are intact, and that it loads and answers."""
    began = time.perf_counter()
    try:
        from streams.model import load_enricher  # slow to import: report a closed port first

        enricher = load_enricher(settings.model, _campaign(settings))
        loaded = time.perf_counter()
        [answer] = enricher.enrich([_SAMPLE])
    except SettingsError as error:
        shipped = isinstance(error.__cause__, ArtefactError) and settings.model.path is None
        advice = "reinstall tagpulse" if shipped else "fix the setting, or the file that it names"
        return Finding(check="model", status="fail", detail=str(error), advice=advice)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        detail = f"{type(error).__name__}: {error}"
        return Finding(check="model", status="fail", detail=detail, advice="reinstall tagpulse")
    return Finding(
        check="model",
        status="ok",
        detail=f"{answer.model.name} {answer.model.version}, {enricher.runtime or 'no model'}: loaded in {loaded - began:.1f} s, answered in"
        f" {(time.perf_counter() - loaded) * 1000:.0f} ms ({answer.language.code}, {answer.sentiment.label})",
    )


def _campaign(settings: Settings) -> Campaign:
    try:
        return load_campaign(settings.campaign)
    except TagpulseError:  # reported by check_campaign
        return Campaign()


def check_port(settings: Settings) -> Finding:
    """Check that the metrics server can listen on its address."""
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
                detail=f"{host}:{port} is in use: a worker will use the next free port",
                advice="configure Prometheus with the port from the worker's log, or set TAGPULSE_METRICS__PORT",
            )
        return Finding(
            check="metrics port",
            status="fail",
            detail=f"{host}:{port}: {error.strerror or error}",
            advice="fix TAGPULSE_METRICS__HOST and TAGPULSE_METRICS__PORT",
        )
    return Finding(check="metrics port", status="ok", detail=f"{host}:{port} is free" if port else f"{host}, any port")


def check_clock(settings: Settings, *, ask_broker: bool) -> Finding:
    """Check the clock against the installation time, the newest records and the kernel's synchronisation status."""
    advice = "use a time service: timedatectl set-ntp true, or chrony"
    behind = clock_check.behind_installation()
    if behind > timedelta(days=1):
        detail = f"the clock is {behind.days} days behind the installation of tagpulse"
        return Finding(check="clock", status="fail", detail=detail, advice=advice)
    ahead = _records_ahead(settings) if ask_broker else None
    if ahead and ahead > _CLOCK_TOLERANCE:
        detail = f"the newest record of {settings.topics.raw} is {ahead.total_seconds():.0f} s ahead of this clock"
        return Finding(
            check="clock", status="fail", detail=detail, advice=f"{advice}; here and where the record was collected"
        )
    if clock_check.is_synchronised() is False:
        detail = "plausible, but not synchronised by a time service, according to the kernel"
        return Finding(check="clock", status="warn", detail=detail, advice=advice)
    return Finding(
        check="clock", status="ok", detail="plausible" if ahead is None else "no record is ahead of this clock"
    )


def _records_ahead(settings: Settings) -> timedelta | None:
    try:
        return clock_check.behind_records(settings)
    except TagpulseError:
        return None


def check_lake(lake: LakeSettings) -> Finding:
    """Check that the folder of the lake is writable and has space, or that the object store answers."""
    if isinstance(lake.path, Path):
        return check_disk("lake", lake.path, "TAGPULSE_LAKE__PATH")
    try:
        storage = open_storage(lake.path)
        storage.prepare()
    except TagpulseError as error:
        return Finding(check="lake", status="fail", detail=str(error))
    return Finding(check="lake", status="ok", detail=f"{storage.place} answers")


def check_disk(check: str, path: Path, variable: str) -> Finding:
    """Check that a folder is writable and its disk has space."""
    folder = path.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            check=check,
            status="fail",
            detail=f"{folder}: {existing} is not a folder that this user can write to",
            advice=f"grant this user write access, or set {variable}",
        )
    free = shutil.disk_usage(existing).free
    detail = f"{folder}: {free / _GIB:.1f} GiB free"
    if free >= _LOW_BYTES:
        return Finding(check=check, status="ok", detail=detail)
    advice = f"free some space, or set {variable} to another disk"
    return Finding(check=check, status="fail" if free < _FULL_BYTES else "warn", detail=detail, advice=advice)
