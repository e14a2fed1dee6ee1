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
# the reasons that the last line of a process may give: our own messages, and the exit code of an unrequested end
_REASON = re.compile(r"stopped during startup|sent and confirmed|stopped|\(exit \d+\)$|^tagpulse: ")


@dataclass(frozen=True)
class Ending:
    """How a process ended that was not killed."""

    part: str
    code: int
    last_line: str
    log: str = field(repr=False)

    @property
    def gives_reason(self) -> bool:
        """Whether the last line gives the reason."""
        return bool(_REASON.search(self.last_line))

    @property
    def precedes_start(self) -> bool:
        """Whether SIGTERM came before the first line of tagpulse ran, so that the system ended the process."""
        return self.code == -signal.SIGTERM and not self.last_line


class Part:
    """One process of the pipeline; `process` is the one that runs now or ran last."""

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
        """Kill it with `kill -9` and restart it at once."""
        self.process.kill()
        self.start()

    def handled(self) -> float:
        """Return the number of records sent or acknowledged since the start; 0 while the metrics cannot be read."""
        try:
            return sum(sample.value for sample in samples(self._port, _COUNTERS))
        except OSError:
            return 0.0

    def ending(self, code: int) -> Ending:
        output = self.process.stderr + self.process.stdout
        return Ending(self.name, code, (output.strip().splitlines() or [""])[-1], output)
