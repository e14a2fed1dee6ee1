"""Measures how fast the frames of a network are parsed, compared with `json.loads`: `python benchmarks/sources.py [--json]`.

The frames look like those that Bluesky's Jetstream sends for posts and reposts; few of them contain the hashtag.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click
from rows import Row, show

from streams.contracts import Post, find_hashtags
from streams.sample_day import sample_day
from streams.sources.bluesky.posts import JetstreamParser
from streams.sources.tags import Tags

FRAMES = 60_000
TURNS = 3
WANTED = "poltwt"
SHARES = {"post": 0.64, "repost": 0.23, "delete": 0.12, "update": 0.01}
WITH_OUR_TAG, WITH_ANOTHER, ANSWERS, LINKS = 0.01, 0.12, 0.4, 0.15
BEGIN_US = 1_785_585_600_000_000
NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def compose(number: int, seed: int = 1) -> list[bytes]:
    """Return frames with the shares of kinds that the network has."""
    dice = random.Random(seed)
    texts = [message.text for message in sample_day(seed) if isinstance(message, Post)]
    kinds = dice.choices(list(SHARES), list(SHARES.values()), k=number)
    return [_frame(dice, kind, dice.choice(texts), index) for index, kind in enumerate(kinds)]


def _frame(dice: random.Random, kind: str, text: str, index: int) -> bytes:
    collection = "app.bsky.feed.repost" if kind == "repost" else "app.bsky.feed.post"
    commit: dict[str, Any] = {
        "rev": _name(dice, 13),
        "operation": "create" if kind in ("post", "repost") else kind,
        "collection": collection,
        "rkey": _name(dice, 13),
    }
    if kind == "repost":
        commit["record"] = {"$type": collection, "createdAt": "2026-08-01T12:00:00.123Z", "subject": _reference(dice)}
    elif kind != "delete":
        commit["record"] = _post(dice, text)
    if kind != "delete":
        commit["cid"] = "bafyrei" + _name(dice, 52)
    at = BEGIN_US + index * 1_500
    frame = {"did": "did:plc:" + _name(dice, 24), "time_us": at, "kind": "commit", "commit": commit}
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()


def _post(dice: random.Random, text: str) -> dict[str, Any]:
    draw = dice.random()
    words = " ".join(word for word in text.split() if not word.startswith(("#", "＃")))
    if draw < WITH_OUR_TAG:
        words += f" #{WANTED}"
    elif draw < WITH_OUR_TAG + WITH_ANOTHER:
        words += " #caturday #art"
    record: dict[str, Any] = {
        "$type": "app.bsky.feed.post",
        "createdAt": "2026-08-01T12:00:00.123Z",
        "langs": ["en"],
        "text": words,
    }
    features = [{"$type": "app.bsky.richtext.facet#tag", "tag": tag} for tag in find_hashtags(words)]
    if dice.random() < LINKS:
        features.append({"$type": "app.bsky.richtext.facet#link", "uri": f"https://example.org/{_name(dice, 30)}"})
    if features:
        place = {"byteStart": 0, "byteEnd": 9}
        record["facets"] = [{"features": [feature], "index": place} for feature in features]
    if dice.random() < ANSWERS:
        record["reply"] = {"parent": _reference(dice), "root": _reference(dice)}
    return record


def _reference(dice: random.Random) -> dict[str, str]:
    uri = f"at://did:plc:{_name(dice, 24)}/app.bsky.feed.post/{_name(dice, 13)}"
    return {"cid": "bafyrei" + _name(dice, 52), "uri": uri}


def _name(dice: random.Random, length: int) -> str:
    return "".join(dice.choices("abcdefghijklmnopqrstuvwxyz234567", k=length))


def measure(frames: Sequence[bytes], tags: Sequence[str]) -> Row:
    """Measure both several times in alternation, so that both see the same machine, and compare the best rounds."""

    def ours() -> None:
        parser = JetstreamParser(Tags(tags))
        for frame in frames:
            parser.read(frame, "jetstream", NOW)

    def peer() -> None:
        for frame in frames:
            json.loads(frame)

    seconds = [(_timed(ours), _timed(peer)) for _ in range(TURNS)]
    rates = [len(frames) / min(turns) for turns in zip(*seconds, strict=True)]
    what = f"Jetstream, posts with #{tags[0]}" if tags else "Jetstream, every post with a hashtag"
    return Row(what, rates[0], "frames/s", "bare json.loads", rates[1], rates[0] / rates[1])


def _timed(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
def main(as_json: bool) -> None:
    """Measure the parser and filter for Bluesky's frames."""
    frames = compose(FRAMES)
    hashtag = [WANTED]
    size = sum(map(len, islice(frames, 1_000))) // 1_000
    show([measure(frames, hashtag), measure(frames, [])], f"{FRAMES:,} frames of {size} bytes", as_json=as_json)


if __name__ == "__main__":
    main()
