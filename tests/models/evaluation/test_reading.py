from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import EvaluationDataError
from models.evaluation.reading import LabelledRow, by_language, files_of, read_lines, read_table, read_text

lines = st.lists(st.text(st.characters(exclude_characters="\n\r\ufeff", codec="utf-8")), max_size=6)


def test_a_byte_order_mark_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn\r\n")
    assert read_text(tmp_path / "marked.txt") == "grün\r\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=lines, end=st.sampled_from(["\n", "\r\n"]))
def test_lines_are_read_as_they_were_written(tmp_path: Path, lines: list[str], end: str) -> None:
    (tmp_path / "lines.txt").write_bytes("".join(line + end for line in lines).encode())
    assert read_lines(tmp_path / "lines.txt") == lines


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"one\n\ntwo", ["one", "", "two"]),
        (b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e\rf\n", ["a\x0bb\x0cc\x85d\u2028e\rf"]),
    ],
)
def test_lines_end_at_line_feeds_only(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    (tmp_path / "lines.txt").write_bytes(content)
    assert read_lines(tmp_path / "lines.txt") == expected


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"fine\nfine\ngr\xfcn\n")
    with pytest.raises(EvaluationDataError, match=r"latin\.txt:3: not UTF-8: invalid start byte"):
        read_lines(path)


@pytest.mark.parametrize(("name", "reason"), [("none.txt", "No such file or directory"), ("", "Is a directory")])
def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(EvaluationDataError, match=f"{name}: {reason}"):
        read_text(tmp_path / name)


def test_files_are_found_by_their_suffix_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).touch()
    (tmp_path / "folder.txt").mkdir()
    assert files_of(tmp_path, ".txt") == [tmp_path / "a.txt", tmp_path / "b.txt"]


def test_a_folder_without_such_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationDataError, match=r"none is not a folder"):
        files_of(tmp_path / "none", ".txt")
    with pytest.raises(EvaluationDataError, match=r"has no \*\.jsonl files"):
        files_of(tmp_path, ".jsonl")


def test_a_table_is_read_by_the_names_of_its_columns_and_nothing_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "posts.tsv"
    path.write_bytes('\ufeffid\ttext\tlabel\tlang\r\n1\t"Oh, no\u2028\tjoy, fear\ten\r\n\r\n2\t\t\tde\r\n'.encode())
    first, second = read_table(path)
    assert first == LabelledRow(f"{path}:2", "en", "joy, fear", '"Oh, no\u2028')
    assert second == LabelledRow(f"{path}:4", "de", "", "")
    assert by_language([first, second]) == {"de": [second], "en": [first]}
    assert list(by_language([first, second])) == ["de", "en"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"tsv is empty"),
        (b"\n\n", r"tsv is empty"),
        (b"lang\tlabel\ttext\n", "no rows below its header"),
        (b"lang\tlabels\ttext\nen\tjoy\tx\n", "tsv:1: no column 'label'; the columns are 'lang', 'labels', 'text'"),
        (b"lang,label,text\nen,joy,x\n", "tsv:1: no column 'lang' or 'label' or 'text'.* separated by tabs"),
        (b"lang\tlabel\ttext\nen\tjoy\tx\ty\n", "tsv:2: 4 cells, but the header has 3"),
        (b"lang\tlabel\ttext\nen\tjoy\n", "tsv:2: 2 cells, but the header has 3"),
        (b"lang\tlabel\ttext\nen\tjoy\tx\ry\n", "tsv:2: a carriage return inside a line"),
        (b"lang\tlabel\ttext\ren\tjoy\tx\r", "tsv:1: a carriage return inside a line"),
        (b"lang\tlabel\ttext\nen\tjoy\t\xff\n", "tsv:2: not UTF-8"),
        (b"lang\tlabel\ttext\n \tjoy\tx\n", "tsv:2: lang is empty"),
    ],
)
def test_a_faulty_table_is_named_with_its_fault(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "posts.tsv").write_bytes(content)
    with pytest.raises(EvaluationDataError, match=message):
        read_table(tmp_path / "posts.tsv")


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationDataError, match=r"none\.tsv: No such file"):
        read_table(tmp_path / "none.tsv")
