"""`docs/proofs.md` says what the last full run found, and nothing else."""

from __future__ import annotations

from tests.faults import proofs


def test_the_page_is_what_the_run_found() -> None:
    assert proofs.PAGE.read_text(encoding="utf-8") == proofs.page(proofs.read()), "run `python -m tests.faults.proofs`"


def test_nothing_was_lost() -> None:
    assert [proof for proof in proofs.read() if proof.lost or proof.failed] == []
