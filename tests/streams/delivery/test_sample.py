from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streams.contracts import SPIKE_KINDS, SpikeKind, decode_spike, encode
from streams.delivery.sample import sample_spikes

NOW = datetime(2026, 11, 1, 9, 31, 7, 123_456, tzinfo=UTC)


@pytest.mark.parametrize("kind", SPIKE_KINDS)
def test_a_sample_opens_and_closes(kind: SpikeKind) -> None:
    opened, closed = sample_spikes(kind, "poltwt", NOW)
    assert (opened.kind, opened.hashtag) == (kind, "poltwt")
    assert (opened.state, opened.closed_at) == ("open", None)
    assert (closed.state, closed.closed_at) == ("closed", NOW)
    assert opened.id == closed.id == f"test:{kind}:poltwt:2026-11-01T09:31:07.123456Z"
    assert opened.opened_at == datetime(2026, 11, 1, 9, 27, tzinfo=UTC)
    assert opened.explanation.summary.startswith("This is a test alert from tagpulse; nothing happened. #poltwt")
    for spike in (opened, closed):
        assert decode_spike(encode(spike)) == spike


def test_the_figures_agree_with_the_summary() -> None:
    negative, volume, silence = (sample_spikes(kind, "k9", NOW)[0] for kind in ("negative", "volume", "silence"))
    assert "52 % negative (62 of 120 posts), usually 21 %" in negative.explanation.summary
    assert (negative.posts, negative.negative, negative.low, negative.high) == (120, 62, 0.43, 0.6)
    assert "39 posts a minute, usually 4" in volume.explanation.summary
    assert (volume.low, volume.high) == (None, None)
    assert "has fallen silent: 0 posts a minute, usually 4" in silence.explanation.summary
    assert (silence.posts, silence.share) == (0, None)


def test_each_call_makes_a_new_spike() -> None:
    later = NOW.replace(microsecond=123_457)
    assert sample_spikes("negative", "k9", NOW)[0].id != sample_spikes("negative", "k9", later)[0].id
