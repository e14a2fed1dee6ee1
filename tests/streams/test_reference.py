"""The reference pages in `docs/` match the code, describe every message, and are valid documents."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from streams import reference
from streams.contracts import decode_any
from streams.errors import BadMessage
from streams.metrics import REGISTRY
from streams.settings import TopicsSettings, variables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MESSAGES = sorted((ROOT / "tests" / "contracts").glob("v*/*.json"))


@pytest.fixture(scope="module")
def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DOCS / "asyncapi.json").read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("name", reference.pages())
def test_the_committed_page_matches_the_code(name: str) -> None:
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == reference.pages()[name], "run `make docs`"


def values_of(node: object, *keys: str) -> Iterator[Any]:
    """Yield the values of these keys, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys:
                yield value
            yield from values_of(value, *keys)
    elif isinstance(node, list):
        for value in node:
            yield from values_of(value, *keys)


@pytest.mark.parametrize("name", [name for name in reference.pages() if name.endswith(".json")])
def test_docstrings_are_the_same_on_every_python(name: str) -> None:
    """Python 3.13 and newer remove the indentation of docstrings."""
    values = values_of(json.loads(reference.pages()[name]), "description", "summary")
    found = [text for text in values if isinstance(text, str)]  # a field of a message may also have such a name
    assert found
    assert found == [inspect.cleandoc(text) for text in found]


def test_removed_messages_have_no_schema() -> None:
    assert {f"schemas/{path.name}" for path in DOCS.glob("schemas/*")} == {
        name for name in reference.pages() if name.startswith("schemas/")
    }


def test_the_environment_does_not_change_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference.pages()
    monkeypatch.setenv("TAGPULSE_TOPICS__RAW", "elsewhere")
    monkeypatch.setenv("TAGPULSE_KAFKA__PASSWORD", "s3cret")
    assert reference.pages() == before


def test_writing_removes_stale_schemas(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "removed.json").write_text("{}")
    (tmp_path / "index.md").write_text("kept")
    reference.write(tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {*reference.pages(), "index.md"}


def test_the_pages_name_every_setting_and_metric() -> None:
    assert all(f"| `{name}` |" in reference.settings() for name in variables())
    page = reference.metrics_page()
    for family in REGISTRY.collect():
        exposed = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{exposed}` | {family.type} |" in page


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_schemas_fit_the_messages_of_every_version(path: Path, asyncapi: dict[str, Any]) -> None:
    message = json.loads(path.read_text(encoding="utf-8"))
    schema = json.loads((DOCS / "schemas" / f"{message['type']}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    checker.validate(message)
    payload = asyncapi["components"]["messages"][message["type"]]["payload"]
    jsonschema.Draft7Validator({**asyncapi, **payload}).validate(message)

    for name in schema["$defs"][schema["$ref"].rpartition("/")[2]]["required"]:
        assert not checker.is_valid({key: value for key, value in message.items() if key != name}), name
    assert checker.is_valid({**message, "of_a_later_version": [1]})


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("post_full", "source", "a:b"),
        ("post_full", "source", "a\n"),
        ("post_full", "source", ""),
        ("post_full", "id", ""),
        ("post_full", "created_at", 7),
        ("post_full", "engagement", {"likes": -1}),
        ("deletion", "type", "post"),
        ("enriched_post_full", "sentiment", {"label": "angry", "negative": 1, "neutral": 0, "positive": 0}),
        ("enriched_post_full", "language", {"code": "en", "score": 1.5}),
        ("dead_letter_full", "headers", [["only a name"]]),
    ],
)
def test_the_schemas_refuse_what_the_readers_refuse(written: str, field: str, value: object) -> None:
    message = json.loads((ROOT / "tests" / "contracts" / "v1" / f"{written}.json").read_text(encoding="utf-8"))
    schema = json.loads((DOCS / "schemas" / f"{message['type']}.json").read_text(encoding="utf-8"))
    wrong = {**message, field: value}
    assert not jsonschema.Draft202012Validator(schema).is_valid(wrong)
    with pytest.raises(BadMessage, match="invalid"):
        decode_any(json.dumps(wrong).encode())


def test_every_reference_in_the_asyncapi_document_can_be_resolved(asyncapi: dict[str, Any]) -> None:
    found = set(values_of(asyncapi, "$ref"))
    assert found
    for reference_ in found:
        node: Any = asyncapi
        for part in reference_.removeprefix("#/").split("/"):
            node = node[part]


def test_the_asyncapi_document_has_the_topics_and_who_uses_them(asyncapi: dict[str, Any]) -> None:
    topics = TopicsSettings()
    assert asyncapi["asyncapi"] == "3.0.0"
    carried = {channel["address"]: set(channel["messages"]) for channel in asyncapi["channels"].values()}
    assert carried == {
        topics.raw: {"post", "deletion"},
        topics.enriched: {"enriched_post", "deletion"},
        topics.dead: {"dead_letter", "dead_letter_outcome"},
        topics.minutes: {"pulse_minute"},
        topics.alerts: {"spike"},
        topics.gaps: {"gap"},
    }
    used = {operation["channel"]["$ref"] for operation in asyncapi["operations"].values()}
    assert used == {f"#/channels/{name}" for name in asyncapi["channels"]}
    for operation in asyncapi["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])
