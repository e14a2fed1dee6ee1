"""docs/proofs.md reports the results in proofs.jsonl, and nothing else."""

from __future__ import annotations

from tests.faults import proofs


def test_the_page_reports_the_recorded_proofs() -> None:
    assert proofs.PAGE.read_text(encoding="utf-8") == proofs.page(proofs.read()), "run `python -m tests.faults.proofs`"


def test_nothing_was_lost() -> None:
    assert [proof for proof in proofs.read() if proof.lost or proof.failed] == []
