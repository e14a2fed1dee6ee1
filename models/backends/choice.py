"""Chooses the back end and precision of the shipped model from the request, the installed packages and the processor."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from models.backends.base import Backend, Runtime
from models.backends.processor import int8_instructions
from models.errors import BackendError, MissingBackendExtra

WantedBackend = Literal["auto", "openvino", "onnx", "torch"]
WantedPrecision = Literal["auto", "int8", "f32", "f16"]

PACKAGES = {"openvino": ("openvino",), "onnx": ("onnxruntime",), "torch": ("torch", "onnx")}
"""Packages that each back end imports; the fastest back end on a CPU comes first.

`auto` chooses the first one installed. To use a GPU, `torch` must therefore be requested: only torch itself can detect a
GPU, and importing it takes seconds.
"""

_REQUESTED = "as requested"


def choose(backend: WantedBackend = "auto", precision: WantedPrecision = "auto") -> Runtime:
    """Choose the back end and precision.

    Raises:
        MissingBackendExtra: If the back end is not installed.
        BackendError: If the back end does not support the precision here.
    """
    name = _first_installed() if backend == "auto" else backend
    if missing_packages(*PACKAGES[name]):
        if name == "openvino":
            raise BackendError("openvino is not installed: reinstall tagpulse, or choose another back end")
        raise MissingBackendExtra(name, name)
    return full_precision(name, precision) if name == "torch" else _on_cpu(name, precision)


def open_backend(model: Path, runtime: Runtime, threads: int) -> Backend:
    """Load a model file to run on `threads` threads. Imports only the packages of the chosen back end.

    Raises:
        ArtefactError: If the back end cannot read the file as a model.
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
    """Choose the precision of a back end that runs on torch: `f16` on a GPU, otherwise `f32`.

    Raises:
        BackendError: If `int8` is requested, or `f16` without a GPU.
    """
    if precision == "int8":
        raise BackendError(f"{name} supports f32, and f16 on a GPU; int8 needs openvino or onnx")
    if precision == "f32":
        return Runtime(name, "f32", _REQUESTED)
    if has_cuda():
        return Runtime(name, "f16", _REQUESTED if precision == "f16" else "a CUDA device is available")
    if precision == "f16":
        raise BackendError(f"{name} supports f16 only on a CUDA device, and none is available: choose f32")
    return Runtime(name, "f32", "no CUDA device is available")


def missing_packages(*names: str) -> list[str]:
    """Return the packages that are not installed, without importing any of them."""
    return [name for name in names if find_spec(name) is None]


def has_cuda() -> bool:
    """Return whether torch finds a CUDA device. Imports torch."""
    import torch

    return bool(torch.cuda.is_available())


def _first_installed() -> str:
    for name, packages in PACKAGES.items():
        if not missing_packages(*packages):
            return name
    raise BackendError("no back end is installed: reinstall tagpulse, or run pip install 'tagpulse[onnx]'")


def _on_cpu(name: str, precision: WantedPrecision) -> Runtime:
    if precision == "f16":
        raise BackendError(f"{name} supports int8 and f32; f16 needs torch on a CUDA device")
    if precision != "auto":
        return Runtime(name, precision, _REQUESTED)
    if instructions := int8_instructions():
        return Runtime(name, "int8", f"the processor has {instructions}")
    return Runtime(name, "f32", "no VNNI found on the processor; without it int8 is slower and less accurate")
