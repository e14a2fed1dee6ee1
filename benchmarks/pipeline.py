"""Measures the speed of the pipeline, each part against a bare peer in the same run: `python benchmarks/pipeline.py [--json]`.

Compare the ratios: they hold even when the machine's speed varies. Run it on an idle machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import click
import msgspec
from rows import Row, show

from streams.contracts import Post, encode
from streams.kafka.reader import connect, end_offsets, partitions_of
from streams.processes.broker import Broker, Kind, build_broker
from streams.sample_day import sample_day
from streams.settings import PREFIX, KafkaSettings

PEERS = Path(__file__).with_name("peers.py")
PLUMBING_POSTS = 200_000
MODEL_POSTS = 30_000
FIRST_SHARE, LAST_SHARE = 0.1, 0.98


class Bench:
    """A broker and a folder, with separate topics for every measurement."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self._broker = broker
        self.folder = folder
        self._numbers = count()

    def environment(self, **values: str) -> dict[str, str]:
        """Create the topics of a measurement and return its settings as environment variables.

        Args:
            values: Further settings, by variable without the prefix.
        """
        name = f"b{next(self._numbers)}"
        own = {
            "KAFKA__BOOTSTRAP_SERVERS": self._broker.bootstrap_servers,
            "KAFKA__GROUP_PREFIX": name,
            "TOPICS__RAW": f"{name}.raw",
            "TOPICS__ENRICHED": f"{name}.enriched",
            "TOPICS__DEAD": f"{name}.dead",
            "METRICS__PORT": "0",
            "LAKE__PATH": str(self.folder / name),
            "LOG__LEVEL": "WARNING",
        } | values
        chosen = {PREFIX + key: value for key, value in own.items()}
        run("topics", "create", env=chosen)
        return chosen

    @property
    def bootstrap(self) -> str:
        return self._broker.bootstrap_servers

    def rate(
        self,
        process: subprocess.Popen[bytes],
        topic: str,
        total: int,
        at: Callable[[float], None] = lambda _: None,
        last: float = LAST_SHARE,
    ) -> float:
        """Return the records a second that `process` sends to a topic.

        The rate is measured between a tenth of `total` and the share `last` of it.

        Args:
            at: Called with the share of `total` that is done, repeatedly.

        Raises:
            SystemExit: `process` ended before that.
        """
        consumer = connect(KafkaSettings(bootstrap_servers=self.bootstrap))
        partitions = partitions_of(consumer, topic)
        marks: list[tuple[float, int]] = []
        while not marks or marks[-1][1] < total * last:
            if process.poll() is not None:
                raise SystemExit(f"the worker exited with {process.returncode} during the measurement")
            done = sum(end_offsets(consumer, partitions).values())
            at(done / total)
            if done >= total * FIRST_SHARE:
                marks.append((time.perf_counter(), done))
            time.sleep(0.5)
        consumer.close()
        (start, first), (end, done) = marks[0], marks[-1]
        return (done - first) / (end - start)


def main_environment(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | values


def run(*arguments: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "streams", *arguments]
    return subprocess.run(command, env=main_environment(env), check=True, capture_output=True, text=True).stdout


def peers_at_once(number: int, *arguments: str) -> list[float]:
    """Run a peer in several processes at once and return the rate of each."""
    command: list[str | Path] = [sys.executable, PEERS, *arguments]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    return [float(process.communicate()[0]) for process in processes]


def peer(*arguments: str) -> float:
    return peers_at_once(1, *arguments)[0]


@contextmanager
def background(*arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "streams", *arguments], env=main_environment(env))
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def write_posts(path: Path, number: int) -> Path:
    """Write a file of posts with distinct texts from as many sample days as needed, with ascending ids."""
    written: set[str] = set()
    with path.open("wb") as lines:
        for seed in count(1):
            for message in sample_day(seed):
                if isinstance(message, Post) and message.text not in written and len(written) < number:
                    lines.write(encode(msgspec.structs.replace(message, id=str(len(written)))) + b"\n")
                    written.add(message.text)
            if len(written) == number:
                return path
    raise AssertionError


def repeat_posts(source: Path, path: Path, number: int) -> Path:
    """Write a file that repeats the posts of another file, with ascending ids."""
    lines = source.read_bytes().splitlines()
    heads = [line.partition(b'"id":"') for line in lines]
    with path.open("wb") as out:
        for index in range(number):
            head, key, tail = heads[index % len(heads)]
            out.write(head + key + b"n%d-" % index + tail + b"\n")
    return path


def measure_produce(bench: Bench, posts: Path) -> Row:
    env = bench.environment()
    summary = json.loads(run("produce", "file", str(posts), "--json", env=env))
    ours = summary["sent"] / summary["seconds"]
    peers = peer("produce", bench.bootstrap, bench.environment()[f"{PREFIX}TOPICS__RAW"], str(posts))
    return Row("produce from a file", ours, "posts/s", "bare kafka-python", peers, ours / peers)


def measure_worker(bench: Bench, posts: Path) -> list[Row]:
    env = bench.environment(MODEL__BACKEND="constant")
    run("produce", "file", str(posts), env=env)
    memory: dict[float, int] = {}
    with background("worker", "enrich", env=env) as worker:

        def note(share: float) -> None:
            for mark in (0.5, LAST_SHARE):
                if share >= mark and mark not in memory:
                    memory[mark] = resident_bytes(worker.pid)

        ours = bench.rate(worker, env[f"{PREFIX}TOPICS__ENRICHED"], PLUMBING_POSTS, note)
    target = bench.environment()[f"{PREFIX}TOPICS__ENRICHED"]
    peers = peer("copy", bench.bootstrap, env[f"{PREFIX}TOPICS__RAW"], target, str(PLUMBING_POSTS))
    half, full = memory[0.5] / 2**20, memory[LAST_SHARE] / 2**20
    return [
        Row("worker, constant model", ours, "posts/s", "bare aiokafka copy", peers, ours / peers),
        Row(
            f"memory of that worker after {PLUMBING_POSTS:,} posts",
            full,
            "MiB",
            "after half of them",
            half,
            full / half,
        ),
    ]


def measure_pipeline(bench: Bench, posts: Path) -> Row:
    env = bench.environment()
    with background("worker", "enrich", env=env) as worker, background("worker", "store", "--sink", "parquet", env=env):
        run("produce", "file", str(posts), env=env)
        ours = bench.rate(worker, env[f"{PREFIX}TOPICS__ENRICHED"], MODEL_POSTS)
    peers = peer("enrich", str(posts), str(os.cpu_count()))
    return Row("whole pipeline", ours, "posts/s", "Enricher alone", peers, ours / peers)


def measure_demo() -> Row:
    summary = json.loads(run("demo", "--speed", "max", "--json", env={}))
    seconds = summary["seconds_to_first_enriched"]
    return Row("demo: start to first enriched post", seconds, "s", "limit", 15.0, seconds / 15.0)


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
@click.option(
    "--kind",
    type=click.Choice(["embedded", "apache"]),
    default=None,
    help="Broker.  [default: apache if KAFKA_HOME is set, else embedded]",
)
@click.option("--only", multiple=True, type=click.Choice(["produce", "worker", "pipeline", "demo"]))
def main(as_json: bool, kind: Kind | None, only: tuple[str, ...]) -> None:
    """Measure every part against its peer and print the ratios."""
    chosen: Kind = kind or ("apache" if os.environ.get("KAFKA_HOME") else "embedded")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, build_broker(chosen, Path(name) / "broker") as broker:
        folder = Path(name)
        bench = Bench(broker, folder)
        distinct = write_posts(folder / "distinct.jsonl", MODEL_POSTS)
        many = repeat_posts(distinct, folder / "many.jsonl", PLUMBING_POSTS)
        parts: dict[str, Callable[[], list[Row]]] = {
            "produce": lambda: [measure_produce(bench, many)],
            "worker": lambda: measure_worker(bench, many),
            "pipeline": lambda: [measure_pipeline(bench, distinct)],
            "demo": lambda: [measure_demo()],
        }
        for part in only or parts:
            rows += parts[part]()
    show(rows, f"{chosen} broker, {os.cpu_count()} cores", as_json=as_json)


if __name__ == "__main__":
    main()
