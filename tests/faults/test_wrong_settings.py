"""Settings that are wrong in every way that `tagpulse config validate` knows: no process starts, and each names them."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import pytest

from streams.settings import Settings
from tests.faults.conftest import Report
from tests.helpers.processes import run_tagpulse
from tests.helpers.wrong_settings import INCONSISTENT, WRONG

COMMANDS = (("worker", "enrich"), ("worker", "store", "--sink", "parquet"), ("produce", "file", "-"))
WAYS = [({name: value}, [name]) for name, values in WRONG.items() for value in values] + INCONSISTENT


def _start(command: tuple[str, ...], wrong: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run_tagpulse(*command, settings=Settings(), stdin="", env=wrong, timeout=120)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_no_process_starts_with_a_wrong_setting_and_each_names_it(report: Report, full: bool) -> None:
    # `tests/streams/settings/test_tree.py` tests every way without a process
    cases = [(command, *way) for command, way in zip(cycle(COMMANDS), WAYS if full else WAYS[::100], strict=False)]
    with ThreadPoolExecutor(max_workers=4) as starters:
        results = list(starters.map(lambda case: _start(case[0], case[1]), cases))
    for (command, wrong, named), result in zip(cases, results, strict=True):
        last_line = result.stderr.strip().splitlines()[-1]
        assert result.returncode == 78, (command, wrong, result.stderr)
        assert last_line.startswith("tagpulse: "), (command, wrong)
        assert all(name in last_line for name in named), (command, wrong, last_line)
    report(
        fault="a process started with settings wrong in each way that `config validate` knows",
        times=len(cases),
        posts=0,
        lost=0,
        twice=0,
        note="exit 78, and the last line names the setting",
        size="" if full else f"{len(cases)} of {len(WAYS)}",
    )
