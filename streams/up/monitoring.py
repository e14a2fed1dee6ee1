"""Prometheus and Alertmanager with the configuration from deploy/, if both it and the programs are available."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import streams
from streams.up.part import Part

CONFIGURATION = Path(streams.__file__).resolve().parents[1] / "deploy" / "prometheus"

# A trial sends no notifications; its alerts are shown on the web page of Alertmanager.
_ALERTMANAGER = """route: {receiver: page, group_by: [alertname, hashtag]}
receivers: [{name: page}]
"""


def monitoring(folder: Path, targets: Sequence[Part], configuration: Path = CONFIGURATION) -> list[Part]:
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
    jobs = {"tagpulse": targets, "alertmanager": parts[1:], "monitoring": parts[:1]}
    for name, monitored in jobs.items():
        addresses = [part.address for part in monitored]
        path = folder / "prometheus" / "targets" / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([{"targets": addresses}]))
    return parts


def _prometheus(folder: Path, program: str, configuration: Path) -> Part:
    shutil.copytree(configuration, folder / "prometheus")
    part = Part("prometheus", (), folder / "prometheus.log", ready="/-/ready")
    part.command = (
        program,
        f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address={part.address}",
    )
    return part


def _alertmanager(folder: Path, program: str) -> Part:
    (folder / "alertmanager.yml").write_text(_ALERTMANAGER)
    part = Part("alertmanager", (), folder / "alertmanager.log", ready="/-/ready")
    part.command = (
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--web.listen-address={part.address}",
        "--cluster.listen-address=",
    )
    return part
