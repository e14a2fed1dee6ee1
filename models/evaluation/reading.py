"""Reads labelled files; errors name the file and line."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from models.errors import EvaluationDataError

_COLUMNS = ("lang", "label", "text")


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises:
        EvaluationDataError: If the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EvaluationDataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise EvaluationDataError(f"{path}:{line}: not UTF-8: {error.reason}") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file, split only at line feeds.

    Posts contain other characters that Python's `splitlines` treats as line ends.

    Raises:
        EvaluationDataError: If the file cannot be read, or is not UTF-8.
    """
    text = read_text(path)
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def files_of(folder: Path, suffix: str) -> list[Path]:
    """Return the files in a folder whose names end in `suffix`, sorted by name.

    Raises:
        EvaluationDataError: If the folder does not exist, or has no such file.
    """
    if not folder.is_dir():
        raise EvaluationDataError(f"{folder} is not a folder")
    if not (found := sorted(path for path in folder.glob(f"*{suffix}") if path.is_file())):
        raise EvaluationDataError(f"{folder} has no *{suffix} files")
    return found


class LabelledRow(NamedTuple):
    """A row of a table of labelled posts, and its file and line."""

    location: str
    language: str
    label: str
    text: str


def read_table(path: Path) -> list[LabelledRow]:
    """Read the columns `lang`, `label` and `text` of a tab-separated file with a header; nothing is quoted.

    Blank lines are skipped.

    Raises:
        EvaluationDataError: If the file cannot be read, is not UTF-8, lacks a column or a cell, has a carriage return
            inside a line, or has no rows.
    """
    lines = [(f"{path}:{number}", line) for number, line in enumerate(read_lines(path), start=1) if line]
    for location, line in lines:
        if "\r" in line:
            raise EvaluationDataError(f"{location}: a carriage return inside a line: end each line with a line feed")
    if not lines:
        raise EvaluationDataError(f"{path} is empty")
    (location, header), *rows = lines
    columns = header.split("\t")
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise EvaluationDataError(
            f"{location}: no column {' or '.join(map(repr, missing))}; the columns are {', '.join(map(repr, columns))}, "
            "separated by tabs"
        )
    if not rows:
        raise EvaluationDataError(f"{path} has no rows below its header")
    return [_row(location, line.split("\t"), columns) for location, line in rows]


def by_language(rows: Iterable[LabelledRow]) -> dict[str, list[LabelledRow]]:
    """Return the rows of each language, in order of the codes."""
    found: dict[str, list[LabelledRow]] = {}
    for row in rows:
        found.setdefault(row.language, []).append(row)
    return dict(sorted(found.items()))


def _row(location: str, cells: Sequence[str], columns: Sequence[str]) -> LabelledRow:
    if len(cells) != len(columns):
        raise EvaluationDataError(f"{location}: {len(cells)} cells, but the header has {len(columns)}")
    language, label, text = (cells[columns.index(name)] for name in _COLUMNS)
    if not language.strip():
        raise EvaluationDataError(f"{location}: lang is empty: und means that the language is unknown")
    return LabelledRow(location, language.strip(), label.strip(), text)
