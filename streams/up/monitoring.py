"""Prometheus and Alertmanager with the configuration from deploy/, if both it and the programs are available."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import streams
from streams.processes.broker import HOST
from streams.up.process import ManagedProcess

CONFIGURATION = Path(streams.__file__).resolve().parents[1] / "deploy" / "prometheus"

# A trial sends no notifications; its alerts are shown on the web page of Alertmanager.
_ALERTMANAGER = """route: {receiver: page, group_by: [alertname, hashtag]}
receivers: [{name: page}]
"""


def monitoring(
    folder: Path, targets: Sequence[ManagedProcess], configuration: Path = CONFIGURATION
) -> list[ManagedProcess]:
    """Prepare the processes that monitor `targets`.

    Args:
        folder: Receives their configuration, data and logs.
        targets: The processes to monitor.
        configuration: The folder with the configuration of Prometheus.

    Returns:
        The processes, not started; empty if Prometheus or its configuration is missing.
    """
    prometheus = shutil.which("prometheus")
    if prometheus is None or not (configuration / "prometheus.yml").is_file():
        return []
    folder.mkdir(parents=True)
    parts = [_prometheus(folder, prometheus, configuration)]
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program:
        parts.append(_alertmanager(folder, program))
    jobs = {
        "tagpulse": [part for part in targets if part.ready == "/readyz"],
        "alertmanager": parts[1:],
        "monitoring": parts[:1],
    }
    for name, monitored in jobs.items():
        addresses = [f"{HOST}:{part.port}" for part in monitored]
        path = folder / "prometheus" / "targets" / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([{"targets": addresses}]))
    return parts


def _prometheus(folder: Path, program: str, configuration: Path) -> ManagedProcess:
    shutil.copytree(configuration, folder / "prometheus")
    part = ManagedProcess("prometheus", (), folder / "prometheus.log", os.environ, ready="/-/ready")
    part.command = (
        program,
        f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address={HOST}:{part.port}",
    )
    return part


def _alertmanager(folder: Path, program: str) -> ManagedProcess:
    (folder / "alertmanager.yml").write_text(_ALERTMANAGER)
    part = ManagedProcess("alertmanager", (), folder / "alertmanager.log", os.environ, ready="/-/ready")
    part.command = (
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--web.listen-address={HOST}:{part.port}",
        "--cluster.listen-address=",
    )
    return part
