from __future__ import annotations

import gzip
import os
import queue
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import assume, example, given
from hypothesis import strategies as st

from streams.errors import BadInput
from streams.sources.files.lines import STDIN, Line, blocks, check_readable

LIMIT = 1_000


def lines_of(path: Path, limit: int = LIMIT) -> list[Line]:
    return [line for block in blocks(str(path), limit, lambda _: None, 100) for line in block]


@example([b"\r\0"], 1)
@given(st.lists(st.binary(max_size=50).map(lambda value: value.replace(b"\n", b"")), min_size=1), st.integers(1, 60))
def test_lines_match_the_file_up_to_the_limit(values: list[bytes], limit: int) -> None:
    data = b"\n".join(values)
    assume(not data.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf")))
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        read_bytes: list[int] = []
        found = [line for block in blocks(file.name, limit, read_bytes.append, 3) for line in block]
    wanted = values if values[-1] else values[:-1]
    assert [line.number for line in found] == list(range(1, len(wanted) + 1))
    for line, value in zip(found, wanted, strict=True):
        if len(value) > limit:
            assert (line.value, line.cut) == (value[:limit], len(value) - limit)
        else:
            assert (line.value, line.cut) == (value.removesuffix(b"\r"), 0)
    assert sum(read_bytes) == len(data)


def test_blocks_have_at_most_the_given_number_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\nc\nd\ne")
    found = list(blocks(str(path), LIMIT, lambda _: None, 2))
    assert [[line.value for line in block] for block in found] == [[b"a", b"b"], [b"c", b"d"], [b"e"]]


def test_line_ends_and_a_byte_order_mark_are_not_part_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"\xef\xbb\xbfa\r\n\r\n\xef\xbb\xbfb\r\r\n")
    assert [line.value for line in lines_of(path)] == [b"a", b"", b"\xef\xbb\xbfb\r"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_progress_counts_the_bytes_of_the_compressed_file(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path, read = tmp_path / "lines", list[int]()
    path.write_bytes(compress(b"hello\n" * 10_000))
    found = [line for block in blocks(str(path), LIMIT, read.append, 100) for line in block]
    assert (len(found), {line.value for line in found}) == (10_000, {b"hello"})
    assert sum(read) == path.stat().st_size


DATA = b"".join(b"%d\n" % (number * 7919) for number in range(50_000))


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(DATA)[:-50_000], id="truncated gzip"),
        pytest.param(gzip.compress(DATA) + b"?" * 999, id="gzip with trailing bytes"),
        pytest.param(zstandard.compress(DATA)[:-1], id="truncated Zstandard"),
        pytest.param(zstandard.compress(DATA) + b"?" * 999, id="Zstandard with trailing bytes"),
    ],
)
def test_a_damaged_file_is_reported_after_its_readable_part(packed: bytes, tmp_path: Path) -> None:
    path, found = tmp_path / "lines", list[Line]()
    path.write_bytes(packed)

    def read() -> None:
        for block in blocks(str(path), LIMIT, lambda _: None, 100):
            found.extend(block)

    with pytest.raises(BadInput, match=f"^{path}: cannot be read: "):
        read()
    assert [line.value for line in found[:3]] == [b"0", b"7919", b"15838"]


def test_frames_in_a_row_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(zstandard.compress(DATA[:100_003]) + zstandard.compress(DATA[100_003:]))
    assert b"".join(line.value + b"\n" for line in lines_of(path)) == DATA


def test_lines_of_a_pipe_arrive_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        for line in (line for block in blocks(str(path), LIMIT, lambda _: None, 100) for line in block):
            found.put(line.value)

    reader = threading.Thread(target=read)
    reader.start()
    with path.open("wb", buffering=0) as pipe, zstandard.ZstdCompressor().stream_writer(pipe) as packed:
        for value in (b"first", b"second"):
            packed.write(value + b"\n")
            packed.flush(zstandard.FLUSH_BLOCK)
            assert found.get(timeout=30) == value
    reader.join()


def test_only_a_file_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_readable(str(tmp_path / "file"))
    check_readable(STDIN)
    with pytest.raises(BadInput, match="is a folder: name the files in it instead"):
        check_readable(str(tmp_path))
    with pytest.raises(BadInput, match="none: cannot be read: No such file or directory"):
        check_readable(str(tmp_path / "none"))
    with pytest.raises(BadInput, match="cannot be read"):
        lines_of(tmp_path / "none")
