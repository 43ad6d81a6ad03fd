"""What lies between a client and a server, and what may go wrong there."""

import contextlib
import socket
import threading
from collections.abc import Callable


class Listener:
    """A port of this machine on which every connection gets the same.

    Args:
        serve: Is called with each accepted connection, in its own thread,
            and with how many there were before.
    """

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._open: list[socket.socket] = []
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def __enter__(self) -> "Listener":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        for one in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                number = self.connections
                self.connections += 1
                threading.Thread(
                    target=self._handle, args=(connection, number), daemon=True
                ).start()

    def _handle(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection:
            self._serve(connection, number)


def silent(connection: socket.socket, number: int) -> None:
    """Accepts everything and never answers."""
    while connection.recv(2**16):
        pass


def saying(content: bytes) -> Callable[[socket.socket, int], None]:
    """Answers what comes first with some bytes, and hangs up."""

    def serve(connection: socket.socket, number: int) -> None:
        connection.recv(2**16)
        connection.sendall(content)

    return serve


def dripping(
    connection: socket.socket, number: int, ended: threading.Event
) -> None:
    """A good beginning, and then a byte now and again."""
    connection.recv(2**16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    while not ended.wait(0.05):
        connection.sendall(b" ")


def cut_after(port: int, cuts: list[int]):
    """Passes everything on to a port; cuts the first connections.

    Args:
        port: Of the real server.
        cuts: Bytes of its answer after which each of them ends.
    """

    def serve(connection: socket.socket, number: int) -> None:
        left = cuts[number] if number < len(cuts) else None
        with socket.create_connection(("localhost", port)) as server:
            threading.Thread(
                target=_pass_on, args=(connection, server, None), daemon=True
            ).start()
            _pass_on(server, connection, left)
            connection.shutdown(socket.SHUT_RDWR)

    return serve


def _pass_on(
    source: socket.socket, target: socket.socket, left: int | None
) -> None:
    with contextlib.suppress(OSError):
        while left is None or left > 0:
            content = source.recv(2**16)
            if not content:
                break
            target.sendall(content[:left])
            left = None if left is None else left - len(content)
