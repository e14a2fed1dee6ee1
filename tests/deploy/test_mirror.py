"""The tests mirror the packages: each module that does something has a test file at its place."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.helpers.brokers import ROOT

MISSING = {
    "streams/agents/decoding.py",
    "streams/cli/console.py",
    "streams/compare/page.py",
    "streams/compare/words.py",
    "streams/demo/feed.py",
    "streams/demo/play.py",
    "streams/demo/report.py",
    "streams/demo/state.py",
    "streams/demo/summary.py",
    "streams/demo/tally.py",
    "streams/demo/view.py",
    "streams/processes/postgres.py",
    "streams/replay/files.py",
    "streams/replay/kafka.py",
    "streams/replay/lookup.py",
    "streams/replay/plan.py",
    "streams/replay/replay.py",
    "streams/replay/runs.py",
    "streams/replay/state.py",
    "streams/replay/workers.py",
    "streams/up/chart.py",
    "streams/up/monitoring.py",
    "streams/up/mood.py",
    "streams/up/part.py",
    "streams/up/sample.py",
    "streams/up/stage.py",
    "streams/up/view.py",
}
"""Modules whose test file is still to be written."""


def _behaves(module: Path) -> bool:
    """Return whether a module has a function that does something: more than a docstring, `...` or `pass`."""
    return any(
        not isinstance(statement, ast.Pass)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
    )


def _modules() -> set[str]:
    """Return the modules that need a test file; Alembic's scripts do not, as the tests of the schema run them."""
    return {
        str(module.relative_to(ROOT))
        for package in ("streams", "models", "deploy")
        for module in (ROOT / package).rglob("*.py")
        if not module.name.startswith("__") and "migrations" not in module.parts and _behaves(module)
    }


def _has_test(module: str) -> bool:
    path = Path(module)
    return (ROOT / "tests" / path.parent / f"test_{path.name}").is_file()


def test_each_module_has_its_test_file() -> None:
    assert {module for module in _modules() if not _has_test(module)} - MISSING == set()


def test_the_list_of_missing_test_files_is_true() -> None:
    assert {module for module in MISSING if _has_test(module)} == set(), "they have a test file by now"
    assert MISSING - _modules() == set(), "there is no such module any more, or it does nothing"
