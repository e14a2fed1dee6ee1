import numpy as np
import pytest

from models.training.data import NOISY, TrainingRow
from models.training.domains import DomainScore, is_published, name_of, of_sentiment, only, score, weights

SOURCES = ("umsab-val", "afrisenti-dev", "semeval-2013-held", "vsmec-held")


def rows() -> list[TrainingRow]:
    return [
        *(
            TrainingRow(source, f"{source} {number}", ("en", "ar")[number % 2], sentiment=0)
            for source in SOURCES
            for number in range(60)
        ),
        *(TrainingRow("umsab-val", f"noisy {number}", NOISY, sentiment=0) for number in range(9)),
        *(TrainingRow("emosent-held", f"emoji {number}", sentiment=0) for number in range(9)),
        *(TrainingRow("lingua-held", f"no sentiment {number}", "en") for number in range(9)),
        *(TrainingRow("vsmec", f"trained on {number}", "vi", sentiment=0) for number in range(9)),
    ]


def test_the_halves_have_no_row_in_common_and_leave_none_out() -> None:
    chosen, published = of_sentiment(rows()), of_sentiment(rows(), published=True)
    names = ["afrisenti ar", "afrisenti en", "semeval-2013", "umsab ar", "umsab en", "vsmec"]
    assert list(chosen) == list(published) == names
    both = [np.concatenate([half[name] for name in names]) for half in (chosen, published)]
    assert sorted(np.concatenate(both).tolist()) == list(range(240))
    assert min(len(each) for each in both) > 80
    assert not any(is_published(rows()[place]) for place in both[0])
    assert all(is_published(rows()[place]) for place in both[1])


def test_a_text_is_in_the_same_half_however_it_is_posted() -> None:
    for number in range(20):
        texts = (f"Great day {number}", f"@user GREAT day {number}!! http")
        assert len({is_published(TrainingRow(source, text)) for source in SOURCES for text in texts}) == 1


def test_large_domains_are_thinned_out_evenly() -> None:
    whole, some = of_sentiment(rows()), of_sentiment(rows(), most=5)
    for name, places in whole.items():
        assert some[name].tolist() == places[:: len(places) // 5].tolist()
    assert of_sentiment(rows(), most=1_000)["vsmec"].tolist() == whole["vsmec"].tolist()


def test_a_domain_is_a_set_or_a_language_of_it() -> None:
    assert name_of(TrainingRow("umsab-val", "text", "en")) == "umsab en"
    assert name_of(TrainingRow("semeval-2013-held", "text", "en")) == "semeval-2013"


def test_domains_weigh_the_same() -> None:
    found = weights([TrainingRow("umsab-val", str(number), "en" if number else "de") for number in range(5)])
    assert found.tolist() == [1, 0.25, 0.25, 0.25, 0.25]


def test_domains_are_scored_by_the_labels_that_they_have() -> None:
    truth = np.array([0, 2, 0, 1, 2, 2])
    predicted = np.array([0, 1, 0, 0, 2, 0])
    scored = score({"two moods": np.array([0, 1]), "three": np.array([2, 3, 4, 5])}, truth, predicted)
    assert scored.domains.keys() == {"two moods", "three"}
    assert scored.domains["two moods"] == DomainScore(0.5, 0.5, 0.5)
    assert scored.domains["three"] == pytest.approx(((0.5 + 0 + 2 / 3) / 3, 0.75, 0.25))
    assert scored.mean == pytest.approx((0.5 + 7 / 18) / 2)
    assert scored.worst == pytest.approx(7 / 18)
    assert scored.distance == 0.25
    assert only(scored, ["two moods"]).mean == 0.5
