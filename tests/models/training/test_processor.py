from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.training import processor


@pytest.fixture(autouse=True)
def _asked_again() -> Iterator[None]:
    """Forget the answers for the machine of the tests before and after the test."""
    processor.device.cache_clear()
    processor.has_bf16.cache_clear()
    yield
    processor.device.cache_clear()
    processor.has_bf16.cache_clear()


def on_a_machine(monkeypatch: pytest.MonkeyPatch, cuda: bool, cpuinfo: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(processor, "CPUINFO", cpuinfo)


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx512_bf16 vme", True), ("amx_bf16", True), ("fpu avx2", False)]
)
def test_matrices_are_multiplied_in_bf16_if_the_processor_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: str, expected: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n", "utf-8")
    on_a_machine(monkeypatch, False, tmp_path / "cpuinfo")
    assert processor.device() == torch.device("cpu")
    with processor.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if expected else torch.float32)


def test_an_unknown_processor_computes_in_f32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_a_machine(monkeypatch, False, tmp_path / "missing")
    with processor.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_a_cuda_device_is_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_a_machine(monkeypatch, True, tmp_path / "missing")
    assert processor.device() == torch.device("cuda")
