"""Every head of kind `several` reaches the messages, reports and metrics, which have a field for each."""

from __future__ import annotations

from typing import get_type_hints

import msgspec
import pytest

from models.enrichment import Enrichment, LabelScore
from models.heads import HEADS
from streams import metrics
from streams.compare.comparison import Comparison, LabelSets
from streams.contracts import SEVERAL, Driver, EnrichedPost, Explanation, PulseMinute, SentimentCounts


def test_the_answers_with_any_number_of_labels_are_listed() -> None:
    answers = get_type_hints(Enrichment)
    assert [name for name, kind in answers.items() if kind == tuple[LabelScore, ...]] == list(SEVERAL)
    assert {head.name for head in HEADS.values() if head.kind == "several"} <= SEVERAL.keys()


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (EnrichedPost, tuple[LabelScore, ...]),
        (PulseMinute, dict[str, SentimentCounts]),
        (Explanation, tuple[Driver, ...]),
        (Comparison, LabelSets),
    ],
)
def test_every_message_has_a_field_for_each(message: type[msgspec.Struct], kind: object) -> None:
    fields = get_type_hints(message)
    assert {name: fields.get(name) for name in SEVERAL} == dict.fromkeys(SEVERAL, kind)


def test_every_answer_is_counted_by_its_labels() -> None:
    exposed = {family.name for family in metrics.REGISTRY.collect()}
    assert {f"tagpulse_posts_{one}" for one in SEVERAL.values()} <= exposed
