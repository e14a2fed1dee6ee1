"""`tagpulse config`: shows the settings in effect and their origin, and reports all errors at once."""

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
    """Run `tagpulse config` and return the result and the exit code that `main` would use."""
    result = CliRunner().invoke(cli.group, ["config", *arguments], standalone_mode=False)
    code = getattr(result.exception, "exit_code", None)
    return result, code if code is not None else int(result.return_value or 0)


def test_show_gives_value_origin_and_description_of_every_setting(
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


def test_output_of_show_can_be_used_as_environment(monkeypatch: pytest.MonkeyPatch, campaign: Path) -> None:
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


def test_validate_accepts_valid_settings(campaign: Path) -> None:
    assert tagpulse("validate")[1] == 0
    result, code = tagpulse("validate", "--campaign", str(campaign))
    assert (code, result.stdout) == (0, "the settings and the campaign poltwt are valid\n")
    assert json.loads(tagpulse("validate", "--json")[0].stdout) == {"faults": []}


@pytest.mark.parametrize("by_option", [True, False])
def test_validate_reports_every_error_of_settings_and_campaign(
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
    faults = result.stderr.splitlines()
    assert faults[0] == "TAGPULSE_KAFKA__PASWORD: no such setting, did you mean TAGPULSE_KAFKA__PASSWORD?"
    assert faults[1].startswith("TAGPULSE_METRICS__PORT: ")
    assert faults[2].startswith(f"campaign {campaign}: line 6: topics[0].description: ")
    assert faults[3] == f"campaign {campaign}: line 3: hashtag: no such key, did you mean hashtags?"
    assert len(faults) == 4
    assert json.loads(tagpulse("validate", "--json", *options)[0].stdout) == {"faults": faults}


def test_a_missing_campaign_file_is_an_error(tmp_path: Path) -> None:
    for subcommand in ("validate", "show"):
        _, code = tagpulse(subcommand, "--campaign", str(tmp_path / "nowhere.toml"))
        assert code == 78
