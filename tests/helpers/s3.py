"""A local S3 server, and a line to it that can be cut."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest
from moto.server import ThreadedMotoServer

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_CHUNK = 65_536


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of a server on this machine."""

    port: int
    name: str = "lake"

    def address(self, port: int | None = None) -> str:
        """For `TAGPULSE_LAKE__PATH`; `port` of a line to the server."""
        at = f"endpoint_override=127.0.0.1:{port or self.port}&scheme=http&region=us-east-1"
        return f"s3://{self.name}/tests?{at}"

    def objects(self) -> list[str]:
        """The objects that anybody can see."""
        listing = self._client().list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in listing.get("Contents", []) if not entry["Key"].endswith("/")]

    def make(self) -> None:
        self._client().create_bucket(Bucket=self.name)

    def _client(self) -> boto3.client:
        return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1")


@contextlib.contextmanager
def local_bucket() -> Iterator[Bucket]:
    """A server with a bucket; the credentials stand in the environment as long as it runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        try:
            bucket = Bucket(server.get_host_and_port()[1])
            bucket.make()
            yield bucket
        finally:
            server.stop()


class Line:
    """A TCP line to a port of this machine, which is cut after so many bytes to the server, and can be mended."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._left: int | None = None
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, sent: int | None) -> None:
        """From now on `sent` more bytes pass, then every connection ends at once; None: all pass."""
        self._left = sent

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
            with contextlib.suppress(OSError):
                while data := client.recv(_CHUNK):
                    if self._left is not None:
                        data, self._left = data[: self._left], max(0, self._left - len(data))
                    server.sendall(data)
                    if self._left == 0:
                        self.cuts += 1
                        break
            for end in (server, client):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
