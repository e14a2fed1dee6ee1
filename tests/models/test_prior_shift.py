import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RatesFileError
from models.prior_shift import (
    DomainRates,
    ErrorRates,
    MeanRates,
    corrected_interval,
    corrected_shares,
    read_rates,
    write_rates,
)
from tests.helpers.scripted_model import MODEL

COUNTS = np.array([[80, 15, 5], [10, 70, 20], [5, 15, 80]])
RATES = COUNTS / 100
OTHER = np.array([[60, 30, 10], [20, 60, 20], [5, 15, 80]])
FILE = ErrorRates.measured(
    {"tweets de": DomainRates.of("de", COUNTS), "reviews": DomainRates.of("de", 3 * OTHER)}, MODEL
)

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
    assert set(document) == {"schema", "task", "labels", "model", "domains", "languages", "all"}
    assert document["labels"] == ["negative", "neutral", "positive"]
    assert (document["model"]["name"], document["model"]["version"]) == ("scripted", "1.2.3")
    assert document["schema"] == 2
    assert document["domains"]["tweets de"] == {"language": "de", "counts": COUNTS.tolist(), "rates": RATES.tolist()}
    assert document["languages"]["de"] == {
        "domains": 2,
        "counts": (COUNTS + 3 * OTHER).tolist(),
        "rates": ((COUNTS + OTHER) / 200).tolist(),
        "deviations": np.round(np.abs(COUNTS - OTHER) / 100 / np.sqrt(2), 6).tolist(),
    }
    assert FILE.domains["tweets de"].matrix.tolist() == RATES.tolist()
    assert FILE.of("fr") == FILE.together


def test_one_domain_has_no_spread() -> None:
    one = MeanRates.of([DomainRates.of("de", COUNTS)])
    assert (one.domains, one.matrix.tolist(), one.deviations) == (1, RATES.tolist(), None)


def test_the_spread_is_that_of_the_language_if_it_has_enough_domains() -> None:
    domains = {name: DomainRates.of(name[:2], counts) for name, counts in (("de 1", COUNTS), ("de 2", OTHER))}
    few = ErrorRates.measured(domains | {"fr 1": DomainRates.of("fr", COUNTS)}, MODEL)
    assert few.spread("de") == few.together != few.of("de")
    enough = ErrorRates.measured(few.domains | {"de 3": DomainRates.of("de", COUNTS)}, MODEL)
    assert enough.spread("de") == enough.of("de") != enough.together
    assert enough.spread("fr") == enough.spread("xx") == enough.together


def family(generator: np.random.Generator, domains: int, concentration: float) -> dict[str, DomainRates]:
    """Return domains with 1,000 posts of each sentiment whose rates are scattered around `RATES`."""
    rates = [[generator.dirichlet(concentration * row) for row in RATES] for _ in range(domains)]
    return {
        str(number): DomainRates.of("de", np.array([generator.multinomial(1_000, row) + 1 for row in each]))
        for number, each in enumerate(rates)
    }


def test_the_interval_holds_the_share_of_most_new_domains() -> None:
    generator, true, held = np.random.default_rng(1), np.array([0.2, 0.5, 0.3]), 0
    for _ in range(40):
        rates = ErrorRates.measured(family(generator, 8, 30), MODEL)
        (new,) = family(generator, 1, 30).values()
        found = corrected_interval(generator.multinomial(500, true @ new.matrix), rates, "de")
        held += int(found.low[0] <= 0.2 <= found.high[0])
    assert held >= 35, "95 % are 38 of 40"


def test_the_interval_shrinks_with_the_posts_and_with_the_spread() -> None:
    def width(concentration: float, posts: int) -> float:
        rates = ErrorRates.measured(family(np.random.default_rng(2), 8, concentration), MODEL)
        found = corrected_interval(posts * np.array([0.26, 0.44, 0.3]), rates, "de")
        assert (found.low <= found.shares).all()
        assert (found.shares <= found.high).all()
        assert found.shares == pytest.approx(corrected_shares([0.26, 0.44, 0.3], rates.of("de").matrix))
        return float(found.high[0] - found.low[0])

    assert width(1_000, 10_000) < width(1_000, 100) < width(10, 100)
    assert width(1_000, 10_000) < width(10, 10_000)


def test_the_interval_of_one_domain_is_that_of_its_posts() -> None:
    few, many = (ErrorRates.measured({"de": DomainRates.of("de", posts * COUNTS)}, MODEL) for posts in (1, 100))
    first, second = (corrected_interval([26_000, 44_000, 30_000], each, "fr") for each in (few, many))
    assert first.high[0] - first.low[0] > 3 * (second.high[0] - second.low[0])


def test_the_same_seed_gives_the_same_interval() -> None:
    first, again, other = (corrected_interval([26, 44, 30], FILE, "de", seed=seed) for seed in (0, 0, 1))
    assert first.low.tolist() == again.low.tolist() != other.low.tolist()


@pytest.mark.parametrize("counts", [[0, 0, 0], [1, 2], [-1, 2, 3], [np.nan, 1, 1]])
def test_no_interval_without_posts(counts: npt.ArrayLike) -> None:
    with pytest.raises(ValueError, match=r"fit|finite"):
        corrected_interval(counts, FILE, "de")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 1}, "schema 2: write the file again with this version"),
        ({"labels": ["positive", "neutral", "negative"]}, "schema 2"),
        (
            {"all": {"domains": 1, "counts": COUNTS.tolist(), "rates": COUNTS.tolist(), "deviations": None}},
            "rows of all",
        ),
        (
            {"domains": {"tweets": {"language": "de", "counts": COUNTS.tolist(), "rates": COUNTS.tolist()}}},
            "rows of tweets",
        ),
        ({"all": {"domains": 1, "counts": COUNTS.tolist()}}, "rates"),
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
