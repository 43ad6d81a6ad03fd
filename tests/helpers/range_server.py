"""A local HTTP server for one file, with the faults that real ones have."""

import http.server
import re
import threading


class RangeServer:
    """Serves bytes at any path on a free port of this machine.

    Args:
        content: The file.
        ranges: Whether `Range` is honoured.
        cuts: Bytes after which the connection is cut, one for each of the
            first requests.
        status: An error to answer the first `errors` requests with.
        errors: How many; all, if negative.
    """

    def __init__(
        self,
        content: bytes,
        ranges: bool = True,
        cuts: tuple[int, ...] = (),
        status: int = 404,
        errors: int = 0,
    ) -> None:
        self.content = content
        self.ranges = ranges
        self.cuts = list(cuts)
        self.status = status
        self.errors = errors
        # What each request asked for: its Range header or None.
        self.asked: list[str | None] = []
        self.sent = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), Handler
        )
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "RangeServer":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, name: str = "corpus.tar.bz2") -> str:
        return f"http://127.0.0.1:{self._server.server_port}/data/{name}"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.asked.append(asked)
        if self.errors:
            self.errors -= 1
            request.send_error(self.status)
            return
        start = 0
        if asked and self.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(self.content):
                request.send_error(416)
                return
            request.send_response(206)
            last = len(self.content) - 1
            request.send_header(
                "Content-Range", f"bytes {start}-{last}/{last + 1}"
            )
        else:
            request.send_response(200)
        body = self.content[start:]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.cuts:
            body = body[: self.cuts.pop(0)]
        request.wfile.write(body)
        self.sent += len(body)
