"""Renders every dashboard as the JSON that Grafana provisions."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.boards import live_mood, pipeline_health, replay_day

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"
_BOARDS = {
    "live-mood.json": live_mood.board,
    "pipeline-health.json": pipeline_health.board,
    "replay-day.json": replay_day.board,
}


def rendered() -> dict[str, str]:
    """Return the JSON of every dashboard by file name; the same code always gives the same bytes."""
    return {name: _render(board()) for name, board in _BOARDS.items()}


def _render(builder: Dashboard) -> str:
    model = builder.build()
    for number, panel in enumerate(model.panels or [], start=1):
        panel.id_val = number
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(model) + "\n"
