import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RatesFileError
from models.prior_shift import ErrorRates, SentimentRates, corrected_shares, read_rates, write_rates
from tests.helpers.scripted_model import MODEL

COUNTS = np.array([[80, 15, 5], [10, 70, 20], [5, 15, 80]])
RATES = COUNTS / 100
FILE = ErrorRates(model=MODEL, languages={"de": SentimentRates.of(COUNTS)}, together=SentimentRates.of(COUNTS * 2))

share = st.floats(0, 1, allow_subnormal=False)
shares = (
    st.lists(share, min_size=3, max_size=3)
    .filter(lambda row: sum(row) > 1e-3)
    .map(lambda row: np.array(row) / sum(row))
)
matrices = st.lists(shares, min_size=3, max_size=3).map(np.array)
sound = shares.map(lambda row: 0.7 * np.eye(3) + 0.3 * row)
"""Rates that distinguish the labels well."""


def test_a_known_mixture_is_separated() -> None:
    true = np.array([0.1, 0.6, 0.3])
    assert corrected_shares(true @ RATES, RATES) == pytest.approx(true, abs=1e-5)


def test_counts_and_many_minutes_at_once() -> None:
    true = np.array([[0.1, 0.6, 0.3], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    minutes = 500 * true @ RATES
    together = corrected_shares(minutes, RATES)
    assert together == pytest.approx(true, abs=2e-3)
    for minute, expected in zip(minutes, together, strict=True):
        assert corrected_shares(minute, RATES) == pytest.approx(expected, abs=1e-6)


@given(shares, sound)
def test_solvable_mixtures_are_solved(true: npt.NDArray[np.float64], rates: npt.NDArray[np.float64]) -> None:
    assert corrected_shares(true @ rates, rates) == pytest.approx(true, abs=5e-3)


@given(shares, matrices)
def test_the_answer_always_consists_of_shares(
    observed: npt.NDArray[np.float64], rates: npt.NDArray[np.float64]
) -> None:
    found = corrected_shares(observed, rates)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)


@given(shares)
def test_a_perfect_model_is_not_corrected(observed: npt.NDArray[np.float64]) -> None:
    assert corrected_shares(observed, np.eye(3)) == pytest.approx(observed, abs=1e-6)


@given(shares, shares)
def test_an_uninformative_model_changes_little(observed: npt.NDArray[np.float64], row: npt.NDArray[np.float64]) -> None:
    rates = 0.98 * np.full((3, 3), 1 / 3) + 0.02 * np.array([row] * 3)
    assert corrected_shares(observed, rates) == pytest.approx(observed, abs=0.02)


def test_the_nearest_shares_if_none_explain_what_was_observed() -> None:
    assert corrected_shares([0.02, 0.18, 0.8], RATES) == pytest.approx([0, 0.05, 0.95], abs=0.05)
    assert corrected_shares([0, 0, 1], RATES) == pytest.approx([0, 0, 1], abs=1e-3)


@pytest.mark.parametrize(
    ("observed", "rates"),
    [
        ([0.5, 0.5], RATES),
        ([0.5, 0.3, 0.2], RATES[:2]),
        ([0, 0, 0], RATES),
        ([1.5, -0.5, 0], RATES),
        ([np.nan, 0.5, 0.5], RATES),
        ([0.5, 0.3, 0.2], np.zeros((3, 3))),
        (1.0, RATES),
    ],
)
def test_invalid_shares_are_refused(observed: npt.ArrayLike, rates: npt.ArrayLike) -> None:
    with pytest.raises(ValueError, match=r"fit|finite"):
        corrected_shares(observed, rates)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_rates(FILE, tmp_path / "rates.json")
    assert read_rates(tmp_path / "rates.json") == FILE
    document = json.loads((tmp_path / "rates.json").read_text("utf-8"))
    assert set(document) == {"schema", "task", "labels", "model", "languages", "all"}
    assert document["labels"] == ["negative", "neutral", "positive"]
    assert (document["model"]["name"], document["model"]["version"]) == ("scripted", "1.2.3")
    assert document["languages"]["de"] == {"counts": COUNTS.tolist(), "rates": RATES.tolist()}
    assert FILE.of("de").matrix.tolist() == RATES.tolist()
    assert FILE.of("fr") == FILE.together


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 1"),
        ({"labels": ["positive", "neutral", "negative"]}, "schema 1"),
        ({"all": {"counts": COUNTS.tolist(), "rates": COUNTS.tolist()}}, "rows of all"),
        ({"all": {"counts": COUNTS.tolist()}}, "rates"),
        ({"languages": 3}, "languages"),
    ],
)
def test_a_faulty_file_is_named_with_its_fault(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "rates.json"
    write_rates(FILE, path)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(RatesFileError, match=message) as caught:
        read_rates(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RatesFileError, match=r"none\.json: No such file"):
        read_rates(tmp_path / "none.json")
