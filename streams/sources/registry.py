"""The networks: those of tagpulse, and those that other packages add by an entry point in the group `tagpulse.sources`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from streams.errors import BadInput, TagpulseError
from streams.sources.network import Network

GROUP = "tagpulse.sources"
_OURS = {
    "bluesky": "streams.sources.bluesky.network:Bluesky",
    "mastodon": "streams.sources.mastodon.network:Mastodon",
    "x": "streams.sources.x.network:X",
}


def network_names() -> list[str]:
    """Return the names of all networks, sorted."""
    return sorted({*_OURS, *(point.name for point in entry_points(group=GROUP))})


def find_network(name: str) -> type[Network]:
    """Return the class of a network. Raise BadInput for an unknown name, TagpulseError if it cannot be loaded."""
    if name in _OURS:
        return _load(EntryPoint(name, _OURS[name], GROUP))
    points = entry_points(group=GROUP, name=name)
    if not points:
        raise BadInput(f"there is no network {name!r}; the networks are {', '.join(network_names())}")
    return _load(next(iter(points)))


def _load(point: EntryPoint) -> type[Network]:
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise TagpulseError(f"the network {point.name!r} ({point.value}) cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Network)):
        raise TagpulseError(
            f"the network {point.name!r} ({point.value}) is not a subclass of {Network.__module__}.Network"
        )
    return found
