"""`docs/cli.md` is generated from the help of the commands."""

from __future__ import annotations

from streams.cli import reference
from tests.helpers.brokers import ROOT


def test_the_committed_page_is_up_to_date() -> None:
    committed = (ROOT / "docs" / reference.PAGE).read_text(encoding="utf-8")
    assert committed == reference.page(), "run `make docs`"


def test_every_command_is_listed() -> None:
    page = reference.page()
    for command in ("tagpulse", "tagpulse produce file", "tagpulse worker enrich", "tagpulse topics grow"):
        assert f"\n## {command}\n\n```text\nUsage: {command} " in page
