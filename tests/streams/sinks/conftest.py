"""The sinks of tagpulse, for tests that all of them must pass."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.s3 import Bucket, local_bucket
from tests.helpers.stores import Store


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    """Run an S3 server with a bucket named `lake`."""
    with local_bucket() as bucket:
        yield bucket


@pytest.fixture
def bucket(server: Bucket) -> Bucket:
    """Return a separate bucket for each test."""
    own = Bucket(server.port, f"test-{uuid.uuid4().hex}")
    own.make()
    return own


@pytest.fixture(params=["folder", "S3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "folder":
        return tmp_path
    own: Bucket = request.getfixturevalue("bucket")
    return own.address()


@pytest.fixture(params=["lake", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path if request.param == "lake" else request.getfixturevalue("dsn"))


@pytest.fixture(params=["lake", "object store", "postgres"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "object store":
        return Store(request.getfixturevalue("bucket").address())
    return Store(tmp_path if request.param == "lake" else request.getfixturevalue("dsn"))
