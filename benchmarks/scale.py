"""Measures the gain from more processes and the cost of losing one: `python benchmarks/scale.py [--json]`.

It compares two workers with one thread each with one worker, and measures the time from a post's collection until a reader has
its result at half load, and how long partitions pause when a worker is killed or started. Run it on an idle machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path

import click
import msgspec
from pipeline import Bench, background, peers_at_once, run, write_posts
from rows import Row, show

from streams.contracts import EnrichedPost, decode_enriched, decode_raw, encode, utc_now
from streams.kafka.reader import connect, end_offsets, partitions_of
from streams.processes.broker import Kind, build_broker, free_port
from streams.settings import PREFIX, KafkaSettings

POSTS = 6_000
LAST_SHARE = 0.9  # until then, no worker has reached the end of its partitions
LATENCY_SECONDS, PLAY_SECONDS = 40, 300
PLAYED_RATE = 200.0
READY_SECONDS = 120.0
LATENCY_MARK, PAUSE_MARK, START_MARK = 1.0, 15.0, 10.0


class Worker:
    """A running `tagpulse worker enrich` with one or more processes."""

    def __init__(self, stack: ExitStack, env: dict[str, str], processes: int = 1, **values: str) -> None:
        port = free_port()
        own = env | {f"{PREFIX}METRICS__PORT": str(port)} | {PREFIX + key: value for key, value in values.items()}
        several = ["--concurrency", str(processes)] if processes > 1 else []
        self.port = port
        self._ports = range(port, port + processes)
        self.process = stack.enter_context(background("worker", "enrich", *several, env=own))

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        for port in self._ports:
            while not _is_ready(port):
                if time.monotonic() > deadline:
                    raise SystemExit(f"a worker was not ready within {READY_SECONDS:g} s")
                time.sleep(0.05)

    def kill(self) -> None:
        """Send SIGKILL to the worker, or to its last child process if it has several."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(children[-1]) if len(self._ports) > 1 else self.process.pid, signal.SIGKILL)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def played(
    bench: Bench, env: dict[str, str], posts: Path, rate: float, seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Send the posts of a file repeatedly in the background, `rate` posts a second for `seconds`."""
    paced = bench.folder / f"{env[f'{PREFIX}KAFKA__GROUP_PREFIX']}.jsonl"
    texts, began = [decode_raw(line) for line in posts.read_bytes().splitlines()], utc_now()
    with paced.open("wb") as lines:
        for index, post in enumerate(islice(cycle(texts), int(rate * seconds))):
            at = began + timedelta(seconds=index / rate)
            lines.write(encode(msgspec.structs.replace(post, id=f"p{index}", created_at=at)) + b"\n")
    with background("produce", "file", str(paced), "--speed", "1", env=env) as process:
        yield process


def measure_two(bench: Bench, posts: Path) -> list[Row]:
    """Measure one worker, then two; the posts are sent when the workers are ready."""
    rates = []
    for number in (1, 2):
        env = bench.environment(MODEL__THREADS="1")
        with ExitStack() as stack:
            workers = [Worker(stack, env) for _ in range(number)]
            for worker in workers:
                worker.wait_until_ready()
            stack.enter_context(background("produce", "file", str(posts), env=env))
            rates.append(bench.rate(workers[0].process, env[f"{PREFIX}TOPICS__ENRICHED"], POSTS, last=LAST_SHARE))
    one, two = rates
    alone, pair = (sum(peers_at_once(number, "enrich", str(posts), "1")) for number in (1, 2))
    return [
        Row("two workers with a thread each", two, "posts/s", "one of them", one, two / one),
        Row("two Enrichers with a thread each, without Kafka", pair, "posts/s", "one of them", alone, pair / alone),
    ]


def measure_latency(bench: Bench, posts: Path) -> list[Row]:
    """Measure the time until a reader has the enriched posts, at half the rate of one worker on all cores."""
    env = bench.environment()
    with ExitStack() as stack:
        worker = Worker(stack, env)
        worker.wait_until_ready()
        run("produce", "file", str(posts), env=env)
        full = bench.rate(worker.process, env[f"{PREFIX}TOPICS__ENRICHED"], POSTS)
    env = bench.environment(MODEL__CACHE_SIZE="0")
    with ExitStack() as stack:
        Worker(stack, env).wait_until_ready()
        consumer = connect(KafkaSettings(bootstrap_servers=bench.bootstrap))
        consumer.assign(partitions_of(consumer, env[f"{PREFIX}TOPICS__ENRICHED"]))
        consumer.seek_to_beginning()
        producing = stack.enter_context(played(bench, env, posts, full / 2, LATENCY_SECONDS))
        seconds: list[float] = []
        while producing.poll() is None:
            for records in consumer.poll(timeout_ms=100).values():
                now = utc_now()
                for record in records:
                    answer = decode_enriched(record.value, record.headers)
                    assert isinstance(answer, EnrichedPost)
                    assert answer.post.collected_at is not None
                    seconds.append((now - answer.post.collected_at).total_seconds())
        consumer.close()
    steady = sorted(seconds[len(seconds) // 4 :])
    return [_against("collected to enriched, p95 at half load", steady[int(len(steady) * 0.95)], LATENCY_MARK)]


def measure_pauses(bench: Bench, posts: Path) -> list[Row]:
    """Measure the longest pause of a partition when one of two workers is killed, and when another one is started."""
    env = bench.environment(MODEL__BACKEND="constant")
    topic = env[f"{PREFIX}TOPICS__ENRICHED"]
    with ExitStack() as stack:
        workers = [Worker(stack, env) for _ in range(2)]
        for worker in workers:
            worker.wait_until_ready()
        stack.enter_context(played(bench, env, posts, PLAYED_RATE, PLAY_SECONDS))
        longest_pause(bench, topic)
        workers[1].kill()
        killed = longest_pause(bench, topic)
        began = time.perf_counter()
        third = Worker(stack, env)
        started: list[float] = []

        def is_started() -> bool:
            if not started and _is_ready(third.port):
                started.append(time.perf_counter() - began)
            return bool(started)

        joined = longest_pause(bench, topic, is_started)
    return [
        _against("kill -9 of one of two workers: all partitions move again", killed, PAUSE_MARK),
        _against("start of a worker beside another", started[0], START_MARK),
        _against("longest pause of a partition meanwhile", joined, PAUSE_MARK),
    ]


def measure_static(bench: Bench, posts: Path) -> list[Row]:
    """Measure the same kill under a supervisor with static membership: the partitions wait for the restarted process."""
    env = bench.environment(MODEL__BACKEND="constant", KAFKA__INSTANCE_ID="bench")
    topic = env[f"{PREFIX}TOPICS__ENRICHED"]
    with ExitStack() as stack:
        workers = Worker(stack, env, processes=2)
        workers.wait_until_ready()
        stack.enter_context(played(bench, env, posts, PLAYED_RATE, PLAY_SECONDS))
        longest_pause(bench, topic)
        workers.kill()
        killed = longest_pause(bench, topic)
    return [_against("the same with --concurrency 2 and static membership", killed, PAUSE_MARK)]


def longest_pause(bench: Bench, topic: str, is_over: Callable[[], bool] = lambda: True) -> float:
    """Return the longest time in which a partition got no record.

    It is measured from now until `is_over` returns true and all partitions have got records.

    Raises:
        SystemExit: a partition got no record for too long.
    """
    consumer = connect(KafkaSettings(bootstrap_servers=bench.bootstrap))
    partitions = partitions_of(consumer, topic)
    ends = end_offsets(consumer, partitions)
    moved_at = dict.fromkeys(partitions, time.perf_counter())
    moved, longest, over = set[object](), 0.0, False
    while not (over and len(moved) == len(partitions)):
        over = over or is_over()
        newest, now = end_offsets(consumer, partitions), time.perf_counter()
        for at in partitions:
            longest = max(longest, now - moved_at[at])
            if newest[at] > ends[at]:
                moved_at[at] = now
                moved.add(at)
        ends = newest
        if now - min(moved_at.values()) > READY_SECONDS:
            raise SystemExit(f"a partition of {topic} made no progress for {READY_SECONDS:g} s")
    consumer.close()
    return longest


def _against(what: str, seconds: float, mark: float) -> Row:
    return Row(what, seconds, "s", "limit", mark, seconds / mark)


PARTS = {"two": measure_two, "latency": measure_latency, "pauses": measure_pauses, "static": measure_static}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
@click.option(
    "--kind",
    type=click.Choice(["embedded", "apache"]),
    default=None,
    help="Broker.  [default: apache if KAFKA_HOME is set, else embedded]",
)
@click.option("--only", multiple=True, type=click.Choice(list(PARTS)))
def main(as_json: bool, kind: Kind | None, only: tuple[str, ...]) -> None:
    """Measure the gain and the cost of processes; the ratio of a time is relative to its limit."""
    chosen: Kind = kind or ("apache" if os.environ.get("KAFKA_HOME") else "embedded")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, build_broker(chosen, Path(name) / "broker") as broker:
        bench = Bench(broker, Path(name))
        posts = write_posts(bench.folder / "distinct.jsonl", POSTS)
        for part in only or PARTS:
            rows += PARTS[part](bench, posts)
    show(rows, f"{chosen} broker, {os.cpu_count()} cores", as_json=as_json)


if __name__ == "__main__":
    main()
