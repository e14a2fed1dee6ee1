"""The campaign file (TOML): the hashtags to watch, the networks they are on, and the topics of the campaign."""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from models.enrichment import CAMPAIGN_THRESHOLD
from streams.contracts import SensitivityName, find_hashtags, normalise_hashtags
from streams.errors import SettingsError


def _checked_hashtag(hashtag: str) -> str:
    # An impossible hashtag would be dropped during normalisation, and an empty list watches every hashtag.
    normal = normalise_hashtags([hashtag])
    if not normal or find_hashtags(f"#{normal[0]}") != normal:
        raise ValueError(f"no post can carry the hashtag {hashtag!r}")
    return hashtag


Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Hashtag = Annotated[str, AfterValidator(_checked_hashtag)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Location = tuple[int | str, ...]


class TopicDefinition(BaseModel):
    """A campaign topic: a description and a few examples in any language; the model is not trained for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: Text
    examples: tuple[Text, ...] = ()
    negative_examples: tuple[Text, ...] = ()
    """Posts that resemble the topic but do not belong to it."""
    threshold: Annotated[float, Field(gt=0, lt=1, strict=True)] = CAMPAIGN_THRESHOLD
    """Score from which a post may be assigned the topic."""

    @field_validator("negative_examples")
    @classmethod
    def _not_examples(cls, negative: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if both := set(negative).intersection(info.data.get("examples", ())):
            raise ValueError(f"{min(both)!r} is also one of the examples")
        return negative


class Campaign(BaseModel):
    """The hashtags and topics to watch. The default watches every hashtag and scores no campaign topics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = "all"
    hashtags: tuple[Hashtag, ...] = ()
    """Hashtags in lower case, without the `#`; if empty, every hashtag counts."""
    accounts: tuple[Name, ...] = ()
    """Accounts that speak for the campaign (e.g. the police forces taking part); shown, but not used otherwise."""
    languages: tuple[LanguageCode, ...] = ()
    """BCP-47 codes of the campaign's languages; shown, but not used otherwise: posts in every language are read."""
    sources: tuple[Name, ...] = ()
    """Networks (`bluesky`, `mastodon`, …) for which `tagpulse doctor` requires a token."""
    topics: tuple[TopicDefinition, ...] = ()
    sensitivity: SensitivityName | None = None
    """Sensitivity of the spike detection; TAGPULSE_WATCH__SENSITIVITY overrides it, and the default is `middle`."""

    @field_validator("hashtags")
    @classmethod
    def _normalise(cls, hashtags: tuple[str, ...]) -> tuple[str, ...]:
        return normalise_hashtags(hashtags)

    @field_validator("topics")
    @classmethod
    def _distinct(cls, topics: tuple[TopicDefinition, ...]) -> tuple[TopicDefinition, ...]:
        name, times = next(iter(Counter(topic.name for topic in topics).most_common(1)), ("", 0))
        if times > 1:
            raise ValueError(f"{times} topics have the name {name!r}")
        return topics


def load_campaign(path: Path | None) -> Campaign:
    """Read a campaign file; without one, return the campaign that watches everything.

    Raises:
        SettingsError: The file cannot be read or is invalid. Every error names the file, and where known the line and
            the key.
    """
    if path is None:
        return Campaign()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"campaign {path}: cannot be read: {error}") from None
    try:
        return Campaign.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"campaign {path}: {error}") from None
    except ValidationError as error:
        lines = _lines_of(text)
        raise SettingsError(*(f"campaign {path}: {_describe(fault, lines)}" for fault in error.errors())) from None


def _describe(fault: ErrorDetails, lines: dict[Location, int]) -> str:
    location = fault["loc"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    enclosing = (location[:length] for length in range(len(location), 0, -1))
    line = next((lines[place] for place in enclosing if place in lines), None)
    return f"{f'line {line}: ' if line else ''}{key}: {_reason(fault)}"


def _reason(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            known = Campaign.model_fields if len(fault["loc"]) == 1 else TopicDefinition.model_fields
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
            return "no such key" + (f", did you mean {near[0]}?" if near else "")
        case "tuple_type":
            return "must be a list: […]"
        case "missing":
            return "is missing"
        case "string_pattern_mismatch":
            return "must be a BCP-47 code, such as en or hi-Latn"
        case _:
            return fault["msg"].removeprefix("Value error, ")


def _lines_of(text: str) -> dict[Location, int]:
    """Return the line of every table and key of a valid TOML text.

    Keys of inline tables are left out: their faults are reported at the line of the enclosing key.
    """
    found: dict[Location, int] = {}
    table: Location = ()
    tables: Counter[str] = Counter()
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += f"{line}\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # the statement continues on the next line
        if statement.lstrip().startswith("[["):
            (name,) = parsed
            table = (name, tables[name])
            tables[name] += 1
            found[table] = found[name,] = start
        elif statement.lstrip().startswith("["):
            table = tuple(parsed)
            found[table] = start
        else:
            found.update({(*table, key): start for key in parsed})
        statement, start = "", number + 1
    return found
