"""The contract of a network: how to listen to it, and how to read what was recorded of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Literal, NamedTuple

from streams.settings import Settings
from streams.sources.base import Parser, Source
from streams.sources.live import PostTimes


class Access(NamedTuple):
    """Whether the settings allow listening to a network, as far as that can be known without asking it."""

    status: Literal["ok", "warn", "fail"]
    detail: str
    advice: str = ""


class Network(ABC):
    """A network that `tagpulse produce NAME` listens to and `tagpulse record NAME` records.

    It is registered in `streams.sources.registry`, or by an entry point of another package in the group `tagpulse.sources`.
    """

    name: ClassVar[str]
    """The subcommand, and the source of every post of the network."""
    help: ClassVar[str]
    """The help of `tagpulse produce NAME`, as click formats it; its first line is the summary."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.times = PostTimes(timedelta(days=settings.produce.max_age_days))

    @abstractmethod
    def open_source(self, hashtags: Sequence[str], cursor: str | None = None) -> Source:
        """Return the live source, resuming from the cursor. Raise SettingsError for settings that cannot work."""

    @abstractmethod
    def open_parser(self, hashtags: Sequence[str]) -> Parser:
        """Return a parser of recorded frames."""

    @abstractmethod
    def identity(self) -> str:
        """Return what a saved cursor is valid for, such as the address of the server."""

    def access(self) -> Access | None:
        """Return whether the settings hold what the network asks for, such as a token; None if it asks for nothing."""
        return None
