"""A TCP connection to a port of this machine that a test can cut, silence and slow down."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

HOST = "127.0.0.1"
_CHUNK = 65_536


class Line:
    """Forwards every connection from `port` to `target`, and the answers back."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._left: int | None = None
        self._is_cut = False
        self._bytes_per_second: float | None = None
        self._delay_seconds = 0.0
        self._passes = threading.Event()
        self._passes.set()
        self._open: set[socket.socket] = set()
        self.cuts = 0
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, sent: int | None) -> None:
        """Pass `sent` more bytes to the target, then end every connection at once; with None, pass everything."""
        self._left = sent

    def cut(self) -> None:
        """End every connection now, and each new one at once."""
        self._is_cut = True
        self.cuts += 1
        for end in list(self._open):
            _shut(end)

    def silence(self) -> None:
        """Hold all data back, but keep the connections open, as a dead switch would."""
        self._passes.clear()

    def slow(self, bytes_per_second: float, delay_seconds: float) -> None:
        """Limit the speed of each connection in each direction, and delay its data."""
        self._bytes_per_second, self._delay_seconds = bytes_per_second, delay_seconds

    def restore(self) -> None:
        """Pass everything again, starting with the data that `silence` held back."""
        self._is_cut, self._bytes_per_second, self._delay_seconds = False, None, 0.0
        self._passes.set()

    def close(self) -> None:
        self._listener.close()
        self.cut()
        self._passes.set()

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
                self._passes.wait()
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
