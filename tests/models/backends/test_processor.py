"""Detection of processor instructions."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.backends import processor
from models.backends.processor import from_cpuinfo, has_bf16_tiles, int8_instructions


def cores(*flags: str, key: str = "flags\t\t") -> str:
    return "".join(f"processor\t: {number}\n{key}: fpu {each}\n\n" for number, each in enumerate(flags))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (cores("avx2 avx512f avx512_vnni", "avx2 avx512f avx512_vnni"), "VNNI"),
        (cores("avx2 avx_vnni"), "VNNI"),
        (cores("avx2", "avx2"), None),
        (cores("avx512_vnni", "avx2"), None),
        (cores("asimd asimddp", "asimd asimddp", key="Features\t"), "int8 dot products"),
        (cores("asimd", key="Features\t"), None),
        ("", None),
        ("flags: not_avx512_vnni_really\n", None),
    ],
)
def test_flags_of_linux(text: str, found: str | None) -> None:
    assert from_cpuinfo(text) == found


@pytest.mark.parametrize(
    ("limit", "found", "tiles"),
    [
        ("AVX2", None, False),
        ("avx512_core", None, False),
        ("AVX512_CORE_VNNI", "VNNI", False),
        ("AVX512_CORE_AMX", "VNNI", True),
        ("DEFAULT", "VNNI", True),
    ],
)
def test_the_instructions_of_openvino_can_be_limited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, found: str | None, tiles: bool
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(cores("avx2 avx512f avx512_vnni amx_bf16"), "utf-8")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert int8_instructions() == found
    assert has_bf16_tiles() == tiles


def test_without_a_file_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "none")
    assert int8_instructions() is None


@pytest.mark.parametrize(
    ("machine", "answer", "found"),
    [("arm64", b"1\n", "int8 dot products"), ("arm64", b"0\n", None), ("arm64", b"", None), ("x86_64", b"1\n", None)],
)
def test_macs(monkeypatch: pytest.MonkeyPatch, machine: str, answer: bytes, found: str | None) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=answer))
    assert int8_instructions() == found


def test_a_mac_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("no sysctl")

    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr(subprocess, "run", fails)
    assert int8_instructions() is None


@pytest.mark.parametrize(("flags", "has"), [("avx512_vnni amx_bf16 amx_tile", True), ("avx512_bf16 amx_tile", False)])
def test_tiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: str, has: bool) -> None:
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    assert not has_bf16_tiles()
    (tmp_path / "cpuinfo").write_text(cores(flags))
    assert has_bf16_tiles() == has
