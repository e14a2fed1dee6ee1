"""Loading the model that the settings choose, and the setting that an error names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.errors import BackendError, HubModelError
from streams import model
from streams.campaign import Campaign, TopicDefinition
from streams.errors import SettingsError
from streams.model import load_enricher
from streams.settings import ModelSettings

EVERYTHING = Campaign()
WITH_TOPICS = Campaign(topics=(TopicDefinition(name="dogs", description="Police dogs"),))


def test_the_settings_choose_back_end_and_precision() -> None:
    enricher = load_enricher(ModelSettings(backend="openvino", precision="f32", threads=1), EVERYTHING)
    assert enricher.runtime
    assert enricher.runtime[:2] == ("openvino", "f32")


def test_the_constant_needs_no_model() -> None:
    enricher = load_enricher(ModelSettings(backend="constant", path=Path("nowhere")), WITH_TOPICS)
    assert (enricher.name, enricher.runtime) == ("constant", None)


def test_the_topics_of_the_campaign_are_scored() -> None:
    enricher = load_enricher(ModelSettings(threads=1), WITH_TOPICS)
    (answer,) = enricher.enrich(["Our police dogs at work"])
    assert answer.campaign.score > 0


def test_missing_weights_name_their_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"TAGPULSE_MODEL__PATH: .*missing"):
        load_enricher(ModelSettings(path=tmp_path), EVERYTHING)


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (
            HubModelError("language", "some/model", "cannot be loaded"),
            "TAGPULSE_MODEL__HUB_LANGUAGE: the language model",
        ),
        (BackendError("cannot"), "TAGPULSE_MODEL__BACKEND=auto, TAGPULSE_MODEL__PRECISION=auto: cannot"),
    ],
)
def test_errors_name_the_setting(monkeypatch: pytest.MonkeyPatch, error: Exception, setting: str) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(model, "_load", fails)
    with pytest.raises(SettingsError, match=setting):
        load_enricher(ModelSettings(), EVERYTHING)


def test_the_hub_gets_what_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("models.hub.HubEnricher.load", lambda **wanted: given.update(wanted))
    load_enricher(
        ModelSettings(backend="hub", hub_sentiment="a", hub_topic="b@v1", hub_topic_threshold=0.7), WITH_TOPICS
    )
    assert (given["sentiment"], given["language"], given["topic"], given["topic_threshold"]) == ("a", None, "b@v1", 0.7)
    assert [topic.name for topic in given["campaign_topics"]] == ["dogs"]
