"""The imports follow the rules in docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.helpers.brokers import ROOT


def _modules() -> dict[str, Path]:
    paths = (path for package in ("streams", "models") for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


MODULES = _modules()


def _imports(module: str) -> Iterator[str]:
    """Yield the modules of the project that a module imports, also within functions."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


IMPORTS = {module: set(_imports(module)) & MODULES.keys() - {module} for module in MODULES}


def _unit(module: str) -> str:
    """Return the package of a module, or the module itself at the top of `streams` and `models`."""
    folder = MODULES[module].parent.relative_to(ROOT)
    return module if len(folder.parts) == 1 else ".".join(folder.parts)


def test_no_modules_import_each_other() -> None:
    TopologicalSorter(IMPORTS).prepare()


def test_no_packages_import_each_other() -> None:
    units: dict[str, set[str]] = {}
    for module, imported in IMPORTS.items():
        units.setdefault(_unit(module), set()).update({_unit(each) for each in imported} - {_unit(module)})
    TopologicalSorter(units).prepare()


def test_the_model_knows_nothing_of_the_pipeline() -> None:
    assert [
        (module, each)
        for module in MODULES
        if module.startswith("models")
        for each in IMPORTS[module]
        if each.startswith("streams")
    ] == []
