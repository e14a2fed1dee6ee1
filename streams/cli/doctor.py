"""`tagpulse doctor`: check everything that a run needs."""

from __future__ import annotations

import logging
from dataclasses import asdict

import click

from streams import log
from streams.doctor.checks import examine
from streams.settings import load_settings
from streams.text.terminal import json_text, plain

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the keys ok and findings.")
def command(as_json: bool) -> int:
    """Check broker, topics, model, metrics port, clock and disk, and say how to fix each problem.

    Exit code 1 if a check fails; warnings do not count.

    \b
    Examples:
      tagpulse doctor
      tagpulse doctor --json | jq '.findings[] | select(.status != "ok")'
    """
    settings = load_settings()
    log.configure(settings.log)
    logging.disable(logging.ERROR)  # the findings say the same as the clients would log, but more clearly
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            status = click.style(f"{finding.status:<5}", fg=_COLOURS[finding.status])
            click.echo(f"{status} {finding.check:<13} {plain(finding.detail)}")
            if finding.advice:
                click.echo(f"{'':<19} → {plain(finding.advice)}")
    healthy = all(finding.status != "fail" for finding in findings)
    if as_json:
        click.echo(json_text({"ok": healthy, "findings": [asdict(finding) for finding in findings]}))
    return 0 if healthy else 1
