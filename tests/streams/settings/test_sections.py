"""What the sections check across their fields, and what they derive from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streams.settings.sections import ROLES, KafkaSettings, ModelSettings, Section, TopicsSettings


def refused(section: type[Section], message: str, **fields: Any) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        section(**fields)


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("login", [{}, {"username": "me"}, {"password": "s3cret"}, {"username": "me", "password": ""}])
def test_sasl_requires_a_login(protocol: str, login: dict[str, str]) -> None:
    refused(
        KafkaSettings,
        "TAGPULSE_KAFKA__USERNAME and TAGPULSE_KAFKA__PASSWORD are required with "
        f"TAGPULSE_KAFKA__SECURITY_PROTOCOL={protocol}",
        security_protocol=protocol,
        **login,
    )
    KafkaSettings(security_protocol=protocol, username="me", password="s3cret")


def test_a_client_certificate_requires_a_key(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.touch()
    for field in ("ssl_cert_file", "ssl_key_file"):
        refused(KafkaSettings, "go together: set both or neither", **{field: path})
    assert KafkaSettings(ssl_cert_file=path, ssl_key_file=path).ssl_key_file == path


def test_a_session_lasts_at_least_two_heartbeats() -> None:
    refused(KafkaSettings, "must be at most half of", session_timeout_seconds=6.0, heartbeat_seconds=3.1)
    assert KafkaSettings(session_timeout_seconds=6.0, heartbeat_seconds=3.0).heartbeat_seconds == 3


def test_every_role_has_a_topic_and_a_limit() -> None:
    topics = TopicsSettings(dead="tote", max_message_bytes=1_000)
    assert tuple(topics.names) == ROLES
    assert topics.names["dead"] == "tote"
    assert topics.limits == dict.fromkeys(topics.names.values(), 1_000) | {"tote": 2_000}
    assert topics.dead_limit == 2_000


def test_topics_must_differ_and_have_enough_replicas() -> None:
    refused(TopicsSettings, "TAGPULSE_TOPICS__GAPS must all differ", raw="x", gaps="x")
    refused(TopicsSettings, "must not exceed TAGPULSE_TOPICS__REPLICATION", min_insync_replicas=3, replication=2)
    assert TopicsSettings(min_insync_replicas=2, replication=2).replication == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"backend": "hub"}, "is required with TAGPULSE_MODEL__BACKEND=hub"),
        ({"hub_topic": "some/model"}, "TAGPULSE_MODEL__HUB_TOPIC needs TAGPULSE_MODEL__BACKEND=hub"),
        ({"precision": "f16"}, "TAGPULSE_MODEL__PRECISION=f16 needs"),
        ({"precision": "f16", "backend": "openvino"}, "TAGPULSE_MODEL__PRECISION=f16 needs"),
        ({"precision": "int8", "backend": "torch"}, "TAGPULSE_MODEL__PRECISION=int8 needs"),
        ({"precision": "int8", "backend": "hub", "hub_topic": "a/b"}, "TAGPULSE_MODEL__PRECISION=int8 needs"),
    ],
)
def test_an_inconsistent_model_is_refused(fields: dict[str, Any], message: str) -> None:
    refused(ModelSettings, message, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"backend": "hub", "hub_language": "a/b"},
        {"backend": "hub", "hub_topic": "a/b", "precision": "f16"},
        {"backend": "torch", "precision": "f16"},
        {"backend": "openvino", "precision": "int8"},
        {"precision": "int8"},
    ],
)
def test_a_consistent_model_is_accepted(fields: dict[str, Any]) -> None:
    assert ModelSettings(**fields).model_dump(include=set(fields)) == fields


def test_a_section_is_frozen_and_knows_its_keys() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TopicsSettings().raw = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="colour"):
        TopicsSettings(colour="red")  # type: ignore[call-arg]
