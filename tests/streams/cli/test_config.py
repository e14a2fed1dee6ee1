"""`tagpulse config`: what is in force and why, and every fault at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams import cli
from streams.settings import variables

CAMPAIGN = """
name = "poltwt"
hashtags = ["PolTwt"]
[[topics]]
name = "police dogs"
description = "Police dogs"
"""


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    path = tmp_path / "campaign.toml"
    path.write_text(CAMPAIGN)
    return path


def tagpulse(*arguments: str) -> tuple[Result, int]:
    """The result, and the code with which `main` would end."""
    result = CliRunner().invoke(cli.group, ["config", *arguments], standalone_mode=False)
    code = getattr(result.exception, "exit_code", None)
    return result, code if code is not None else int(result.return_value or 0)


def test_show_tells_every_setting_where_it_comes_from_and_what_it_is(
    campaign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGPULSE_CAMPAIGN", str(campaign))
    monkeypatch.setenv("TAGPULSE_METRICS__PORT", "1234")
    result, code = tagpulse("show", "--json")
    assert code == 0
    shown = json.loads(result.stdout)
    assert list(shown["settings"]) == list(variables())
    port = shown["settings"]["TAGPULSE_METRICS__PORT"]
    assert (port["value"], port["origin"]) == (1234, "environment")
    assert shown["settings"]["TAGPULSE_METRICS__HOST"]["origin"] == "default"
    assert all(setting["description"] for setting in shown["settings"].values())
    assert shown["campaign"]["hashtags"] == ["poltwt"]
    assert shown["campaign"]["topics"][0]["name"] == "police dogs"


def test_what_show_prints_can_be_set(monkeypatch: pytest.MonkeyPatch, campaign: Path) -> None:
    first, _ = tagpulse("show", "--campaign", str(campaign))
    assert "#poltwt" in first.stdout
    assert "police dogs" in first.stdout
    lines = [line.partition("  #")[0].rstrip() for line in first.stdout.splitlines() if line.startswith("TAGPULSE_")]
    assert len(lines) == len(variables())
    for line in lines:
        monkeypatch.setenv(*line.split("=", 1))
    second, code = tagpulse("show", "--campaign", str(campaign))
    assert code == 0
    assert second.stdout.replace("(environment)", "(default)") == first.stdout


@pytest.mark.parametrize("options", [["show"], ["show", "--json"], ["validate"]])
def test_secrets_are_masked(options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "TAGPULSE_KAFKA__SSL_KEY_PASSWORD").write_text("s3cret")
    monkeypatch.setenv("TAGPULSE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("TAGPULSE_KAFKA__PASSWORD", "s3cret")
    result, code = tagpulse(*options)
    assert code == 0
    assert "s3cret" not in result.output
    if options[0] == "show":
        assert result.output.count("**********") == 2


def test_validate_is_content(campaign: Path) -> None:
    assert tagpulse("validate")[1] == 0
    result, code = tagpulse("validate", "--campaign", str(campaign))
    assert (code, result.stdout) == (0, "the settings are sound, and so is the campaign poltwt\n")
    assert json.loads(tagpulse("validate", "--json")[0].stdout) == {"faults": []}


@pytest.mark.parametrize("by_option", [True, False])
def test_validate_names_every_fault_of_settings_and_campaign(
    by_option: bool, campaign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign.write_text(CAMPAIGN.replace("hashtags", "hashtag").replace('"Police dogs"', "7"))
    monkeypatch.setenv("TAGPULSE_METRICS__PORT", "x")
    monkeypatch.setenv("TAGPULSE_KAFKA__PASWORD", "s3cret")
    if not by_option:
        monkeypatch.setenv("TAGPULSE_CAMPAIGN", str(campaign))
    options = ["--campaign", str(campaign)] if by_option else []

    result, code = tagpulse("validate", *options)

    assert (code, result.stdout) == (78, "")
    told = result.stderr.splitlines()
    assert told[0] == "TAGPULSE_KAFKA__PASWORD: no such setting, did you mean TAGPULSE_KAFKA__PASSWORD?"
    assert told[1].startswith("TAGPULSE_METRICS__PORT: ")
    assert told[2].startswith(f"campaign {campaign}: line 6: topics[0].description: ")
    assert told[3] == f"campaign {campaign}: line 3: hashtag: no such key, did you mean hashtags?"
    assert len(told) == 4
    assert json.loads(tagpulse("validate", "--json", *options)[0].stdout) == {"faults": told}


def test_a_missing_campaign_file_is_a_fault(tmp_path: Path) -> None:
    for subcommand in ("validate", "show"):
        _, code = tagpulse(subcommand, "--campaign", str(tmp_path / "nowhere.toml"))
        assert code == 78
