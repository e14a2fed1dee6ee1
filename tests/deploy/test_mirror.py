"""The tests mirror the packages: each module that does something has its own test file."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.helpers.brokers import ROOT


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
    assert {module for module in _modules() if not _has_test(module)} == set()
