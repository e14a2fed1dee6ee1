import pytest

from models.training import recipe
from models.training.fit import Phase
from models.training.mixture import BATCH
from models.training.sets import FAMILIES

SENTIMENT = ("umsab", "english", "african", "sentiment")


@pytest.mark.parametrize("phase", recipe.FIT, ids=lambda phase: phase.name)
def test_every_phase_draws_from_every_family_and_from_nothing_else(phase: Phase) -> None:
    assert phase.shares.keys() == FAMILIES.keys()
    assert sum(phase.shares.values()) == pytest.approx(1)
    assert min(phase.shares.values()) > 0
    assert phase.texts % BATCH == 0, "the last batch is incomplete"


def test_the_share_of_umsab_grows_and_sentiment_has_the_most() -> None:
    umsab = [phase.shares["umsab"] / sum(phase.shares[name] for name in SENTIMENT) for phase in recipe.FIT]
    assert umsab == pytest.approx([0.322, 0.484, 0.638], abs=1e-3)
    assert [sum(phase.shares[name] for name in SENTIMENT) for phase in recipe.FIT] == pytest.approx([0.59, 0.64, 0.69])
    for family in ("act", "template", "other"):
        assert len({phase.shares[family] for phase in recipe.FIT}) == 1


def test_phases_and_members_do_not_overwrite_each_other() -> None:
    assert len({phase.name for phase in recipe.FIT}) == len(recipe.FIT)
    assert set(recipe.MEMBERS.values()) <= {phase.name for phase in recipe.FIT}
    assert recipe.EPOCH // BATCH > 0
    assert max(recipe.EXITS) == recipe.DEPTH
