"""Back ends that run the model, one module each, with the common interface `Backend`."""

from models.backends.base import Backend, Outputs, Padded, Precision, Runtime

__all__ = ["Backend", "Outputs", "Padded", "Precision", "Runtime"]
