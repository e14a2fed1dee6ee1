"""The sinks of tagpulse, for tests that all of them have to pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.stores import Store


@pytest.fixture(params=["lake", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path if request.param == "lake" else request.getfixturevalue("dsn"))
