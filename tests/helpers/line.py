"""A TCP line to a port of this machine that a test can cut, silence and slow down."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

HOST = "127.0.0.1"
_CHUNK = 65_536


class Line:
    """Carries every connection to `port` on to `target`, and the answers back."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._left: int | None = None
        self._is_cut = False
        self._bytes_per_second: float | None = None
        self._delay_seconds = 0.0
        self._speaks = threading.Event()
        self._speaks.set()
        self._open: set[socket.socket] = set()
        self.cuts = 0
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, sent: int | None) -> None:
        """From now on `sent` more bytes pass to the target, then every connection ends at once; None: all pass."""
        self._left = sent

    def cut(self) -> None:
        """Ends every connection, and each new one at once."""
        self._is_cut = True
        self.cuts += 1
        for end in list(self._open):
            _shut(end)

    def silence(self) -> None:
        """From now on nothing passes, and nobody is told: connections stay open, as through a dead switch."""
        self._speaks.clear()

    def slow(self, bytes_per_second: float, delay_seconds: float) -> None:
        """From now on each connection carries no more than this in each direction, and what it carries comes late."""
        self._bytes_per_second, self._delay_seconds = bytes_per_second, delay_seconds

    def mend(self) -> None:
        """All passes again; what was held back by `silence` comes now."""
        self._is_cut, self._bytes_per_second, self._delay_seconds = False, None, 0.0
        self._speaks.set()

    def close(self) -> None:
        self._listener.close()
        self.cut()
        self._speaks.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection((HOST, self._target)) as server:
            ends = {client, server}
            self._open |= ends
            try:
                if not self._is_cut:
                    threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()
                    self._pass_on(client, server, True)
            finally:
                self._open -= ends
                for end in ends:
                    _shut(end)

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_request: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(self._chunk):
                self._speaks.wait()
                if self._bytes_per_second is not None:
                    time.sleep(self._delay_seconds + len(data) / self._bytes_per_second)
                if is_request and self._left is not None:
                    data, self._left = data[: self._left], max(0, self._left - len(data))
                sink.sendall(data)
                if is_request and self._left == 0:
                    self.cuts += 1
                    return
            if not is_request:
                sink.shutdown(socket.SHUT_WR)

    @property
    def _chunk(self) -> int:
        return _CHUNK if self._bytes_per_second is None else max(1, int(self._bytes_per_second / 10))


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
