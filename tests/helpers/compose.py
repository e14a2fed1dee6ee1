"""docker-compose.yml as Docker Compose itself reads it; the program is installed with the tests and needs no engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.helpers.brokers import ROOT

ENV_EXAMPLE = ROOT / ".env.example"
OURS = "tagpulse:"
"""The beginning of the name of our own image."""


def script(name: str) -> str:
    """Return the path of a program that was installed with the tests."""
    return str(Path(sys.executable).parent / name)


def compose(*files: str, profiles: Sequence[str] = ("*",)) -> dict[str, Any]:
    """Return the whole file with all defaults filled in. Fail with the message of Docker Compose if it is invalid."""
    chosen = [part for profile in profiles for part in ("--profile", profile)]
    named = [part for file in ("docker-compose.yml", *files) for part in ("--file", file)]
    done = subprocess.run(
        [script("docker-compose"), *named, "--env-file", ENV_EXAMPLE, *chosen, "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COMPOSE_PROFILES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def secret_files(folder: Path) -> list[str]:
    """Run the script that makes the secret files, and return the lines that it prints about them."""
    script_path = ROOT / "deploy" / "docker" / "make-secrets.sh"
    done = subprocess.run([script_path, folder], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
