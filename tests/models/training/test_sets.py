from functools import partial
from pathlib import Path

import pytest

from models.heads import HEADS
from models.training import recipe
from models.training.fit import Phase
from models.training.sets import FAMILIES, SETS

GUIDE = Path(__file__).parents[3] / "docs" / "training.md"
CHOSEN_BY_THE_CORPUS = {
    "umsab-train", "semeval-2013", "semeval-2014", "semeval-2015", "semeval-2016", "afrisenti-train", "x_topic", "crisis",
    "lingua", "sib200", "fragment", "undetermined", "template",
}  # fmt: skip


def test_every_set_is_in_one_family() -> None:
    names = [name for members in FAMILIES.values() for name in members]
    assert sorted(names) == sorted(SETS)
    assert all(SETS[name].family == family for family, members in FAMILIES.items() for name in members)


def test_weights_trusts_and_balances_are_shares() -> None:
    for each in SETS.values():
        assert each.weight > 0
        assert 0 < each.trust <= 1
        assert 0 <= each.balance <= 1


def test_only_sets_without_a_reader_are_chosen_by_the_corpus() -> None:
    assert {name for name, each in SETS.items() if not each.read} == CHOSEN_BY_THE_CORPUS


def test_the_readers_yield_rows_of_their_set(tiny_data: Path) -> None:
    for name, each in SETS.items():
        if each.read:
            assert {row.source for row in each.read(tiny_data)} == {name}


def test_every_label_of_a_set_is_one_of_the_head_or_means_none() -> None:
    of_task = {"sentiment": "sentiment", "emotion": "emotions", "act": "acts"}
    for each in SETS.values():
        if isinstance(each.read, partial) and (head := of_task.get(each.read.keywords["says"].task)):
            says = each.read.keywords["says"]
            assert {*says.names.values(), *says.unknown} <= set(HEADS[head].labels)
            assert not set(says.names.values()) & says.unknown


def test_sets_named_elsewhere_exist() -> None:
    for head in HEADS.values():
        named = {*head.ignored, *head.calibrated_on, *(head.fitted.sources if head.fitted else ())}
        assert {name.removesuffix("-held") for name in named} - {"umsab-val"} <= set(SETS)


def test_templates_are_trusted_completely() -> None:
    assert [name for name, each in SETS.items() if each.trust == 1] == ["template"]


def test_the_guide_names_every_set_with_its_terms() -> None:
    lines = GUIDE.read_text("utf-8").splitlines()
    missing = [
        name
        for name, each in SETS.items()
        if not any(line.startswith("|") and f"`{name}`" in line and f"| {each.terms} |" in line for line in lines)
    ]
    assert missing == []


@pytest.mark.parametrize("phase", recipe.FIT, ids=lambda phase: phase.name)
def test_open_sets_suffice_for_most_families(phase: Phase) -> None:
    closed = {family for family, names in FAMILIES.items() if all(SETS[name].terms != "open" for name in names)}
    assert closed == {"english"}
    assert closed < phase.shares.keys()
