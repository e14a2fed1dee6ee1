"""Language names as models write them, and their BCP-47 codes."""

import pytest

from models.artefact import open_artefact
from models.languages import language_of


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
