"""The campaign file (TOML): which hashtags are watched, on which sources, and which topics matter on the day."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from streams.contracts import normalise_hashtags
from streams.errors import SettingsError

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


class CampaignTopic(BaseModel):
    """A topic of the campaign: no training, a description and a few examples in any language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: str = Field(min_length=1)
    examples: tuple[str, ...] = ()


class Campaign(BaseModel):
    """What is watched. The default watches every hashtag and scores no campaign topics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = "all"
    hashtags: tuple[str, ...] = ()
    """Lower case, without the sign; empty: every hashtag counts."""
    accounts: tuple[str, ...] = ()
    """The accounts that speak for the campaign (e.g. the police forces taking part)."""
    languages: tuple[str, ...] = ()
    """BCP-47 codes that the dashboards show first; every language is read all the same."""
    sources: tuple[str, ...] = ()
    """The networks that are listened to (`bluesky`, `mastodon`, …)."""
    topics: tuple[CampaignTopic, ...] = ()

    @field_validator("hashtags")
    @classmethod
    def _normalise(cls, hashtags: tuple[str, ...]) -> tuple[str, ...]:
        return normalise_hashtags(hashtags)

    @field_validator("topics")
    @classmethod
    def _distinct(cls, topics: tuple[CampaignTopic, ...]) -> tuple[CampaignTopic, ...]:
        names = [topic.name for topic in topics]
        if len(set(names)) < len(names):
            raise ValueError("two topics have the same name")
        return topics


def load_campaign(path: Path | None) -> Campaign:
    """Reads a campaign file; None gives the campaign that watches everything.

    Raises SettingsError with the file, the line and the key at fault.
    """
    if path is None:
        return Campaign()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"TAGPULSE_CAMPAIGN: {path} cannot be read: {error}") from None
    try:
        return Campaign.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"TAGPULSE_CAMPAIGN: {path}: {error}") from None
    except ValidationError as error:
        faults = "; ".join(_fault(text, fault["loc"], fault["msg"]) for fault in error.errors())
        raise SettingsError(f"TAGPULSE_CAMPAIGN: {path}: {faults}") from None


def _fault(text: str, location: tuple[int | str, ...], message: str) -> str:
    dotted = ".".join(str(part) for part in location)
    line = _line_of(text, location)
    return f"line {line}: {dotted}: {message}" if line else f"{dotted}: {message}"


def _line_of(text: str, location: tuple[int | str, ...]) -> int | None:
    """The line of a key: the first line that reads `key =`, within the n-th `[[table]]` when the key is in a list."""
    lines = text.splitlines()
    start, found = 0, None
    for part, following in zip(location, (*location[1:], None), strict=True):
        if isinstance(part, str) and isinstance(following, int):
            headers = [n for n, line in enumerate(lines) if line.replace(" ", "") == f"[[{part}]]"]
            if following < len(headers):
                start = found = headers[following]
                continue
        if isinstance(part, str):
            found = next((n for n, line in enumerate(lines[start:], start) if _assigns(line, part)), found)
    return None if found is None else found + 1


def _assigns(line: str, key: str) -> bool:
    name, equals, _ = line.partition("=")
    return bool(equals) and name.strip().strip("\"'") == key
