"""The reference pages in `docs/`, made from the code: `python -m streams.reference docs` writes them.

Settings, metrics, a JSON Schema for each message, and an AsyncAPI 3 document of what travels through Kafka.
"""

from __future__ import annotations

import inspect
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from streams import metrics
from streams.contracts import (
    ATTEMPTS_HEADER,
    REASONS,
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

Messages = tuple[type[msgspec.Struct], ...]
MESSAGES: Messages = (Post, Deletion, EnrichedPost, DeadLetter, DeadLetterOutcome, PulseMinute, Spike, Gap)
_TEXTS = ("description", "summary")
_MADE = "<!-- Made from the code by `make docs`: change it there. -->"


def pages() -> dict[str, str]:
    """Every generated file by its path below `docs/`."""
    schemas = {f"schemas/{_tag(message)}.json": _json(schema(message)) for message in MESSAGES}
    return {"settings.md": settings(), "metrics.md": metrics_page(), "asyncapi.json": _json(asyncapi()), **schemas}


def settings() -> str:
    """The settings, section by section, as Markdown."""
    lines = [
        _MADE,
        "",
        "# Settings",
        "",
        "Every setting is an environment variable. Secrets may be files instead: a folder named by "
        f"`{SECRETS_DIR_VARIABLE}` holds a file for each, named like the variable. `tagpulse config show` tells what "
        "is in force and where it comes from, `tagpulse config validate` names every fault.",
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
                "| variable | default | what it is |",
                "|---|---|---|",
            ]
        lines.append(f"| `{name}` | {_default(variable)} | {_cell(_meaning(variable))} |")
    return "\n".join(lines) + "\n"


def _section_text(section: str) -> list[str]:
    kind = Settings.model_fields[section].annotation
    told = isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__doc__
    return [inspect.cleandoc(told), ""] if told else []


def _default(variable: Variable) -> str:
    value = variable.field.get_default(call_default_factory=True)
    return "" if value in (None, ()) else f"`{json.dumps(value) if isinstance(value, bool) else value}`"


def _meaning(variable: Variable) -> str:
    kind = variable.field.annotation
    choices = ", ".join(f"`{choice}`" for choice in get_args(kind)) if get_origin(kind) is Literal else ""
    return f"{variable.field.description} ({choices})" if choices else str(variable.field.description)


def metrics_page() -> str:
    """The metrics as Markdown."""
    rows = [
        f"| `{_exposed_name(metric)}` | {metric._type} | {_labels(metric)} | {_cell(metric._documentation)} |"
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    intro = [
        "Every process serves its metrics on `/metrics` of the address in `TAGPULSE_METRICS__HOST` and "
        "`TAGPULSE_METRICS__PORT`, each with the label `run` (`live`, or the name of a replay) beside those below. "
        "Counters add up over any number of workers. Where a label could grow with the feed, "
        f"only bounded names have a value of their own and the rest are `{metrics.OTHER}`.",
    ]
    return "\n".join(
        [_MADE, "", "# Metrics", "", *intro, "", "| name | kind | labels | why |", "|---|---|---|---|", *rows, ""]
    )


def _exposed_name(metric: MetricWrapperBase) -> str:
    return f"{metric._name}_total" if metric._type == "counter" else metric._name


def _labels(metric: MetricWrapperBase) -> str:
    return ", ".join(f"`{label}`" for label in metric._labelnames)


def schema(message: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a message. Fields that it does not name are allowed: later versions may add some."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(message)}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document: topics, keys, headers, messages, and who sends and receives them."""
    names, kafka = TopicsSettings(), KafkaSettings()
    _, schemas = msgspec.json.schema_components(MESSAGES, ref_template="#/components/schemas/{name}")
    channels: dict[str, tuple[str, str, Messages]] = {
        "raw": (names.raw, "Posts and deletions as the sources gave them.", (Post, Deletion)),
        "enriched": (names.enriched, "Posts with what the model read in them.", (EnrichedPost, Deletion)),
        "dead": (
            names.dead,
            f"Records that could not be handled: {', '.join(REASONS)}; and what became of them.",
            (DeadLetter, DeadLetterOutcome),
        ),
        "minutes": (
            names.minutes,
            "Minutes of each hashtag, as far as each partition of the enriched posts holds them; one partition.",
            (PulseMinute,),
        ),
        "alerts": (names.alerts, "Spikes as they open, grow and close; one partition.", (Spike,)),
        "gaps": (
            names.gaps,
            "Stretches that are missing: in the feed of a source, or of a topic whose records expired before they were read.",
            (Gap,),
        ),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "tagpulse",
            "version": version("tagpulse"),
            "description": "Posts of a live hashtag on their way through Kafka. The names of topics and groups are the "
            "defaults of the settings. Records of one post share a key, and so a partition and an order; minutes and "
            "spikes have their hashtag for a key.",
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
            "produce": _operation("send", "raw", (Post, Deletion), "tagpulse produce: a source into Kafka."),
            "produceGaps": _operation(
                "send", "gaps", (Gap,), "tagpulse produce: what a network could not give any more."
            ),
            "workerGaps": _operation(
                "send", "gaps", (Gap,), "Workers of the live run: records that retention deleted before they were read."
            ),
            "enrichReads": _operation(
                "receive", "raw", (Post, Deletion), "tagpulse worker enrich reads.", f"{kafka.group_prefix}.enrich"
            ),
            "enrichWrites": _operation(
                "send", "enriched", (EnrichedPost, Deletion), "tagpulse worker enrich writes; deletions pass through."
            ),
            "enrichRejects": _operation("send", "dead", (DeadLetter,), "What tagpulse worker enrich cannot handle."),
            "storeReads": _operation(
                "receive",
                "enriched",
                (EnrichedPost, Deletion),
                "tagpulse worker store reads.",
                f"{kafka.group_prefix}.store-parquet",
            ),
            "storeRejects": _operation("send", "dead", (DeadLetter,), "What tagpulse worker store cannot handle."),
            "watchReads": _operation(
                "receive",
                "enriched",
                (EnrichedPost, Deletion),
                "tagpulse worker watch reads.",
                f"{kafka.group_prefix}.watch",
            ),
            "watchWrites": _operation("send", "minutes", (PulseMinute,), "tagpulse worker watch makes minutes."),
            "watchReadsMinutes": _operation(
                "receive",
                "minutes",
                (PulseMinute,),
                "One tagpulse worker watch looks for spikes.",
                f"{kafka.group_prefix}.watch",
            ),
            "watchTells": _operation("send", "alerts", (Spike,), "It tells each turn of a spike once."),
            "deadOutcomes": _operation(
                "send", "dead", (DeadLetterOutcome,), "What tagpulse dead retry and drop did with a letter."
            ),
            "deadRetries": _operation(
                "send", "raw", (Post, Deletion), "tagpulse dead retry sends records back where they came from."
            ),
            "deadRetriesEnriched": _operation(
                "send", "enriched", (EnrichedPost, Deletion), "tagpulse dead retry sends records back, too."
            ),
        },
        "components": {
            "messages": {_tag(message): _message(message) for message in MESSAGES},
            "schemas": _draft_7(schemas),
        },
    }


def _draft_7(schema: Any) -> Any:
    """The same schema in the draft that AsyncAPI reads: tuples were written otherwise in it."""
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
        VERSION_HEADER: {"const": str(SCHEMA_VERSION), "description": "The version of the schema; without it, 1."}
    }
    if message in (DeadLetter, DeadLetterOutcome):
        key = {"type": ["string", "null"], "description": "the key of the record that failed"}
    if message in (PulseMinute, Spike):
        key = {"type": "string", "description": "the hashtag"}
    if message is Gap:
        key = {"type": "string", "description": "source"}
    if message in (Post, Deletion, EnrichedPost):
        headers[ATTEMPTS_HEADER] = {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "How often it failed before.",
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
    """The document with its docstrings as Python 3.13 and newer keep them: earlier ones leave the indentation in."""
    if isinstance(document, list):
        return [_unindented(part) for part in document]
    if not isinstance(document, dict):
        return document
    return {
        key: inspect.cleandoc(value) if key in _TEXTS and isinstance(value, str) else _unindented(value)
        for key, value in document.items()
    }


def write(folder: Path) -> None:
    """Writes every page below a folder, and removes schemas of messages that are no more."""
    wanted = pages()
    for stale in {str(path.relative_to(folder)) for path in folder.glob("schemas/*.json")} - wanted.keys():
        (folder / stale).unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
