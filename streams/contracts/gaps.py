"""Gaps in a feed."""

from __future__ import annotations

from streams.contracts.message import MessageBase, Time
from streams.contracts.posts import Source


class Gap(MessageBase, frozen=True, kw_only=True, omit_defaults=True, tag="gap"):
    """A period of a source's feed that could not be fetched: its posts may be missing everywhere downstream."""

    _times = ("since", "until", "found_at")

    source: Source
    origin: str
    """The server whose feed has the gap, e.g. `jetstream2.us-east.bsky.network`."""
    reason: str
    """Human-readable reason, one line."""
    found_at: Time
    since: Time | None = None
    """Time up to which the feed is complete; None if nothing was read before."""
    until: Time | None = None
    """Time from which the feed is complete again; None if unknown (`found_at` at the latest)."""

    @property
    def key(self) -> bytes:
        return self.source.encode()
