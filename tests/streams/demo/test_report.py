"""The progress lines and the final report of the demo."""

from __future__ import annotations

import io
import json

from rich.console import Console

from streams.demo.report import report
from streams.demo.summary import DaySummary, Shared
from streams.sample_day import START
from streams.up.mood import SentimentTally
from tests.streams.demo.day import HOSTILE


def test_the_report_is_safe_and_says_when_something_is_missing() -> None:
    summary = DaySummary(
        produced=10,
        enriched=8,
        deletions=0,
        dead=1,
        dead_by_reason={"malformed": 1},
        missing=1,
        duplicates=0,
        posts=8,
        stored=8,
        seconds=60.0,
        seconds_to_first_enriched=5.0,
        speed=720.0,
        model="test 1",
        hashtags={},
        languages={},
        topics={},
        campaign_topics={},
        hours={START: SentimentTally(1, 2, 3)},
        turn=None,
        most_shared=(Shared(text=HOSTILE, author="a", language="en", sentiment="negative", reposts=3),),
    )
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(report(summary, None))
    text = console.export_text()
    assert "INCOMPLETE" in text
    assert "1 records are neither" in text
    assert not any(character in text for character in "\x1b\x07\x9b\u202e\u2066\r")
    json.dumps(summary.to_json())
