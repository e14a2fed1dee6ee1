from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from streams.sample_day.script import END, SPIKE, START, load_script, minute_weights, on_the_day


def test_the_rhythm_is_interpolated_linearly() -> None:
    for scene in load_script().scene:
        weights = minute_weights(scene.rhythm)
        assert len(weights) == 720
        assert sum(weights) > 0
        assert min(weights) >= 0
        assert max(weights) <= max(weight for _, weight in scene.rhythm)


def test_a_rhythm_by_hand() -> None:
    weights = minute_weights(((time(8, 10), 0.0), (time(8, 20), 10.0), (time(8, 30), 10.0)))
    assert weights[:10] == [0] * 10, "nothing before the first point"
    assert weights[10:20] == pytest.approx([0.5 + minute for minute in range(10)]), "in the middle of each minute"
    assert weights[20:30] == pytest.approx([10] * 10)
    assert weights[30:] == [0] * 690, "nothing after the last point"


def test_times_are_on_the_day() -> None:
    assert on_the_day(time(15, 40, 30)) == datetime(2026, 6, 20, 15, 40, 30, tzinfo=UTC)
    assert START < SPIKE[0] < SPIKE[1] < END


def test_what_the_script_refers_to_exists() -> None:
    script = load_script()
    scenes = {scene.name for scene in script.scene} | {moment.scene for moment in script.moment}
    assert {scene.replies_to for scene in script.scene if scene.replies_to} <= scenes
    assert all(START <= on_the_day(moment.at) < END for moment in script.moment)
    for scene in script.scene:
        points = [at for at, _ in scene.rhythm]
        assert points == sorted(set(points))
        assert all(
            0 <= share <= 1 for share in (scene.emoji_share, scene.tail_share, scene.media_share, scene.answered)
        )
