"""What the repository says about itself is true: its workflows, its pages, and the files that they name."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.brokers import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAPS = [
    ROOT / "docs" / "architecture.md",
    ROOT / "docs" / "glossary.md",
    ROOT / "tests" / "README.md",
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
    *sorted((ROOT / "docs" / "howto").glob("*.md")),
]
HOWTO = ROOT / "docs" / "howto"
NAMED = sorted(
    {
        name
        for path in HOWTO.glob("*.md")
        for name in re.findall(r"`((?:streams|models|deploy)(?:\.\w+)+:\w+)`", path.read_text(encoding="utf-8"))
    }
)
README_WORDS = 700


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def test_pull_requests_are_tested_on_every_promised_python() -> None:
    promised = [name.rpartition(" ")[2] for name in project()["classifiers"] if re.search(r":: Python :: \d\.\d", name)]
    jobs = load(ROOT / ".github" / "workflows" / "test.yml")["jobs"]
    assert jobs["quick"]["strategy"]["matrix"]["python"] == promised


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    steps = [step for job in load(path)["jobs"].values() for step in job["steps"]]
    for target in re.findall(r"^\s*make (\w+)", "\n".join(step.get("run", "") for step in steps), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert all(re.fullmatch(r"[\w./-]+@[\w./-]+", step["uses"]) for step in steps if "uses" in step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_only_read_unless_a_job_says_why(path: Path) -> None:
    assert load(path)["permissions"] == {"contents": "read"}


def test_the_nightly_run_uses_the_broker_of_docker_compose() -> None:
    kafka = load(ROOT / "docker-compose.yml")["services"]["kafka"]["image"].rpartition(":")[2]
    assert load(ROOT / ".github" / "workflows" / "nightly.yml")["jobs"]["everything"]["env"]["KAFKA_VERSION"] == kafka


def test_hooks_run_the_tools_of_make_lint() -> None:
    hooks = [hook for repo in load(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert lint
    tools = re.findall(r"\$\(BIN\)/(ruff \w+|mypy)", lint[1])
    assert [re.sub(r"^\.venv/bin/| --fix$", "", hook["entry"]) for hook in hooks] == tools


@pytest.mark.parametrize("path", MAPS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_names_only_files_that_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"`((?:streams|models|tests|docs|deploy|benchmarks)/[\w./-]*)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", NAMED)
def test_a_howto_names_only_what_can_be_imported(name: str) -> None:
    module, _, attribute = name.partition(":")
    if module.startswith("models.training."):
        pytest.importorskip("torch", reason="the extra `train` is not installed")
        pytest.importorskip("sklearn", reason="the extra `train` is not installed")
    assert hasattr(importlib.import_module(module), attribute)


def test_every_howto_is_listed() -> None:
    pages = sorted(path.name for path in HOWTO.glob("*.md") if path.name != "index.md")
    assert sorted(re.findall(r"\]\((\w+\.md)\)", (HOWTO / "index.md").read_text(encoding="utf-8"))) == pages
    menu = re.findall(r"- howto/(\w+\.md)\n", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(menu) == sorted([*pages, "index.md"])


def test_the_glossary_is_sorted() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^-]", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    terms = [row for row in rows if row != "term"]
    assert len(terms) > 20
    assert terms == sorted(terms, key=str.casefold)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= README_WORDS
