"""The scoring of `benchmarks/nab.py`, as the NAB white paper and NAB's own tests specify it for the standard profile.

A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", 2015; github.com/numenta/NAB.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nab_scoring import normalised, probation_rows, raw_score

EARLIEST, HALFWAY = 0.9866142981514305, 0.8482836399575131
"""NAB's scaled sigmoid at the start of a window (-1.0) and halfway through it (-0.5)."""
TIMES = [f"2015-02-26 {minute // 60:02}:{minute % 60:02}:00" for minute in range(100)]


def score(*detected: int, windows: list[tuple[int, int]]) -> float:
    """Return the raw score over 100 rows, the first 15 of which are the probationary period."""
    spans = [(TIMES[start], TIMES[end]) for start, end in windows]
    return raw_score(TIMES, spans, {TIMES[row] for row in detected})[0]


def test_a_detection_at_the_start_of_its_window_is_worth_one_and_later_ones_less() -> None:
    assert score(40, windows=[(40, 41)]) == pytest.approx(1)
    assert score(41, windows=[(40, 41)]) == pytest.approx(HALFWAY / EARLIEST)
    assert score(41, 60, windows=[(40, 41), (60, 61)]) == pytest.approx(HALFWAY / EARLIEST + 1)
    in_order = [score(row, windows=[(40, 59)]) for row in range(40, 60)]
    assert in_order == sorted(in_order, reverse=True)
    assert in_order[-1] == pytest.approx(0.1244 / EARLIEST, abs=1e-4), "sigmoid of 5/20"


def test_a_window_counts_once_by_its_earliest_detection() -> None:
    assert score(40, 41, 45, 59, windows=[(40, 59)]) == pytest.approx(1)


def test_a_missed_window_costs_one() -> None:
    assert score(windows=[(40, 41), (60, 61)]) == -2
    assert score(41, windows=[(40, 41), (60, 61)]) == pytest.approx(HALFWAY / EARLIEST - 1)


def test_a_false_alarm_costs_its_weight_and_less_shortly_after_a_window() -> None:
    assert score(30, 50, windows=[]) == pytest.approx(-2 * 0.11)
    assert score(30, 60, windows=[(60, 79)]) == pytest.approx(1 - 0.11)
    after = [score(40, row, windows=[(40, 49)]) - 1 for row in (50, 54, 59, 80)]
    assert after == sorted(after, reverse=True)
    assert after[2] == pytest.approx(-0.11 * EARLIEST * 1.0, abs=0.001), "ten rows after a window of ten"
    assert after[3] == pytest.approx(-0.11)


def test_detections_in_the_probationary_period_do_not_count() -> None:
    assert probation_rows(100) == 15
    assert probation_rows(20_000) == 750
    assert score(3, 14, windows=[(2, 10)]) == 0
    assert score(15, windows=[]) == pytest.approx(-0.11)


def test_silence_scores_0_and_perfection_100() -> None:
    windows = [(40, 49), (60, 79)]
    assert normalised(score(windows=windows), 2) == 0
    assert normalised(score(40, 60, windows=windows), 2) == pytest.approx(100)
    assert normalised(score(*range(100), windows=windows), 2) < 100


def test_the_benchmark_scores_a_folder(tmp_path: Path) -> None:
    counts = [5] * 600
    counts[400:412] = [80] * 12
    times = [f"2015-02-{26 + row // 288} {row % 288 // 12:02}:{row % 12 * 5:02}:00" for row in range(600)]
    rows = "".join(f"{time},{count}\n" for time, count in zip(times, counts, strict=True))
    (tmp_path / "a.csv").write_text(f"timestamp,value\n{rows}")
    windows = {"realTweets/a.csv": [[f"{times[396]}.000000", f"{times[415]}.000000"]]}
    (tmp_path / "windows.json").write_text(json.dumps(windows))
    program = Path(__file__).parents[2] / "benchmarks" / "nab.py"
    done = subprocess.run(
        [sys.executable, str(program), "--data", str(tmp_path), "--json"], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["detections"] == {"a.csv": [times[400]]}
    assert answer["score"] == pytest.approx(50 * (1 + score(44, windows=[(40, 59)])), abs=0.01)
