"""The back ends agree: to the fourth decimal in full precision, and nearly always in int8."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.backends import openvino
from models.backends.processor import int8_instructions
from models.enricher import Enricher
from models.enrichment import Enrichment
from models.evaluation import read_sentiment
from tests.models.backends.conftest import Opened

FULL = [("openvino", "f32"), ("onnx", "f32")]
SMALL = [("openvino", "int8"), ("onnx", "int8")]
LEAST_AGREEMENT = 0.99


def probabilities(answers: list[Enrichment]) -> np.ndarray:
    return np.array([[a.sentiment.negative, a.sentiment.neutral, a.sentiment.positive] for a in answers])


def share_equal(some: list[Enrichment], others: list[Enrichment]) -> float:
    return float(np.mean([a.sentiment.label == b.sentiment.label for a, b in zip(some, others, strict=True)]))


@pytest.mark.parametrize(("backend", "precision"), FULL)
def test_full_precision_is_the_same_everywhere(
    opened: Opened, invented: list[str], backend: str, precision: str
) -> None:
    answers, reference = opened(backend, precision), opened("torch", "f32")
    assert np.abs(answers.vectors(invented) - reference.vectors(invented)).max() < 1e-4
    some, others = answers.enrich(invented), reference.enrich(invented)
    assert np.abs(probabilities(some) - probabilities(others)).max() <= 2e-4
    assert share_equal(some, others) == 1


@pytest.mark.parametrize(("backend", "precision"), SMALL)
def test_int8_rounds_a_little(opened: Opened, invented: list[str], backend: str, precision: str) -> None:
    small, full = opened(backend, precision), opened(backend, "f32")
    assert 1e-4 < np.abs(small.vectors(invented) - full.vectors(invented)).max() < 0.1
    assert share_equal(small.enrich(invented), full.enrich(invented)) >= 0.95


@pytest.fixture(scope="module")
def real(opened: Opened, shared_data: Path) -> tuple[list[str], list[Enrichment]]:
    """UMSAB's validation posts, and their answers in full precision."""
    folders = read_sentiment(shared_data / "umsab", "val").values()
    texts = [text for posts in folders for text in posts.texts]
    return texts, opened("openvino", "f32").enrich(texts)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "precision"), SMALL)
def test_int8_keeps_the_moods_of_real_posts(
    opened: Opened, real: tuple[list[str], list[Enrichment]], backend: str, precision: str
) -> None:
    if int8_instructions() is None:
        pytest.skip("without VNNI, full precision is chosen")
    texts, full = real
    small = opened(backend, precision).enrich(texts)
    assert share_equal(small, full) >= LEAST_AGREEMENT
    assert np.mean([a.language.code == b.language.code for a, b in zip(small, full, strict=True)]) >= LEAST_AGREEMENT


def test_halves_on_a_gpu_round_less(opened: Opened, invented: list[str]) -> None:
    small, full = opened("torch", "f16"), opened("torch", "f32")
    assert 0 < np.abs(small.vectors(invented) - full.vectors(invented)).max() < 0.02
    assert share_equal(small.enrich(invented), full.enrich(invented)) >= 0.98


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="AVX2 is an instruction set of x86")
def test_int8_is_safe_without_vnni(opened: Opened, invented: list[str]) -> None:
    command = [sys.executable, "-m", "models", "enrich", "--backend", "openvino", "--precision", "int8"]
    lines = [" ".join(text.split()) for text in invented]
    result = subprocess.run(
        command,
        input="\n".join(lines).encode(),
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    )
    assert result.returncode == 0, result.stderr.decode()
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert answers[0]["model"]["precision"] == "int8"
    full = opened("openvino", "f32").enrich(lines)
    same = [one["sentiment"]["label"] == other.sentiment.label for one, other in zip(answers, full, strict=True)]
    assert np.mean(same) >= 0.95


def test_both_runtimes_of_the_int8_file_agree(opened: Opened, invented: list[str]) -> None:
    if int8_instructions() is None:
        pytest.skip("without VNNI, int8 sums may saturate, differently in each runtime")
    one, other = opened("openvino", "int8").enrich(invented), opened("onnx", "int8").enrich(invented)
    assert share_equal(one, other) >= 0.97
    assert np.mean([a.language.code == b.language.code for a, b in zip(one, other, strict=True)]) >= 0.97


@pytest.mark.parametrize("has_tiles", [True, False])
def test_int8_with_and_without_tiles_of_bf16(
    monkeypatch: pytest.MonkeyPatch, opened: Opened, invented: list[str], has_tiles: bool
) -> None:
    monkeypatch.setattr(openvino, "has_bf16_tiles", lambda: has_tiles)
    one, several = (Enricher.load(backend="openvino", precision="int8", threads=threads) for threads in (1, 3))
    alone = one.vectors(invented)
    for _ in range(3):
        assert np.abs(several.vectors(invented) - alone).max() < 1e-5, "threads disturb each other"
    full = opened("openvino", "f32")
    assert np.abs(alone - full.vectors(invented)).max() < 0.1
    assert share_equal(one.enrich(invented), full.enrich(invented)) >= 0.97


@pytest.mark.parametrize(("backend", "precision"), [*FULL, *SMALL, ("torch", "f32"), ("torch", "f16")])
def test_neighbours_do_not_matter(opened: Opened, invented: list[str], backend: str, precision: str) -> None:
    if precision == "int8" and int8_instructions() is None:
        pytest.skip("without VNNI, int8 sums may saturate, differently for a text alone")
    enricher = opened(backend, precision)
    texts = invented[:40]
    together = enricher.vectors(texts)
    assert np.abs(enricher.vectors(texts[::-1])[::-1] - together).max() < 1e-5
    assert np.abs(enricher.vectors([*texts[:7], *["other words"] * 50])[:7] - together[:7]).max() < 1e-5
    for place in (0, 13, 39):
        assert np.abs(enricher.vectors([texts[place]])[0] - together[place]).max() < 1e-5


@pytest.mark.parametrize(("backend", "precision"), [*FULL, *SMALL, ("torch", "f32"), ("torch", "f16")])
def test_the_same_call_gives_the_same_bits(opened: Opened, invented: list[str], backend: str, precision: str) -> None:
    enricher = opened(backend, precision)
    assert np.array_equal(enricher.vectors(invented[:40]), enricher.vectors(invented[:40]))
