"""A server in the place of MLflow's, or before it, that answers as faulty servers, proxies and sign-in pages do."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

DRIP_SECONDS = 0.05
"""Between two bytes of an answer that drips."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def handle_request(self) -> None:
        """Answer any request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.hostile.requests.append((time.monotonic(), self.command, self.path))
        try:
            ANSWERS[self.server.hostile.next_answer()](self, body)
        except OSError:  # the client has gone
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = handle_request  # noqa: N815  # names of http.server

    def answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def forward(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Have the server behind this one answer."""
        behind = urlsplit(self.server.hostile.behind)
        connection = http.client.HTTPConnection(str(behind.hostname), behind.port, timeout=60)
        dropped = ("host", "connection", "accept-encoding", "transfer-encoding", "content-length")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        connection.request(self.command, self.path, body, {**headers, "Host": behind.netloc})
        response = connection.getresponse()
        content = response.read()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in dropped}
        connection.close()
        return response.status, content, kept

    def cut(self, content: bytes = b"{", promised: int = 999) -> None:
        """Close the connection in the middle of an answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def drip(self) -> None:
        """Send a byte now and then, for ever."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.server.hostile.is_closed:
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(DRIP_SECONDS)

    def drip_header(self) -> None:
        """Send the header of an answer byte by byte, for ever."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not self.server.hostile.is_closed:
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(DRIP_SECONDS)

    def answer_slowly(self) -> None:
        """Send a long answer with one experiment, in pieces, in more than a second."""
        experiment = {"name": "Default", "experiment_id": "0", "lifecycle_stage": "active"}
        content = json.dumps({"experiments": [experiment], "padding": "x" * 60_000}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for start in range(0, len(content), 5_000):
            self.wfile.write(content[start : start + 5_000])
            self.wfile.flush()
            time.sleep(0.15)

    def send_without_end(self) -> None:
        """Send JSON that is far too long, as long as somebody reads it."""
        piece = b" " * (1 << 20)
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 40))
        self.end_headers()
        while not self.server.hostile.is_closed:
            self.wfile.write(piece)
            self.server.hostile.sent += len(piece)

    def lose(self, body: bytes) -> None:
        """Have the server behind this one do it, and lose its answer."""
        self.forward(body)
        self.close_connection = True

    def write_garbage(self) -> None:
        """Send bytes that are not HTTP."""
        self.wfile.write(b"\x00\xff" * 500)
        self.close_connection = True


def _status(status: int, content: bytes = b'{"error_code": "X", "message": "injected"}') -> Callable[[_Handler, bytes], None]:
    return lambda handler, _body: handler.answer(status, content)


WRONG_TYPES = (
    b'{"experiments": 3, "experiment": 3, "run": 3, "runs": 7, "run_info": [], "registered_model": "x", "models": 5, '
    b'"registered_models": 1, "model_version": [], "model_versions": 1, "model": 5, "files": 9, "metrics": 4}'
)

ANSWERS: Mapping[str, Callable[[_Handler, bytes], None]] = {
    "pass": lambda handler, body: handler.answer(*handler.forward(body)),
    "lost": lambda handler, body: handler.lose(body),
    **{str(status): _status(status) for status in (400, 401, 403, 404, 418, 429, 500, 502, 503)},
    "500 html": _status(500, b"<html>oops</html>"),
    "retry after": lambda handler, _body: handler.answer(503, b"{}", {"Retry-After": "600"}),
    "html": lambda handler, _body: handler.answer(200, b"<html>please sign in</html>", {"Content-Type": "text/html"}),
    "empty": _status(200, b"{}"),
    "nothing": _status(200, b""),
    "list": _status(200, b"[1, 2]"),
    "wrong types": _status(200, WRONG_TYPES),
    "empty things": _status(
        200,
        b'{"experiments": [{}], "experiment": {}, "run": {}, "runs": [{}], "registered_model": {}, "registered_models": [{}], '
        b'"model_version": {}, "model_versions": [{}], "model": {}, "models": [{}], "files": [{}], "metrics": [{}]}',
    ),
    "not utf-8": _status(200, b'{"run": "\xff\xfe"}'),
    "deep": _status(200, b"[" * 100_000),
    "garbage": lambda handler, _body: handler.write_garbage(),
    "cut": lambda handler, _body: handler.cut(),
    "drip": lambda handler, _body: handler.drip(),
    "dripping header": lambda handler, _body: handler.drip_header(),
    "slow": lambda handler, _body: handler.answer_slowly(),
    "endless": lambda handler, _body: handler.send_without_end(),
    "redirect": lambda handler, _body: handler.answer(302, b"", {"Location": handler.path}),
}
"""The answers by name. `pass` and `lost` need a server behind this one."""

NONSENSE = ("html", "empty", "list", "wrong types", "empty things", "not utf-8", "deep")
"""Answers with status 200 that MLflow's server never gives."""


@dataclass
class HostileServer:
    """A server whose next answers are chosen.

    Args:
        behind: URI of an MLflow server for `pass` and `lost`; empty for none.
    """

    behind: str = ""
    requests: list[tuple[float, str, str]] = field(default_factory=list)
    """When, the method, and the path of all requests so far."""
    uri: str = ""
    is_closed: bool = False
    sent: int = 0
    """The bytes of endless answers so far."""
    _answer: str = "pass"
    _left: int | None = None
    _planned: dict[int, str] = field(default_factory=dict)

    def will_answer(self, answer: str, times: int | None = None) -> None:
        """Give this answer from now on, or only so many times."""
        self._answer, self._left = answer, times

    def will_answer_at(self, request: int, answer: str, times: int = 1) -> None:
        """Give this answer so many times from the request of this number on, counted from the next one, which is 0."""
        first = len(self.requests) + request
        self._planned |= dict.fromkeys(range(first, first + times), answer)

    def forget_plan(self) -> None:
        """Give no answer any more that was planned by `will_answer_at`."""
        self._planned.clear()

    def next_answer(self) -> str:
        """The name of the answer to give now."""
        planned = self._planned.pop(len(self.requests) - 1, None)
        if planned is not None:
            return planned
        answer = self._answer
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._answer, self._left = "pass", None
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hostile: HostileServer


@contextmanager
def hostile_server(behind: str = "", answer: str = "pass") -> Iterator[HostileServer]:
    """A `HostileServer` for as long as the context is open.

    Args:
        behind: As of `HostileServer`.
        answer: Its first answer.
    """
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hostile = HostileServer(behind, uri=f"http://127.0.0.1:{server.server_address[1]}")
    server.hostile.will_answer(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.hostile
    finally:
        server.hostile.is_closed = True
        server.shutdown()
        thread.join()
        server.server_close()
