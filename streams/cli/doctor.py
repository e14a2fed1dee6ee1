"""`tagpulse doctor`."""

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
@click.option("--json", "as_json", is_flag=True, help="One JSON object: ok, findings.")
def command(as_json: bool) -> int:
    """Check broker, topics, model, metrics port, clock and disk; say what to do about what is wrong.

    Exit code 1 when a check fails; warnings alone are 0.

    \b
    Examples:
      tagpulse doctor
      tagpulse doctor --json | jq '.findings[] | select(.status != "ok")'
    """
    settings = load_settings()
    log.configure(settings.log)
    logging.disable(logging.ERROR)  # what the clients would say is in the findings, in better words
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
