"""Generates the reference pages in `docs/` from the code; run `python -m streams.reference docs` to write them.

The pages are the settings, the metrics, the columns of a post, a JSON Schema for each message, and an AsyncAPI 3
document of the Kafka topics.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from streams import metrics
from streams.contracts import (
    ATTEMPTS_HEADER,
    REASONS,
    REFUSED_HEADER,
    SCHEMA_VERSION,
    VERSION_HEADER,
    DeadLetter,
    DeadLetterOutcome,
    Deletion,
    EnrichedPost,
    Gap,
    Post,
    PulseMinute,
    Spike,
)
from streams.kafka.topics import ONE_PARTITION
from streams.settings import SECRETS_DIR_VARIABLE, KafkaSettings, Settings, TopicsSettings, Variable, variables
from streams.sinks.columns import CLEARED, COLUMNS

Messages = tuple[type[msgspec.Struct], ...]
MESSAGES: Messages = (Post, Deletion, EnrichedPost, DeadLetter, DeadLetterOutcome, PulseMinute, Spike, Gap)
_TEXTS = ("description", "summary")
GENERATED = "<!-- Generated from the code by `make docs`: do not edit. -->"


def pages() -> dict[str, str]:
    """Return the contents of every generated file by its path below `docs/`."""
    schemas = {f"schemas/{_tag(message)}.json": _json(schema(message)) for message in MESSAGES}
    tables = {"settings.md": settings(), "metrics.md": metrics_page(), "columns.md": columns_page()}
    return {**tables, "asyncapi.json": _json(asyncapi()), **schemas}


def settings() -> str:
    """Return the settings as Markdown, section by section."""
    lines = [
        GENERATED,
        "",
        "# Settings",
        "",
        "Every setting is an environment variable. Secrets can also be files: put each into a file with the name of "
        f"its variable, in the folder named by `{SECRETS_DIR_VARIABLE}`. `tagpulse config show` shows the effective "
        "values and where they come from; `tagpulse config validate` reports every error.",
    ]
    section = None
    for name, variable in variables().items():
        if variable.location[0] != section:
            section = variable.location[0]
            lines += [
                "",
                f"## {section}",
                "",
                *_section_text(section),
                "| variable | default | description |",
                "|---|---|---|",
            ]
        lines.append(f"| `{name}` | {_default(variable)} | {_cell(_description(variable))} |")
    return "\n".join(lines) + "\n"


def _section_text(section: str) -> list[str]:
    kind = Settings.model_fields[section].annotation
    text = isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__doc__
    return [inspect.cleandoc(text), ""] if text else []


def _default(variable: Variable) -> str:
    value = variable.field.get_default(call_default_factory=True)
    return "" if value in (None, (), "") else f"`{json.dumps(value) if isinstance(value, bool) else value}`"


def _description(variable: Variable) -> str:
    kind = variable.field.annotation
    choices = ", ".join(f"`{choice}`" for choice in get_args(kind)) if get_origin(kind) is Literal else ""
    return f"{variable.field.description} ({choices})" if choices else str(variable.field.description)


def metrics_page() -> str:
    """Return the metrics as Markdown."""
    rows = [
        f"| `{_exposed_name(family)}` | {family.type} | {_labels(metric)} | {_cell(family.documentation)} |"
        for metric in all_metrics()
        for family in metric.describe()
    ]
    intro = [
        "Every process serves its metrics under `/metrics` on the address set by `TAGPULSE_METRICS__HOST` and "
        "`TAGPULSE_METRICS__PORT`. In addition to the labels below, every metric has the label `run` (`live`, or the "
        "name of a replay). Counters can be summed over any number of workers. The values of labels that depend on the "
        f"feed are limited in number; all others are reported as `{metrics.OTHER}`.",
    ]
    head = ["| name | type | labels | description |", "|---|---|---|---|"]
    return "\n".join([GENERATED, "", "# Metrics", "", *intro, "", *head, *rows, ""])


def columns_page() -> str:
    """Return the columns of the view `posts` as Markdown."""
    rows = [f"| `{column.name}` | {column.kind.value} | {_cell(column.help)} |" for column in COLUMNS]
    intro = [
        "The columns of the view `posts`, in the lake ([queries](guide.md#querying-the-lake)) and in "
        "[PostgreSQL](postgres.md). In addition, `run` is the run, and `date` and `hour` are those of `created_at` in "
        "UTC. A value that is unknown, or that an earlier version did not store, is null. "
        f"`tagpulse forget --reposts clear` empties {' and '.join(f'`{column.name}`' for column in CLEARED)}.",
    ]
    head = ["| name | type | description |", "|---|---|---|"]
    return "\n".join([GENERATED, "", "# Columns of a post", "", *intro, "", *head, *rows, ""])


def _exposed_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(metric: MetricWrapperBase) -> str:
    return ", ".join(f"`{label}`" for label in label_names(metric))


def all_metrics() -> Iterator[MetricWrapperBase]:
    """Yield every metric, in the order of their definitions."""
    for value in vars(metrics).values():
        for metric in value.values() if isinstance(value, dict) else [value]:
            if isinstance(metric, MetricWrapperBase):
                yield metric


def label_names(metric: MetricWrapperBase) -> Sequence[str]:
    """Return the names of the labels of a metric, which the client makes public only through its samples."""
    return tuple(metric._labelnames)


def schema(message: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a message; it allows further fields, since later versions may add some."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(message)}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document: topics, keys, headers and messages, with their senders and receivers."""
    names, kafka = TopicsSettings(), KafkaSettings()
    _, schemas = msgspec.json.schema_components(MESSAGES, ref_template="#/components/schemas/{name}")
    channels: dict[str, tuple[str, str, Messages]] = {
        "raw": (names.raw, "Posts and deletions as received from the sources.", (Post, Deletion)),
        "enriched": (names.enriched, "Posts with the labels of the model, and deletions.", (EnrichedPost, Deletion)),
        "dead": (
            names.dead,
            f"Records that could not be processed ({', '.join(REASONS)}), and what was done with them.",
            (DeadLetter, DeadLetterOutcome),
        ),
        "minutes": (
            names.minutes,
            "Minutes of each hashtag, counted separately for each partition of the enriched posts; one partition.",
            (PulseMinute,),
        ),
        "alerts": (names.alerts, "Spikes when they open, grow and close; one partition.", (Spike,)),
        "gaps": (
            names.gaps,
            "Gaps in the feed of a source, or in a topic whose records expired before they were read.",
            (Gap,),
        ),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "tagpulse",
            "version": version("tagpulse"),
            "description": "The messages of tagpulse, which watches the mood of a live hashtag. The names of topics "
            "and groups are those of the default settings. Records of the same post share a key, so that they are in "
            "the same partition and in order; the key of minutes and spikes is their hashtag.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"default": {"host": kafka.bootstrap_servers, "protocol": "kafka", "description": "The default."}},
        "channels": {
            name: {
                "address": address,
                "description": description,
                "messages": {_tag(message): {"$ref": f"#/components/messages/{_tag(message)}"} for message in messages},
                "bindings": {
                    "kafka": {
                        "topic": address,
                        "partitions": 1 if name in ONE_PARTITION else names.partitions,
                        "replicas": names.replication,
                        "bindingVersion": "0.5.0",
                    }
                },
            }
            for name, (address, description, messages) in channels.items()
        },
        "operations": {
            "produce": _operation(
                "send", "raw", (Post, Deletion), "`tagpulse produce` sends the contents of a source."
            ),
            "produceGaps": _operation(
                "send", "gaps", (Gap,), "`tagpulse produce` reports what a network no longer provides."
            ),
            "workerGaps": _operation(
                "send",
                "gaps",
                (Gap,),
                "The workers of the live run report records that retention deleted before they were read.",
            ),
            "enrichReads": _operation(
                "receive",
                "raw",
                (Post, Deletion),
                "`tagpulse worker enrich` reads the posts and deletions.",
                f"{kafka.group_prefix}.enrich",
            ),
            "enrichWrites": _operation(
                "send",
                "enriched",
                (EnrichedPost, Deletion),
                "`tagpulse worker enrich` writes the enriched posts, and passes deletions through.",
            ),
            "enrichRejects": _operation(
                "send", "dead", (DeadLetter,), "`tagpulse worker enrich` rejects records that it cannot process."
            ),
            "storeReads": _operation(
                "receive",
                "enriched",
                (EnrichedPost, Deletion),
                "`tagpulse worker store` reads the posts and deletions to store.",
                f"{kafka.group_prefix}.store-parquet",
            ),
            "storeRejects": _operation(
                "send", "dead", (DeadLetter,), "`tagpulse worker store` rejects records that it cannot process."
            ),
            "watchReads": _operation(
                "receive",
                "enriched",
                (EnrichedPost, Deletion),
                "`tagpulse worker watch` reads the posts and deletions to count.",
                f"{kafka.group_prefix}.watch",
            ),
            "watchWrites": _operation("send", "minutes", (PulseMinute,), "`tagpulse worker watch` writes the minutes."),
            "watchReadsMinutes": _operation(
                "receive",
                "minutes",
                (PulseMinute,),
                "One of the `tagpulse worker watch` processes reads the minutes to detect spikes.",
                f"{kafka.group_prefix}.watch",
            ),
            "watchTells": _operation(
                "send", "alerts", (Spike,), "`tagpulse worker watch` reports each change of a spike once."
            ),
            "deadOutcomes": _operation(
                "send",
                "dead",
                (DeadLetterOutcome,),
                "`tagpulse dead retry` and `tagpulse dead drop` record what they did with a dead letter.",
            ),
            "deadRetries": _operation(
                "send", "raw", (Post, Deletion), "`tagpulse dead retry` sends raw records back to their topic."
            ),
            "deadRetriesEnriched": _operation(
                "send",
                "enriched",
                (EnrichedPost, Deletion),
                "`tagpulse dead retry` sends enriched records back to their topic.",
            ),
        },
        "components": {
            "messages": {_tag(message): _message(message) for message in MESSAGES},
            "schemas": _draft_7(schemas),
        },
    }


def _draft_7(schema: Any) -> Any:
    """Convert a schema to draft 7, which AsyncAPI uses and which has another notation for tuples."""
    if isinstance(schema, list):
        return [_draft_7(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {key: _draft_7(part) for key, part in schema.items() if key != "prefixItems"}
    if "prefixItems" in schema:
        converted |= {"items": _draft_7(schema["prefixItems"]), "additionalItems": schema["items"]}
    return converted


def _operation(action: str, channel: str, messages: Messages, summary: str, group: str | None = None) -> dict[str, Any]:
    bindings = {"kafka": {"groupId": {"type": "string", "const": group}, "bindingVersion": "0.5.0"}}
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{_tag(message)}"} for message in messages],
    } | ({"bindings": bindings} if group else {})


def _message(message: type[msgspec.Struct]) -> dict[str, Any]:
    key: dict[str, Any] = {"type": "string", "pattern": "^[^\\s:]+:", "description": "source:id"}
    headers: dict[str, Any] = {
        VERSION_HEADER: {"const": str(SCHEMA_VERSION), "description": "Version of the schema; 1 if absent."}
    }
    if message in (DeadLetter, DeadLetterOutcome):
        key = {"type": ["string", "null"], "description": "key of the record that failed"}
    if message in (PulseMinute, Spike):
        key = {"type": "string", "description": "hashtag"}
    if message is Gap:
        key = {"type": "string", "description": "source"}
    if message in (Post, Deletion, EnrichedPost):
        headers[ATTEMPTS_HEADER] = {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "Number of earlier attempts that failed.",
        }
    if message in (Post, Deletion):
        headers[REFUSED_HEADER] = {
            "type": "string",
            "pattern": "^[a-z_]+: ",
            "description": "Reason and details if the record was refused when it was read, although it can be decoded.",
        }
    return {
        "name": _tag(message),
        "title": message.__name__,
        "summary": message.__doc__,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": headers},
        "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }


def _tag(message: type[msgspec.Struct]) -> str:
    return str(message.__struct_config__.tag)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _json(document: dict[str, Any]) -> str:
    return json.dumps(_unindented(document), indent=2, ensure_ascii=False) + "\n"


def _unindented(document: Any) -> Any:
    """Remove the indentation from docstrings, which Python before 3.13 keeps."""
    if isinstance(document, list):
        return [_unindented(part) for part in document]
    if not isinstance(document, dict):
        return document
    return {
        key: inspect.cleandoc(value) if key in _TEXTS and isinstance(value, str) else _unindented(value)
        for key, value in document.items()
    }


def write(folder: Path) -> None:
    """Write every page below a folder, and remove the schemas of messages that no longer exist."""
    wanted = pages()
    for stale in {str(path.relative_to(folder)) for path in folder.glob("schemas/*.json")} - wanted.keys():
        (folder / stale).unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
