"""`tagpulse worker enrich` with a model that raises on "boom" and hangs on "freeze"; run it as a module."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from unittest import mock

from models.constant import ConstantEnricher
from models.enrichment import Enrichment
from models.languages import Hints
from streams.cli import main, worker


class FaultyEnricher(ConstantEnricher):
    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
        if any("boom" in text for text in texts):
            raise ValueError("the model cannot read this")
        if any("freeze" in text for text in texts):
            threading.Event().wait()
        return super().enrich(texts, hints)


def _load(*_: Any) -> FaultyEnricher:
    return FaultyEnricher()


if __name__ == "__main__":
    with mock.patch.object(worker, "_load_enricher", _load):
        main(["worker", "enrich"])
