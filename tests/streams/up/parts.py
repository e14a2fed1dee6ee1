"""A part whose process is a few lines of Python, for tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from prometheus_client.samples import Sample

from streams.up.part import Part

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'x_total 7\\n# TYPE tagpulse_consumer_lag gauge\\ntagpulse_consumer_lag{partition="0"} 5\\n')
    def log_message(self, *_): pass
print("2026-11-24T23:06:55.837+00:00 serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
"""The code of a part that reports that it is ready and has handled 7 records."""


def part(tmp_path: Path, code: str, **values: Any) -> Part:
    made = Part("one", (), tmp_path / "one.log", **values)
    made.command = (sys.executable, "-c", code, str(made.port))
    return made


def looked(one: Part) -> Part:
    """Update the process and return it."""
    one.look()
    return one


def sample(posts: float, sentiment: str = "negative", hashtag: str = "poltwt") -> Sample:
    return Sample("tagpulse_posts_enriched_total", {"hashtag": hashtag, "sentiment": sentiment}, posts)
