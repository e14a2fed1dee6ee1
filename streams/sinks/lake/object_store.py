"""A lake in an object store that pyarrow supports: S3 and compatible stores, Google Cloud Storage, Azure, HDFS.

A file is built in memory and uploaded as one object, which becomes visible only when it is complete. Credentials come
from the environment variables and files that the store's own tools use (`AWS_ACCESS_KEY_ID`, …), never from the
setting.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from streams.errors import Refused, SettingsError, Unavailable
from streams.sinks.lake.storage import VARIABLE, Storage, no_lake

_CONNECT_SECONDS = 5.0
_REQUEST_SECONDS = 30.0
_ATTEMPTS = 2  # the worker retries by itself, and logs it
_S3_OPTIONS = {"region", "scheme", "endpoint_override", "force_virtual_addressing"}
_GONE = re.compile(r"NO_SUCH_KEY|HTTP status 404|does not exist", re.IGNORECASE)
_REFUSED = re.compile(
    r"NO_SUCH_BUCKET|ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|INVALID_SIGNATURE"
    r"|MISSING_AUTHENTICATION|UNRECOGNIZED_CLIENT|HTTP status 40[13]|bucket .* does not exist|No credentials",
    re.IGNORECASE,
)


class ObjectStorage(Storage):
    """Objects below a bucket and a prefix."""

    def __init__(self, uri: str) -> None:
        filesystem, root = _connect(uri)
        super().__init__(uri.partition("?")[0], filesystem, root.rstrip("/"))

    @contextlib.contextmanager
    def faults(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            text = str(error)
            if _REFUSED.search(text):
                raise Refused(
                    f"the lake {self.place} ({VARIABLE}) cannot be {doing}: {text}: fix the address or the credentials"
                ) from error
            if isinstance(error, FileNotFoundError) or _GONE.search(text):
                raise FileNotFoundError(text) from error
            raise Unavailable(f"the lake {self.place} ({VARIABLE}) cannot be {doing}: {text}") from error

    def prepare(self) -> None:
        bucket = self._root.partition("/")[0]
        with self.faults("used"):
            found = self.filesystem.get_file_info(bucket).type
            # a wrong name must not create an empty lake
            if found == pafs.FileType.NotFound:
                raise Refused(
                    f"the lake {self.place} ({VARIABLE}): there is no bucket {bucket}: create it or fix the address"
                )
            # a marker object, so that a lake without posts is recognised as a lake
            if self._root != bucket:
                self.filesystem.create_dir(self._root)

    def require(self) -> None:
        with self.faults("read"):
            found = self.filesystem.get_file_info(self._root).type
        if found != pafs.FileType.Directory:
            raise no_lake(self.place)

    def files(self, folder: str) -> list[str]:
        selector = pafs.FileSelector(self.full(folder), recursive=True, allow_not_found=True)
        with self.faults("read"):
            found = self.filesystem.get_file_info(selector)
        start = len(self._root) + 1
        return sorted(info.path[start:] for info in found if info.type == pafs.FileType.File)

    def write(self, name: str, content: Any) -> None:
        path = self.full(name)
        try:
            with self.faults("written"):
                with self.filesystem.open_output_stream(path) as stream:
                    stream.write(content)
                size = self.filesystem.get_file_info(path).size
        except FileNotFoundError as error:
            raise Unavailable(f"the lake {self.place} ({VARIABLE}) cannot be written: {error}") from error
        if size != content.size:
            # closing a stream after a failed write can still publish the part that was uploaded
            self.delete(name)
            raise Unavailable(
                f"the lake {self.place}: only {size} of {content.size} bytes of {name} arrived, so it was removed"
            )

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError), self.faults("written"):
            self.filesystem.delete_file(self.full(name))

    def delete_folder(self, folder: str) -> None:
        with contextlib.suppress(FileNotFoundError), self.faults("written"):
            self.filesystem.delete_dir(self.full(folder))


def _connect(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system and the path in it, without making any request. Raises SettingsError."""
    parts = urlsplit(uri)
    if "@" in parts.netloc:
        raise SettingsError(f"{VARIABLE}: the address must not contain credentials: use AWS_ACCESS_KEY_ID and the like")
    if parts.scheme != "s3":
        try:
            filesystem, root = pafs.FileSystem.from_uri(uri)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise SettingsError(f"{VARIABLE}: {uri}: {error}") from None
        return filesystem, root
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    unknown = options.keys() - _S3_OPTIONS
    if unknown or not parts.netloc:
        wrong = f"unknown option {', '.join(sorted(unknown))}" if unknown else "the bucket is missing"
        raise SettingsError(f"{VARIABLE}: {wrong}: use the form s3://BUCKET/FOLDER?{'&'.join(sorted(_S3_OPTIONS))}")
    if "force_virtual_addressing" in options:
        options["force_virtual_addressing"] = options["force_virtual_addressing"] == "true"
    filesystem = pafs.S3FileSystem(
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        **options,
    )
    return filesystem, f"{parts.netloc}{parts.path}"
