from collections.abc import Set

import pytest

from models.training import recipe
from models.training.data import PLAIN_SETS
from models.training.fit import Phase
from models.training.mixture import BATCH

SENTIMENT = ("umsab-train", "semeval", "afrisenti-train")
TRAINED: Set[str] = {*SENTIMENT, "x_topic", "lingua", "fragment", "sib200", "crisis", "undetermined", *PLAIN_SETS}


@pytest.mark.parametrize("phase", recipe.FIT, ids=lambda phase: phase.name)
def test_every_phase_draws_from_every_set_and_from_nothing_else(phase: Phase) -> None:
    assert phase.shares.keys() == TRAINED
    assert sum(phase.shares.values()) == pytest.approx(1)
    assert min(phase.shares.values()) > 0
    assert phase.texts % BATCH == 0, "the last batch is incomplete"


def test_the_share_of_umsab_grows_and_that_of_the_other_tasks_stays() -> None:
    umsab = [phase.shares["umsab-train"] / sum(phase.shares[name] for name in SENTIMENT) for phase in recipe.FIT]
    assert umsab == pytest.approx([0.54, 0.74, 0.92])
    for name in TRAINED - set(SENTIMENT):
        assert len({phase.shares[name] for phase in recipe.FIT}) == 1
    assert all(recipe.FIT[0].shares[name] == each.share for name, each in PLAIN_SETS.items())


def test_phases_and_members_do_not_overwrite_each_other() -> None:
    assert len({phase.name for phase in recipe.FIT}) == len(recipe.FIT)
    assert len(set(recipe.MEMBERS)) == len(recipe.MEMBERS)
    assert recipe.EPOCH // BATCH > 0
    assert max(recipe.EXITS) == recipe.DEPTH
