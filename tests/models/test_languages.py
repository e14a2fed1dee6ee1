"""Language names as models write them, and their BCP-47 codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.artefact import open_artefact
from models.languages import hinted, language_of


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("eng", "en"),
        ("English", "en"),
        ("eng_Latn", "en"),
        ("__label__de", "de"),
        ("hin_Deva", "hi"),
        ("hin_Latn", "hi-Latn"),
        ("hi-Latn", "hi-Latn"),
        ("arb_Arab", "ar"),
        ("zho_Hans", "zh"),
        ("zho_Hant", "zh-Hant"),
        ("zh-cn", "zh-CN"),
        ("pt_BR", "pt-BR"),
        ("Norwegian", "nb"),
        ("no", "nb"),
        ("in", "id"),
        ("iw", "he"),
        ("nds", "nds"),
        ("pcm", "pcm"),
        ("und", "und"),
        ("Other", "und"),
        ("LABEL_3", None),
        ("Klingonese", None),
        ("", None),
    ],
)
def test_codes(label: str, code: str | None) -> None:
    assert language_of(label) == code


def test_the_languages_of_the_shipped_model_are_codes_already() -> None:
    languages = open_artefact().labels.languages
    assert [language_of(code) for code in languages] == list(languages)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (None, set()),
        ("", set()),
        ("und", set()),
        ("???", set()),
        ("tlh", set()),
        ("de", {"de"}),
        ("pt-BR", {"pt"}),
        ("PT_br", {"pt"}),
        ("eng", {"en"}),
        ("no", {"nb"}),
        ("hi", {"hi", "hi-Latn"}),
        ("hi-Latn", {"hi-Latn"}),
        ("hi-IN", {"hi", "hi-Latn"}),
        ("de,en-GB, tlh", {"de", "en"}),
    ],
)
def test_a_hint_means_languages_of_the_model(hint: str | None, expected: set[str]) -> None:
    assert hinted(hint, ("de", "en", "hi", "hi-Latn", "nb", "pt", "und")) == expected


@given(st.text(max_size=60))
def test_any_hint_means_some_of_the_languages(hint: str) -> None:
    assert hinted(hint, ("de", "en", "und")) <= {"de", "en"}
