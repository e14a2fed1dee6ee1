"""The tests mirror the packages: each module that does something has a test file at its place."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.helpers.brokers import ROOT

MISSING = {
    "models/backends/base.py",
    "models/backends/hub.py",
    "models/backends/onnx.py",
    "models/backends/openvino.py",
    "models/backends/pool.py",
    "models/backends/torch.py",
    "models/backends/torch_ops.py",
    "models/errors.py",
    "models/eval_cli.py",
    "models/evaluation/agreement.py",
    "models/evaluation/answers.py",
    "models/evaluation/error_rates.py",
    "models/evaluation/reading.py",
    "models/evaluation/tables.py",
    "models/memory.py",
    "models/probabilities.py",
    "models/train_cli.py",
    "models/training/data.py",
    "models/training/export.py",
    "models/training/held_out.py",
    "models/training/network.py",
    "models/training/prediction.py",
    "models/training/recipe.py",
    "models/training/teacher.py",
    "streams/sinks/base.py",
    "streams/sinks/explanations.py",
    "streams/sinks/forget.py",
    "streams/sinks/lake/columns.py",
    "streams/sinks/lake/compact.py",
    "streams/sinks/lake/files.py",
    "streams/sinks/lake/forget.py",
    "streams/sinks/lake/local_storage.py",
    "streams/sinks/lake/notes.py",
    "streams/sinks/lake/opening.py",
    "streams/sinks/lake/prune.py",
    "streams/sinks/lake/storage.py",
    "streams/sinks/lake/views.py",
    "streams/sinks/postgres/copy_text.py",
    "streams/sinks/postgres/faults.py",
    "streams/sinks/postgres/login.py",
    "streams/sinks/postgres/migrate.py",
    "streams/sinks/postgres/migrations/versions/v0001_posts.py",
    "streams/sinks/postgres/migrations/versions/v0002_spikes.py",
    "streams/sinks/postgres/removal.py",
    "streams/sinks/postgres/schema.py",
    "streams/sinks/postgres/session.py",
    "streams/sinks/postgres/sink.py",
    "streams/sinks/postgres/spikes.py",
    "streams/sinks/postgres/upsert.py",
    "streams/sinks/registry.py",
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
    return {
        str(module.relative_to(ROOT))
        for package in ("streams", "models", "deploy")
        for module in (ROOT / package).rglob("*.py")
        if not module.name.startswith("__") and _behaves(module)
    }


def _has_test(module: str) -> bool:
    path = Path(module)
    return (ROOT / "tests" / path.parent / f"test_{path.name}").is_file()


def test_each_module_has_its_test_file() -> None:
    assert {module for module in _modules() if not _has_test(module)} - MISSING == set()


def test_the_list_of_missing_test_files_is_true() -> None:
    assert {module for module in MISSING if _has_test(module)} == set(), "they have a test file by now"
    assert MISSING - _modules() == set(), "there is no such module any more, or it does nothing"
