"""The choice of the back end, by request, installed packages and processor features."""

import sys
from importlib.util import find_spec as real_find_spec
from typing import Any

import pytest

from models.backends import Runtime, choice
from models.backends.choice import PACKAGES, choose
from models.enricher import Enricher
from models.errors import BackendError, MissingBackendExtra

VNNI, NOTHING = "VNNI", None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set which packages are installed, which instructions the processor has and whether there is a GPU."""

    def make(installed: str, instructions: str | None = VNNI, *, cuda: bool = False) -> None:
        packages = {package for name in installed.split() for package in PACKAGES[name]}
        known = {package for packages_of_one in PACKAGES.values() for package in packages_of_one}

        def find_spec(name: str) -> object:
            return None if name in known - packages else real_find_spec("sys")

        monkeypatch.setattr(choice, "find_spec", find_spec)
        monkeypatch.setattr(choice, "int8_instructions", lambda: instructions)
        monkeypatch.setattr(choice, "has_cuda", lambda: cuda)

    return make


@pytest.mark.parametrize(
    ("installed", "instructions", "cuda", "asked", "taken"),
    [
        ("openvino onnx torch", VNNI, True, ("auto", "auto"), ("openvino", "int8")),
        ("openvino onnx torch", NOTHING, False, ("auto", "auto"), ("openvino", "f32")),
        ("openvino", NOTHING, False, ("auto", "int8"), ("openvino", "int8")),
        ("openvino", VNNI, False, ("auto", "f32"), ("openvino", "f32")),
        ("onnx torch", VNNI, False, ("auto", "auto"), ("onnx", "int8")),
        ("torch", VNNI, False, ("auto", "auto"), ("torch", "f32")),
        ("openvino onnx", NOTHING, False, ("onnx", "auto"), ("onnx", "f32")),
        ("openvino torch", VNNI, False, ("torch", "auto"), ("torch", "f32")),
        ("openvino torch", VNNI, True, ("torch", "auto"), ("torch", "f16")),
        ("openvino torch", VNNI, True, ("torch", "f16"), ("torch", "f16")),
        ("openvino torch", VNNI, True, ("torch", "f32"), ("torch", "f32")),
    ],
)
def test_back_end_and_precision_are_chosen(
    world: Any, installed: str, instructions: str | None, cuda: bool, asked: Any, taken: tuple[str, str]
) -> None:
    world(installed, instructions, cuda=cuda)
    assert choose(*asked)[:2] == taken


@pytest.mark.parametrize(
    ("cuda", "asked", "reason"),
    [
        (False, ("torch", "f16"), "CUDA"),
        (True, ("torch", "int8"), "int8 needs openvino or onnx"),
        (True, ("openvino", "f16"), "f16 needs torch"),
        (True, ("onnx", "f16"), "f16 needs torch"),
        (True, ("auto", "f16"), "f16 needs torch"),
    ],
)
def test_unsupported_precisions_are_refused(world: Any, cuda: bool, asked: Any, reason: str) -> None:
    world("openvino onnx torch", cuda=cuda)
    with pytest.raises(BackendError, match=reason):
        choose(*asked)


def test_the_reason_is_reported(world: Any) -> None:
    world("openvino", VNNI)
    assert str(choose()) == "openvino int8 (the processor has VNNI)"
    assert str(choose(precision="f32")) == "openvino f32 (as requested)"
    world("openvino", NOTHING)
    assert "no VNNI" in choose().why


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_a_missing_extra_is_named_with_its_pip_command(world: Any, backend: Any) -> None:
    world("openvino")
    with pytest.raises(MissingBackendExtra, match=rf"pip install 'tagpulse\[{backend}\]'"):
        choose(backend)


def test_nothing_installed_is_reported(world: Any) -> None:
    world("")
    for backend in ("auto", "openvino"):
        with pytest.raises(BackendError, match="reinstall tagpulse"):
            choose(backend)


def test_a_missing_package_is_found_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingBackendExtra, match="onnx needs an extra"):
        Enricher.load(backend="onnx")


def test_an_enricher_says_what_computes_it() -> None:
    enricher = Enricher.load(threads=1, backend="openvino", precision="f32")
    assert enricher.runtime == Runtime("openvino", "f32", "as requested")
    model = enricher.enrich(["hello"])[0].model
    assert (model.runtime, model.precision) == ("openvino", "f32")
