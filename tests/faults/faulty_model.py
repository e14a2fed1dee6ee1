"""`tagpulse worker enrich` with a model that raises on every text that contains "boom": run as a module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.constant import ConstantEnricher
from models.enrichment import Enrichment
from streams.cli import main, worker


class FaultyEnricher(ConstantEnricher):
    def enrich(self, texts: Sequence[str]) -> list[Enrichment]:
        if any("boom" in text for text in texts):
            raise ValueError("the model cannot read this")
        return super().enrich(texts)


def _load(*_: Any) -> FaultyEnricher:
    return FaultyEnricher()


if __name__ == "__main__":
    worker._load_enricher = _load
    main(["worker", "enrich"])
