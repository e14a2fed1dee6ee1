"""Header names that are not UTF-8.

Brokers accept such records, but the Python clients fail at them and cannot read anything after them. The names are
escaped instead: in kafka-python where its parser fails (`kafka_python_internals`); for aiokafka, whose compiled parser
cannot be patched, by fetching the same records again for its pure-Python parser (`aiokafka_internals`).
"""

from __future__ import annotations

from typing import Any


class LenientBytes(bytes):
    """Bytes that decode with invalid sequences escaped."""

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return LenientBytes(part) if isinstance(key, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")
