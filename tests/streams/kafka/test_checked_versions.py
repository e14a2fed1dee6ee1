"""Internals of libraries are used only where they were checked."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from streams.errors import SettingsError
from streams.kafka import aiokafka_internals, checked_versions, kafka_python_internals
from streams.kafka.checked_versions import require_checked
from streams.runtime import faust_internals

ADAPTERS = {
    "aiokafka": aiokafka_internals,
    "kafka-python": kafka_python_internals,
    "faust-streaming": faust_internals,
}


@pytest.mark.parametrize("library", ADAPTERS)
def test_the_installed_version_is_fine(library: str) -> None:
    require_checked(library)


@pytest.mark.parametrize(("library", "adapter"), ADAPTERS.items(), ids=ADAPTERS)
def test_another_version_stops_the_import_and_is_named(
    library: str, adapter: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked_versions, "version", lambda name: "99.1")
    with pytest.raises(SettingsError, match=rf"^{library} 99\.1 is installed, but .*: pip install '{library}.*<"):
        importlib.reload(adapter)


def test_a_preview_of_a_checked_version_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked_versions, "version", lambda name: "0.14.7rc1")
    require_checked("aiokafka")
