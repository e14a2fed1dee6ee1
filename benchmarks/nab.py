"""Finds surges in series of counts with tagpulse's own detector and scores them like the Numenta Anomaly Benchmark (NAB).

`python benchmarks/nab.py --data DIR [--json]`: DIR has CSV files (timestamp, value; one row every five minutes) and
`windows.json` with the labelled windows of each file. Without `windows.json` there are detections, but no score.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from nab_scoring import Window, normalised, probation_rows, raw_score
from rich.console import Console
from rich.table import Table

from streams.contracts import SENSITIVITY_NAMES, SensitivityName
from streams.spikes.sensitivity import SENSITIVITIES
from streams.spikes.surge import Limits, Surge
from streams.spikes.volume import limits_of

DEVIATIONS = (2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
"""The thresholds that leave-one-file-out chooses from."""


def read_series(path: Path) -> tuple[list[str], list[int]]:
    """Read the times, as they are written, and the counts of a series."""
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [row["timestamp"] for row in rows], [int(float(row["value"])) for row in rows]


def read_windows(path: Path) -> dict[str, list[Window]]:
    """Read the start and the end of each labelled window by file, written as in the series."""
    if not path.exists():
        return {}
    stored: dict[str, list[list[str]]] = json.loads(path.read_text())
    return {Path(name).name: [(start[:19], end[:19]) for start, end in spans] for name, spans in stored.items()}


def detect(counts: Sequence[int], limits: Limits) -> list[int]:
    """Return the rows in which a surge opens."""
    surge = Surge(limits)
    return [row for row, count in enumerate(counts) if surge.add(count) == "opened"]


class Corpus:
    """The series of a folder with their labelled windows."""

    def __init__(self, folder: Path) -> None:
        self.series = {path.name: read_series(path) for path in sorted(folder.glob("*.csv"))}
        if not self.series:
            raise click.BadParameter(f"no CSV files in {folder}", param_hint="--data")
        self.windows = read_windows(folder / "windows.json")

    def detections(self, limits: Limits) -> dict[str, list[str]]:
        """Return the times of the detections by file, without those in the probationary period, which are not scored."""
        found = {}
        for name, (times, counts) in self.series.items():
            first = probation_rows(len(times))
            found[name] = [times[row] for row in detect(counts, limits) if row >= first]
        return found

    def raw(self, detections: dict[str, list[str]]) -> dict[str, tuple[float, int]]:
        """Return the raw score and the number of windows by file."""
        return {
            name: raw_score(times, self.windows[name], detections[name])
            for name, (times, _) in self.series.items()
            if name in self.windows
        }


def whole(parts: dict[str, tuple[float, int]]) -> float | None:
    """Return the normalised score of several series, or None without windows."""
    windows = sum(windows for _, windows in parts.values())
    return normalised(sum(score for score, _ in parts.values()), windows) if windows else None


def leave_one_out(corpus: Corpus, limits: Limits) -> float | None:
    """Return the score if each series uses the threshold that is best for the others, or None without windows."""
    by_threshold = {each: corpus.raw(corpus.detections(replace(limits, deviations=each))) for each in DEVIATIONS}
    chosen: dict[str, tuple[float, int]] = {}
    for name in corpus.windows:
        best = max(DEVIATIONS, key=lambda each: sum(s for n, (s, _) in by_threshold[each].items() if n != name))
        if name in by_threshold[best]:
            chosen[name] = by_threshold[best][name]
    return whole(chosen)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--sensitivity", type=click.Choice(SENSITIVITY_NAMES), default="middle", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one object: score, detections, files, leave_one_out.")
def main(data: Path, sensitivity: SensitivityName, as_json: bool) -> None:
    """Score the detector of volume spikes on NAB's series."""
    corpus, limits = Corpus(data), limits_of(SENSITIVITIES[sensitivity])
    detections = corpus.detections(limits)
    parts = corpus.raw(detections)
    answer: dict[str, Any] = {
        "score": _rounded(whole(parts)),
        "detections": detections,
        "files": {name: _rounded(whole({name: part})) for name, part in parts.items()},
        "leave_one_out": _rounded(leave_one_out(corpus, limits)),
    }
    if as_json:
        print(json.dumps(answer))
        return
    table = Table("series", "windows", "detections", "score", title=f"NAB, standard profile, sensitivity {sensitivity}")
    for name, found in detections.items():
        table.add_row(name, str(len(corpus.windows.get(name, ()))), str(len(found)), str(answer["files"].get(name, "")))
    table.add_row("all", "", str(sum(map(len, detections.values()))), str(answer["score"]))
    table.add_row("all, each with the threshold of the others", "", "", str(answer["leave_one_out"]))
    Console().print(table)


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 2)


if __name__ == "__main__":
    main()
