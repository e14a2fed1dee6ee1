"""Runtimes that compute the model, one file each behind `Backend`."""

from models.backends.base import Backend, Outputs

__all__ = ["Backend", "Outputs"]
