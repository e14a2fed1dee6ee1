from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from streams.contracts import Explanation, decode_spike, encode
from streams.spikes.events import SpikeEvent

OPENED = datetime(2026, 11, 1, 9, 31, tzinfo=UTC)
EVENT = SpikeEvent(
    kind="negative",
    hashtag="poltwt",
    state="closed",
    opened_at=OPENED,
    known_at=OPENED + timedelta(minutes=3),
    at=OPENED + timedelta(minutes=30),
    closed_at=OPENED + timedelta(minutes=27),
    posts=120,
    negative=62,
    share=0.52,
    low=0.43,
    high=0.6,
    baseline=0.21,
    rate=4.4,
    usual_rate=2.0,
)


def test_the_message_has_every_field_of_the_event() -> None:
    message = EVENT.as_message("middle", Explanation(summary="It is about rex."))
    assert {name: getattr(message, name) for name in asdict(EVENT)} == asdict(EVENT)
    assert (message.id, message.sensitivity) == ("negative:poltwt:2026-11-01T09:31:00Z", "middle")
    assert message.explanation.summary == "It is about rex."
    assert decode_spike(encode(message)) == message


def test_a_spike_without_an_explanation_has_an_empty_one() -> None:
    assert EVENT.as_message("low").explanation == Explanation()


def test_the_id_names_the_spike_and_not_the_event() -> None:
    opened = replace(EVENT, state="open", at=EVENT.known_at, closed_at=None, posts=8)
    assert opened.id == EVENT.id
    others = [replace(EVENT, kind="volume"), replace(EVENT, hashtag="k9"), replace(EVENT, opened_at=EVENT.at)]
    assert len({EVENT.id, *(other.id for other in others)}) == 4
