import pytest

from models.training.data import TrainingRow
from models.training.notice import notice


def rows(*sources: str) -> list[TrainingRow]:
    return [TrainingRow(source, f"{source} {number}") for source in sources for number in range(1_200)]


@pytest.mark.parametrize("held_out", ["red_ro-held", "umsab-val"])
def test_the_notice_lists_every_set_that_was_learned_with_its_terms(held_out: str) -> None:
    text = notice("model 1.0", rows("umsab-train", "tass2020", "semeval-2013", "hebrew_fb", held_out))
    assert text.startswith("# Notice: the data of model 1.0\n")
    assert "2 of the 4 sets allow only research, and none are stated for 1." in text
    assert text.splitlines()[-4:] == [
        "| umsab-train | 1,200 | any |",
        "| semeval-2013 | 1,200 | research |",
        "| tass2020 | 1,200 | research |",
        "| hebrew_fb | 1,200 | no terms stated |",
    ]


def test_the_notice_of_open_sets_names_no_limit() -> None:
    text = notice("model 1.0", rows("umsab-train", "template"))
    assert "The labelled posts have terms of their own: they allow any use." in text
