"""Compares the model's speed with the usual approach, PyTorch and the processor's limit: `python benchmarks/model.py [--json]`.

Every part runs in its own process, one after the other, on the same posts, including tokenising and without a cache. Compare
the ratios: they hold even when the machine's speed varies. Run it on an idle machine.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

import click
from rows import Row, show

from models.artefact import WEIGHTS

PARTS = Path(__file__).with_name("model_parts.py")
DATA = Path(__file__).parents[2] / "shared" / "data" / "umsab"
POSTS = 4_096
USUAL_POSTS = 60
TORCH_POSTS = 1_024
SEED = 0

MOST_BYTES = 400e6
MOST_SECONDS = 3.0

FLAGS = {"VNNI": ("avx512_vnni", "avx_vnni"), "bf16": ("avx512_bf16",), "AMX": ("amx_int8",), "AVX2": ("avx2",)}
PACKAGES = ("openvino", "torch", "transformers", "sentencepiece", "numpy")


class NotMeasured(Exception):
    """Raised when a part ended without a result."""


def real_posts(folder: Path, number: int) -> list[str]:
    """Return a sample of the distinct texts in the training parts of a UMSAB folder, the same on every machine."""
    texts = {line for path in folder.glob("*/train_text.txt") for line in path.read_text("utf-8").split("\n") if line}
    return random.Random(SEED).sample(sorted(texts), min(number, len(texts)))


def invented_posts(number: int) -> list[str]:
    """Return distinct texts from as many sample days as needed."""
    from streams.contracts import Post
    from streams.sample_day import sample_day

    texts: dict[str, None] = {}
    for seed in count(1):
        texts |= dict.fromkeys(message.text for message in sample_day(seed) if isinstance(message, Post))
        if len(texts) >= number:
            return random.Random(SEED).sample(sorted(texts), number)
    raise AssertionError


def measure(part: str, texts: Path, posts: int, weights: Path = WEIGHTS) -> dict[str, Any]:
    """Run a part on the first `posts` of the texts with the model in the folder `weights` and return its results.

    Raises:
        NotMeasured: the part failed.
    """
    command: list[str | Path] = [sys.executable, PARTS, part, texts, str(posts), repr(time.monotonic()), weights]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise NotMeasured(f"{part}: {(result.stderr.strip().splitlines() or [str(result.returncode)])[-1]}")
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def machine(posts: str) -> dict[str, Any]:
    """Return the properties of the machine that the figures depend on."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        cpuinfo = ""
    names = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    flags = set(cpuinfo.split())
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "instructions": [name for name, wanted in FLAGS.items() if flags & set(wanted)],
        "python": platform.python_version(),
        **{name: installed(name) for name in PACKAGES},
        "posts": posts,
    }


def installed(package: str) -> str | None:
    """Return the version of a package, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def compare(found: dict[str, dict[str, Any]]) -> list[Row]:
    """Return the rows for the parts that were measured."""
    ours = found["serve"]
    speed, name = ours["posts_per_second"], f"the bundled model, {ours['runtime']}"
    rows = []
    if usual := found.get("usual"):
        peers = usual["posts_per_second"]
        rows.append(Row(name, speed, "posts/s", "three XLM-R base, PyTorch, one post at a time", peers, speed / peers))
    if torch := found.get("torch"):
        peers = torch["posts_per_second"]
        rows.append(Row(name, speed, "posts/s", f"the same, {torch['runtime']}", peers, speed / peers))
    if limit := found.get("limit"):
        needed, peak = speed * limit["operations_per_post"] / 1e9, limit["peak_operations_per_second"] / 1e9
        bare = f"bare matrix product, {limit['peak_precision']}"
        rows.append(Row("its matrix products", needed, "G operations/s", bare, peak, needed / peak))
    for what, field in (("its peak memory", "peak_resident_bytes"), ("its memory at the end", "resident_bytes")):
        rows.append(Row(what, ours[field] / 1e6, "MB", "limit", MOST_BYTES / 1e6, ours[field] / MOST_BYTES))
    seconds = ours["seconds_to_first_answer"]
    rows.append(
        Row("start of the process to first answer", seconds, "s", "limit", MOST_SECONDS, seconds / MOST_SECONDS)
    )
    return rows


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row, after one about the machine.")
@click.option(
    "--posts", "number", default=POSTS, show_default=True, type=click.IntRange(min=1), help="Number of posts to enrich."
)
@click.option(
    "--data",
    default=DATA,
    type=click.Path(path_type=Path),
    help="Folder laid out like UMSAB; without one, invented posts are used.",
)
@click.option(
    "--weights",
    default=WEIGHTS,
    type=click.Path(path_type=Path),
    help="Folder of the model.  [default: the bundled one]",
)
def main(as_json: bool, number: int, data: Path, weights: Path) -> None:
    """Measure the model and its peers, and print the ratios."""
    texts = real_posts(data, number)
    origin = f"{len(texts):,} posts of {data.name}"
    if not texts:
        texts, origin = invented_posts(number), f"{number:,} invented posts"
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps(texts), "utf-8")
        for part, most in (("serve", number), ("torch", TORCH_POSTS), ("usual", USUAL_POSTS), ("limit", number)):
            try:
                found[part] = measure(part, path, min(most, len(texts)), weights)
            except NotMeasured as error:
                click.echo(f"Not measured: {error}", err=True)
    if "serve" not in found:
        sys.exit(1)
    about = machine(origin)
    if as_json:
        print(json.dumps({"machine": about, "measured": found}))
    title = ", ".join(f"{key} {value}" for key, value in about.items() if isinstance(value, str))
    has = " ".join(about["instructions"]) or "none of VNNI, bf16, AMX, AVX2"
    show(compare(found), f"{about['cores']} cores with {has}\n{title}", as_json=as_json)


if __name__ == "__main__":
    main()
