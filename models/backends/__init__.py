"""Back ends that run the model, one module each, with the common interface `Backend`."""

import sys

from models.backends.base import Backend, Outputs, Padded, Precision, Runtime

__all__ = ["Backend", "Outputs", "Padded", "Precision", "Runtime"]

# when OpenVINO is imported, it reports to its makers that it is used, unless this package is missing
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
