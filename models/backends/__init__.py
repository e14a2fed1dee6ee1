"""Runtimes that compute the model, one file each behind `Backend`."""

from models.backends.base import Backend, Outputs, Padded, Precision, Runtime

__all__ = ["Backend", "Outputs", "Padded", "Precision", "Runtime"]
