"""Reading labelled files, so that a fault is told with its file and line."""

from pathlib import Path

from models.errors import EvaluationDataError


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises:
        EvaluationDataError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EvaluationDataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise EvaluationDataError(f"{path}:{line}: not utf-8: {error.reason}") from error


def read_lines(path: Path) -> list[str]:
    """Split a file at line feeds only: posts hold other characters that Python takes for line ends.

    Raises:
        EvaluationDataError: it cannot be read, or is not UTF-8.
    """
    text = read_text(path)
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def files_of(folder: Path, suffix: str) -> list[Path]:
    """Return the files of a folder whose name ends so, by name.

    Raises:
        EvaluationDataError: no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise EvaluationDataError(f"{folder} is not a folder")
    if not (found := sorted(path for path in folder.glob(f"*{suffix}") if path.is_file())):
        raise EvaluationDataError(f"{folder} holds no *{suffix}")
    return found
