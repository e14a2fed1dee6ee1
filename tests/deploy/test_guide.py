"""Tests that every command, setting, file and link in the deployment guide and the runbooks exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from streams.settings import SECRETS_DIR_VARIABLE, variables
from tests.helpers.brokers import ROOT
from tests.helpers.command_tree import commands_in, fault
from tests.helpers.compose import compose

GUIDE = ROOT / "docs" / "deploy.md"
PAGES = [GUIDE, *sorted((ROOT / "docs" / "runbooks").glob("*.md"))]
SERVICES = compose()["services"]
PROFILES = {profile for service in SERVICES.values() for profile in service["profiles"]}

every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


@every_page
def test_commands_exist(path: Path) -> None:
    text = (
        path.read_text(encoding="utf-8")
        .replace("docker compose run --rm tools ", "tagpulse ")
        .replace("tagpulse COMMAND", "")
    )
    assert [fault(words) for words in commands_in(text) if fault(words)] == []


@every_page
def test_settings_exist(path: Path) -> None:
    named = set(re.findall(r"TAGPULSE_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8")))
    assert named <= variables().keys() | {SECRETS_DIR_VARIABLE}


@every_page
def test_services_and_profiles_exist(path: Path) -> None:
    for verb, rest in re.findall(
        r"docker compose.*? (ps|logs|restart|exec|kill|up) ?([^`#|\n]*)", path.read_text(encoding="utf-8")
    ):
        words = [word for word in shlex.split(rest) if not word.startswith("-")]
        if verb == "exec":
            words = words[:1]
        named = {word.partition("=")[0] for word in words if not word.isdecimal() and word != "HUP"}
        assert named <= SERVICES.keys(), f"{verb} {rest}"


@every_page
def test_links_and_files_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for name in re.findall(r"`?\b((?:deploy|docs)/[\w./-]*\w)", text):
        assert (ROOT / name).exists(), name


def test_the_guide_names_every_profile_and_secret() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    what_runs = text.partition("## What runs")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", what_runs, re.MULTILINE)) == PROFILES
    assert {secret for secret in compose()["secrets"] if f"`{secret}`" not in text} == set()
