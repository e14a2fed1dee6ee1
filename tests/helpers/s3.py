"""A local S3 server."""

from __future__ import annotations

import contextlib
import os
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


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of a server on this machine."""

    port: int
    name: str = "lake"

    def address(self, port: int | None = None) -> str:
        """Return the value for `TAGPULSE_LAKE__PATH`; `port` can be that of a line to the server."""
        at = f"endpoint_override=127.0.0.1:{port or self.port}&scheme=http&region=us-east-1"
        return f"s3://{self.name}/tests?{at}"

    def objects(self) -> list[str]:
        """Return the names of the objects, without those that end with a slash."""
        listing = self._client().list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in listing.get("Contents", []) if not entry["Key"].endswith("/")]

    def make(self) -> None:
        self._client().create_bucket(Bucket=self.name)

    def _client(self) -> boto3.client:
        return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1")


@contextlib.contextmanager
def local_bucket() -> Iterator[Bucket]:
    """Run a server with a bucket; the environment contains its credentials while it runs."""
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
