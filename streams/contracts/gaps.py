"""Stretches of a feed that are missing."""

from __future__ import annotations

from streams.contracts.message import MessageBase, Time
from streams.contracts.posts import Source


class Gap(MessageBase, frozen=True, kw_only=True, omit_defaults=True, tag="gap"):
    """A stretch of a source's feed that could not be fetched: posts of that time may be missing everywhere downstream."""

    _times = ("since", "until", "found_at")

    source: Source
    origin: str
    """Which server's feed has it, e.g. `jetstream2.us-east.bsky.network`."""
    reason: str
    """One line for people."""
    found_at: Time
    since: Time | None = None
    """Up to here the feed is whole; None: nothing was read before."""
    until: Time | None = None
    """From here on it is whole again; None: unknown, `found_at` is the latest it can be."""

    @property
    def key(self) -> bytes:
        return self.source.encode()
