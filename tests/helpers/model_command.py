"""Running `python -m models` as its users do."""

import json
import subprocess
import sys
from typing import Any


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "models", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)


def answers(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """Return the JSON objects that a command printed. Fail if it was not successful."""
    assert result.returncode == 0, result.stderr.decode()
    return [json.loads(line) for line in result.stdout.decode("utf-8").splitlines()]
