"""Which back end runs the shipped model, in which precision: what was asked for, what is installed, what is fast here."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from models.backends.base import Backend, Runtime
from models.backends.processor import int8_instructions
from models.errors import BackendError, MissingBackendExtra

WantedBackend = Literal["auto", "openvino", "onnx", "torch"]
WantedPrecision = Literal["auto", "int8", "f32", "f16"]

PACKAGES = {"openvino": ("openvino",), "onnx": ("onnxruntime",), "torch": ("torch", "onnx")}
"""What each back end imports, the fastest on a CPU first.

`auto` takes the first that is installed. `torch` therefore has to be asked for, even where there is a GPU: only torch
itself can tell whether there is one, and it takes seconds to load.
"""

_ASKED = "as asked for"


def choose(backend: WantedBackend = "auto", precision: WantedPrecision = "auto") -> Runtime:
    """Choose back end and precision.

    Raises:
        MissingExtra: the back end is not installed.
        BackendError: it cannot compute in this precision here.
    """
    name = _first_installed() if backend == "auto" else backend
    if missing_packages(*PACKAGES[name]):
        if name == "openvino":
            raise BackendError("openvino is not installed: install tagpulse again, or choose another back end")
        raise MissingBackendExtra(name, name)
    return full_precision(name, precision) if name == "torch" else _on_cpu(name, precision)


def open_backend(model: Path, runtime: Runtime, threads: int) -> Backend:
    """Load a model file to run on `threads` threads. Imports the chosen runtime and no other.

    Raises:
        ArtefactError: the file is not a model that the runtime can read.
    """
    if runtime.name == "openvino":
        from models.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(model, precision=runtime.precision, threads=threads)
    if runtime.name == "onnx":
        from models.backends.onnx import OnnxBackend

        return OnnxBackend(model, precision=runtime.precision, threads=threads)
    from models.backends.torch import TorchBackend

    return TorchBackend(model, precision=runtime.precision, threads=threads)


def full_precision(name: str, precision: WantedPrecision) -> Runtime:
    """Choose the precision of a back end that runs on torch: `f16` on a GPU, else `f32`.

    Raises:
        BackendError: `int8` is wanted, or `f16` without a GPU.
    """
    if precision == "int8":
        raise BackendError(f"{name} computes in f32, or in f16 on a GPU; int8 needs openvino or onnx")
    if precision == "f32":
        return Runtime(name, "f32", _ASKED)
    if has_cuda():
        return Runtime(name, "f16", _ASKED if precision == "f16" else "there is a CUDA device")
    if precision == "f16":
        raise BackendError(f"{name} computes in f16 on a CUDA device only, and there is none: choose f32")
    return Runtime(name, "f32", "there is no CUDA device")


def missing_packages(*names: str) -> list[str]:
    """Return those that are not installed, without importing any."""
    return [name for name in names if find_spec(name) is None]


def has_cuda() -> bool:
    """Tell whether torch finds a GPU. Imports torch."""
    import torch

    return bool(torch.cuda.is_available())


def _first_installed() -> str:
    for name, packages in PACKAGES.items():
        if not missing_packages(*packages):
            return name
    raise BackendError("no back end is installed: install tagpulse again, or pip install 'tagpulse[onnx]'")


def _on_cpu(name: str, precision: WantedPrecision) -> Runtime:
    if precision == "f16":
        raise BackendError(f"{name} computes in int8 or f32; f16 needs torch on a CUDA device")
    if precision != "auto":
        return Runtime(name, precision, _ASKED)
    if instructions := int8_instructions():
        return Runtime(name, "int8", f"the processor has {instructions}")
    return Runtime(name, "f32", "the processor shows no VNNI, without which int8 is slower and less exact")
