"""The campaign file: every error is reported with its line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.campaign import Campaign, TopicDefinition, load_campaign
from streams.errors import SettingsError

WHOLE = """
name = "poltwt"          # the police's day
hashtags = ["#PolTwt", "poltwt", "K9"]
accounts = ["@police.example"]
languages = ["en", "hi-Latn"]
sources = ["bluesky"]

[[topics]]
name = "police dogs"
description = "Pictures and stories of police dogs"
examples = ["Meet our new K9", "Unser Diensthund"]
negative_examples = ["Hot dogs!"]
threshold = 0.6

[[topics]]
name = "recruitment"
description = "Joining the police"
"""


def load(tmp_path: Path, text: str) -> Campaign:
    path = tmp_path / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    return load_campaign(path)


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    prefix = f"campaign {tmp_path / 'campaign.toml'}: "
    assert all(fault.startswith(prefix) for fault in caught.value.faults)
    return [fault.removeprefix(prefix) for fault in caught.value.faults]


def test_a_complete_file(tmp_path: Path) -> None:
    assert load(tmp_path, WHOLE) == Campaign(
        name="poltwt",
        hashtags=("poltwt", "k9"),
        accounts=("@police.example",),
        languages=("en", "hi-Latn"),
        sources=("bluesky",),
        topics=(
            TopicDefinition(
                name="police dogs",
                description="Pictures and stories of police dogs",
                examples=("Meet our new K9", "Unser Diensthund"),
                negative_examples=("Hot dogs!",),
                threshold=0.6,
            ),
            TopicDefinition(name="recruitment", description="Joining the police"),
        ),
    )


def test_without_a_file_everything_is_watched() -> None:
    assert load_campaign(None) == Campaign(name="all", hashtags=(), topics=())


@pytest.mark.parametrize("text", ["", "\ufeffname = 'all'", "name = 'all'\r\nhashtags = []\r\n"])
def test_everything_has_a_default(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Campaign()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hashtags =", "hashtag =", "line 3: hashtag: no such key, did you mean hashtags?"),
        ("name =", "Xyz =", "line 2: Xyz: no such key"),
        ('["#PolTwt"', '["police dogs"', "line 3: hashtags[0]: no post can carry the hashtag 'police dogs'"),
        ('"K9"]', '"2024"]', "line 3: hashtags[2]: no post can carry the hashtag '2024'"),
        ('["#PolTwt"', '["#"', "line 3: hashtags[0]: no post can carry the hashtag '#'"),
        ('["@police.example"]', '"@police.example"', "line 4: accounts: must be a list: […]"),
        ('"hi-Latn"', '"Hinglish!"', "line 5: languages[1]: must be a BCP-47 code, such as en or hi-Latn"),
        ('["bluesky"]', "[3]", "line 6: sources[0]: Input should be a valid string"),
        ('name = "police dogs"', "", "line 8: topics[0].name: is missing"),
        ('description = "Joining the police"', "", "line 15: topics[1].description: is missing"),
        ('"Joining the police"', '" "', "line 17: topics[1].description: String should have at least 1 character"),
        ("examples", "exmaples", "line 11: topics[0].exmaples: no such key, did you mean examples?"),
        ('["Hot dogs!"]', '"Hot dogs!"', "line 12: topics[0].negative_examples: must be a list: […]"),
        (
            '"Hot dogs!"',
            '"Unser Diensthund"',
            "line 12: topics[0].negative_examples: 'Unser Diensthund' is also one of the examples",
        ),
        ("0.6", "1.0", "line 13: topics[0].threshold: Input should be less than 1"),
        ("0.6", "nan", "line 13: topics[0].threshold: Input should be less than 1"),
        ("0.6", '"0.6"', "line 13: topics[0].threshold: Input should be a valid number"),
        ("threshold", "treshold", "line 13: topics[0].treshold: no such key, did you mean threshold?"),
        ('"recruitment"', '"police dogs"', "line 15: topics: 2 topics have the name 'police dogs'"),
        ('[[topics]]\nname = "r', '[topic]\nname = "r', "line 15: topic: no such key, did you mean topics?"),
    ],
)
def test_a_fault_has_its_line_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in WHOLE
    assert faults(tmp_path, WHOLE.replace(old, new, 1)) == [message]


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    text = WHOLE.replace("sources", "source").replace('name = "recruitment"', "name = 7").replace('"en"', '"?"')
    assert [fault.partition(":")[0] for fault in faults(tmp_path, text)] == ["line 5", "line 16", "line 6"]


def test_line_numbers_are_right_after_long_values_and_text_that_looks_like_keys(tmp_path: Path) -> None:
    text = '''# name = 1
hashtags = [
  "poltwt",  # [[topics]]
]
[[ topics ]]  # the first
name = "a"
description = """
[[topics]]
name = 3
"""
[[topics]]
"name" = 3
description = "b"
'''
    assert faults(tmp_path, text) == ["line 12: topics[1].name: Input should be a valid string"]


def test_topics_can_be_written_inline(tmp_path: Path) -> None:
    assert faults(tmp_path, 'name = "x"\ntopics = [{ name = "a" }]\n') == ["line 2: topics[0].description: is missing"]


def test_broken_toml_has_its_line(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, 'name = "x"\nhashtags = ["a"\nlanguages = []\n')
    assert "line 3" in fault


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read"):
        load_campaign(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes("name = 'Größe'".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"latin\.toml: cannot be read"):
        load_campaign(tmp_path / "latin.toml")


def test_the_example_in_the_guide_is_valid(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
    campaign = load(tmp_path, guide.partition("```toml\n")[2].partition("```")[0])
    assert campaign.hashtags == ("poltwt", "k9")
    assert campaign.topics[0].examples
