"""The hook of MkDocs: which files become pages, and where their links lead."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.brokers import ROOT

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files, get_files

from deploy import site

REPOSITORY = "https://code.example/tagpulse"


def config(folder: Path, **changes: Any) -> MkDocsConfig:
    made = MkDocsConfig()
    made.load_dict(
        {
            "site_name": "tagpulse",
            "docs_dir": str(ROOT / "docs"),
            "site_dir": str(folder / "site"),
            "repo_url": REPOSITORY,
            "use_directory_urls": False,
            "plugins": [],
        }
        | changes
    )
    assert made.validate() == ([], [])
    made.plugins.on_config(made)  # MkDocs does this before it asks a hook
    return made


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = config(tmp_path)
    found: Files = site.on_files(get_files(made), made)
    return found


def rewritten(markdown: str, page: str, files: Files, folder: Path, **changes: Any) -> str:
    page_of = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    return site.on_page_markdown(markdown, page_of, config(folder, **changes), files)


def test_pages_outside_the_docs_are_added_with_their_content(files: Files) -> None:
    for source, page in site.PAGES.items():
        file = files.get_file_from_path(page)
        assert file is not None, page
        assert file.content_string == (ROOT / source).read_text(encoding="utf-8")


def test_the_runbooks_have_a_list(files: Files) -> None:
    file = files.get_file_from_path(site.RUNBOOKS)
    assert file is not None
    names = sorted(path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md"))
    assert "NegativeSpike" in names
    assert [line for line in file.content_string.splitlines() if line.startswith("- ")] == [
        f"- [{name}]({name}.md)" for name in names
    ]
    assert rewritten("[x](../guide.md)", site.RUNBOOKS, files, Path()) == "[x](../guide.md)", "its links fit already"


@pytest.mark.parametrize(
    ("page", "link", "found"),
    [
        ("guide.md", "[a](architecture.md)", "[a](architecture.md)"),
        ("guide.md", "[a](architecture.md#the-flow)", "[a](architecture.md#the-flow)"),
        ("howto/panel.md", "[a](../guide.md)", "[a](../guide.md)"),
        ("index.md", "[a](docs/guide.md)", "[a](guide.md)"),
        ("index.md", "[a](docs/howto/index.md)", "[a](howto/index.md)"),
        ("guide.md", "[a](../README.md)", "[a](index.md)"),
        ("howto/panel.md", "[a](../../CONTRIBUTING.md#style)", "[a](../contributing.md#style)"),
        ("guide.md", "[a](runbooks)", "[a](runbooks/index.md)"),
        ("tests.md", "[a](../docs/guide.md)", "[a](guide.md)"),
        ("model_card.md", "[a](../../docs/guide.md)", "[a](guide.md)"),
        ("guide.md", "[a](../streams/errors.py)", f"[a]({REPOSITORY}/blob/main/streams/errors.py)"),
        ("guide.md", "[a](../deploy)", f"[a]({REPOSITORY}/blob/main/deploy)"),
        ("guide.md", "[a](https://example.org/x)", "[a](https://example.org/x)"),
        ("guide.md", "[a](mailto:a@example.org)", "[a](mailto:a@example.org)"),
        ("guide.md", "[a](#here)", "[a](#here)"),
        ("guide.md", "[a](nowhere.md)", "[a](nowhere.md)"),
        ("guide.md", "no [link] here (at all)", "no [link] here (at all)"),
    ],
)
def test_a_link_leads_to_a_page_or_into_the_repository(
    page: str, link: str, found: str, files: Files, tmp_path: Path
) -> None:
    assert rewritten(f"See {link}.", page, files, tmp_path) == f"See {found}."


def test_without_an_address_of_the_repository_its_files_are_plain_text(files: Files, tmp_path: Path) -> None:
    assert rewritten("See [the errors](../streams/errors.py).", "guide.md", files, tmp_path, repo_url="") == (
        "See the errors."
    )


def test_pictures_stay_pictures(files: Files, tmp_path: Path) -> None:
    pictures = sorted(path for path in (ROOT / "docs").rglob("*.png"))
    for picture in pictures[:1]:
        name = picture.relative_to(ROOT / "docs").as_posix()
        assert rewritten(f"![a](docs/{name})", "index.md", files, tmp_path) == f"![a]({name})"
