"""Find classes by name: the built-in ones, and those that other packages add by an entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from streams.errors import BadInput, TagpulseError

T = TypeVar("T")


class Registry(Generic[T]):
    """The classes of one kind, such as sinks; each is loaded only when it is asked for."""

    def __init__(self, kind: str, group: str, contract: type[T], built_in: Mapping[str, str]) -> None:
        """Create a registry.

        Args:
            kind: What the classes are, in the singular, for messages.
            group: The group of the entry points.
            contract: The class that all of them must inherit from.
            built_in: `module:Class` by name.
        """
        self._kind = kind
        self._group = group
        self._contract = contract
        self._built_in = {name: EntryPoint(name, value, group) for name, value in built_in.items()}

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted({*self._built_in, *(point.name for point in entry_points(group=self._group))})

    def find(self, name: str) -> type[T]:
        """Return the class of that name.

        Raises:
            BadInput: There is none of that name.
            TagpulseError: It cannot be loaded, or does not keep the contract.
        """
        point = self._built_in.get(name) or next(iter(entry_points(group=self._group, name=name)), None)
        if point is None:
            kind, names = self._kind, ", ".join(self.names())
            raise BadInput(f"there is no {kind} {name!r}: the available {kind}s are {names}")
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise TagpulseError(f"the {self._kind} {name!r} ({point.value}) cannot be loaded: {error}") from error
        if not (isinstance(found, type) and issubclass(found, self._contract)):
            contract = f"{self._contract.__module__}.{self._contract.__qualname__}"
            raise TagpulseError(f"the {self._kind} {name!r} ({point.value}) is not a subclass of {contract}")
        return found
