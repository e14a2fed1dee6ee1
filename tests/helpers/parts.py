"""One process of the pipeline that a test may kill and start again, and how it ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streams.processes.broker import free_port
from streams.settings import Settings
from tests.helpers.processes import Tagpulse
from tests.helpers.scrapes import samples

_COUNTERS = ("tagpulse_acknowledged_total", "tagpulse_produced_total")
# what the last line of a process may say: our own words for an end, and the code of an end that was not asked for
_REASON = re.compile(r"stopped during startup|sent and confirmed|stopped|\(exit \d+\)$|^tagpulse: ")


@dataclass(frozen=True)
class Ending:
    """How a process ended that nobody killed."""

    part: str
    code: int
    last_line: str
    log: str = field(repr=False)

    @property
    def is_told(self) -> bool:
        """Whether the last line says why."""
        return bool(_REASON.search(self.last_line))

    @property
    def is_unborn(self) -> bool:
        """Whether SIGTERM came before the first line of tagpulse ran: then it ends a process as the system does it."""
        return self.code == -signal.SIGTERM and not self.last_line


class Part:
    """One process of the pipeline: `.process`, the one that runs now or ran last."""

    def __init__(
        self, name: str, words: Sequence[str | Path], settings: Settings, folder: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self._words = words
        self._settings = settings
        self._folder = folder
        self._port = free_port()
        self._env = {"TAGPULSE_METRICS__PORT": str(self._port)} | dict(env)
        self._started: list[Tagpulse] = []
        self.process: Tagpulse
        self.start()

    def start(self) -> None:
        self.process = Tagpulse(*self._words, settings=self._settings, folder=self._folder, env=self._env)
        self._started.append(self.process)

    @property
    def logs(self) -> list[str]:
        """The log of each start so far."""
        return [process.stderr for process in self._started]

    def kill(self) -> None:
        """`kill -9`, and started again at once."""
        self.process.kill()
        self.start()

    def handled(self) -> float:
        """Records that this process has sent or acknowledged since its start; 0 while it cannot be asked."""
        try:
            return sum(sample.value for sample in samples(self._port, _COUNTERS))
        except OSError:
            return 0.0

    def ending(self, code: int) -> Ending:
        said = self.process.stderr + self.process.stdout
        return Ending(self.name, code, (said.strip().splitlines() or [""])[-1], said)
