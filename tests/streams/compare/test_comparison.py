from __future__ import annotations

import msgspec
import pytest

from streams.compare.comparison import LABEL_CHANGES, LABEL_SETS
from streams.contracts import SEVERAL
from tests.streams.compare.empty import COMPARISON


@pytest.mark.parametrize(("name", "one"), SEVERAL.items())
def test_json_names_a_label_by_its_task(name: str, one: str) -> None:
    change = LABEL_CHANGES[name](label="x", kept=1, lost=2, gained=3, kappa=0.5, kappa_interval=None)
    sets = LABEL_SETS[name](posts=9, agreed=4, mean_kappa=0.5, mean_kappa_interval=None, labels=(change,))
    assert msgspec.json.decode(msgspec.json.encode(sets)) == {
        "posts": 9,
        "agreed": 4,
        "mean_kappa": 0.5,
        "mean_kappa_interval": None,
        name: [{one: "x", "kept": 1, "lost": 2, "gained": 3, "kappa": 0.5, "kappa_interval": None}],
    }


def test_the_label_sets_are_found_by_name() -> None:
    assert COMPARISON.label_sets() == {
        "topics": COMPARISON.topics,
        "emotions": COMPARISON.emotions,
        "acts": COMPARISON.acts,
    }
