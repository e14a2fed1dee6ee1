"""Reads labelled files; errors name the file and line."""

from pathlib import Path

from models.errors import EvaluationDataError


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
