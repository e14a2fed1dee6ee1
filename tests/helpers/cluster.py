"""A cluster of three Apache Kafka nodes, each of which can be killed and restarted."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient

from streams.processes.broker import HOST, ApacheBroker, free_port, new_cluster_id
from streams.settings import Settings
from tests.helpers.processes import wait_until

NODES = 3
START_SECONDS = 180.0  # three at once on a machine with few cores
_OFFSETS = "__consumer_offsets"


class Cluster:
    """`with Cluster(folder, home) as cluster:`; every record has three replicas if its topic asks for them."""

    def __init__(self, folder: Path, home: Path) -> None:
        cluster_id = new_cluster_id()
        ports = [(free_port(), free_port()) for _ in range(NODES)]
        voters = ",".join(f"{number}@{HOST}:{controller}" for number, (_, controller) in enumerate(ports, 1))
        self.nodes = [
            ApacheBroker(
                folder / f"broker-{number}",
                port,
                home=home,
                cluster_id=cluster_id,
                config={
                    "node.id": str(number),
                    "controller.quorum.voters": voters,
                    "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
                    "offsets.topic.replication.factor": str(NODES),
                    "offsets.topic.min.isr": "2",
                    "min.insync.replicas": "2",
                },
            )
            for number, (port, controller) in enumerate(ports, 1)
        ]
        self._ended = threading.Event()
        self._ready: set[threading.Thread] = set()
        # a node answers only once there is a quorum, and it ends with the thread that started it
        self._starters = [threading.Thread(target=self._start, args=(node,), daemon=True) for node in self.nodes]

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(node.bootstrap_servers for node in self.nodes)

    def wait_until_in_sync(self, settings: Settings) -> None:
        """Wait until each node holds every record of the topics, so that a test may kill the next one."""
        names = [settings.topics.raw, settings.topics.enriched, settings.topics.dead, _OFFSETS]

        def in_sync() -> bool:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
            try:
                found = admin.describe_topics(names)
            finally:
                admin.close()
            partitions = [partition for topic in found for partition in topic["partitions"]]
            return all(len(partition["isr_nodes"]) == NODES for partition in partitions)

        wait_until(in_sync, 90, "every replica is in sync")

    def _start(self, node: ApacheBroker) -> None:
        node.start(START_SECONDS)
        self._ready.add(threading.current_thread())
        self._ended.wait()

    def __enter__(self) -> Self:
        for starter in self._starters:
            starter.start()
        wait_until(
            lambda: all(starter in self._ready for starter in self._starters), START_SECONDS, "three brokers answer"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.stop()
        self._ended.set()
