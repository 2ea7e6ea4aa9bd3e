"""A server for the page of a running sweep, on this machine alone: it answers GET requests from what it is given.

Whoever may open a connection to the loopback address, any user of this machine, may read the page. Web pages that the user has
open elsewhere may not: a request whose Host header is not the server's own address is refused, which is what DNS rebinding
would need, and answers may not be read, framed or loaded by other origins.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "127.0.0.1"
"""Where it listens: other machines cannot connect."""

IDLE_SECONDS = 15.0
"""Seconds after which a connection that sends nothing is closed."""

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:"
"""Of the page: it loads nothing, and runs its own script alone."""

REPORT_POLICY = "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
REPORT_POLICY += "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""Of the report, which comes from the store: it has no origin, so its script can read nothing of the server."""


@dataclass(frozen=True, slots=True)
class LivePages:
    """What the server answers with.

    Args:
        page: Makes the page, given a nonce that its script must have.
        progress: The state of the sweep as JSON.
        report: The report of the finished sweep; None while there is none.
    """

    page: Callable[[str], str]
    progress: Callable[[], str]
    report: Callable[[], bytes | None]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    kind: str
    content: bytes
    policy: str = field(default="default-src 'none'")


class LiveServer(ThreadingHTTPServer):
    """The server; `serve_forever` and `shutdown` are Python's.

    Args:
        port: Where to listen; 0 for any free port.
        pages: What to answer with.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, pages: LivePages) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.pages = pages

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """The Host headers that are answered."""
        return frozenset(f"{name}:{self.server_port}" for name in (ADDRESS, "localhost"))

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that closes its connection early."""


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    timeout = IDLE_SECONDS
    server_version, sys_version = "branchsweep", ""

    def do_GET(self) -> None:
        """Answer a request."""
        answer = self._answer()
        self.send_response(answer.status)
        for name, value in (
            ("Content-Type", answer.kind),
            ("Content-Length", str(len(answer.content))),
            ("Content-Security-Policy", f"{answer.policy}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    def _answer(self) -> _Answer:
        if self.headers.get("Host") not in self.server.hosts:
            return _text(HTTPStatus.FORBIDDEN, f"This server answers as {self.server.url} alone.")
        match self.path.partition("?")[0]:
            case "/":
                nonce = secrets.token_urlsafe(16)
                policy = PAGE_POLICY.format(nonce=nonce)
                return _Answer(HTTPStatus.OK, "text/html; charset=utf-8", self.server.pages.page(nonce).encode(), policy)
            case "/progress.json":
                return _Answer(HTTPStatus.OK, "application/json", self.server.pages.progress().encode())
            case "/report":
                report = self.server.pages.report()
                if report is None:
                    return _text(HTTPStatus.NOT_FOUND, "The sweep has no report yet: it is made when the sweep is finished.")
                return _Answer(HTTPStatus.OK, "text/html; charset=utf-8", report, REPORT_POLICY)
        return _text(HTTPStatus.NOT_FOUND, "There is no such page.")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the name is Python's
        """Print nothing."""


def _text(status: HTTPStatus, sentence: str) -> _Answer:
    return _Answer(status, "text/plain; charset=utf-8", f"{sentence}\n".encode())
