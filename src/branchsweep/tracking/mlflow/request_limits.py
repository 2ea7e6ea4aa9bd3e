"""How long MLflow's client may wait for a server.

MLflow reads its limits from the environment: how long an answer may be silent, and how often a request is repeated. Two limits
are missing there. A server may send a byte now and then for hours: here the limit is on the whole answer. And a server may say
`Retry-After: 600`, which MLflow obeys without a word: here it does not. Besides, a sign-in page is no answer to an upload.
"""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from typing import Any, cast

import requests
from mlflow.utils import request_utils
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CONNECT_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""The limits of the first request to a store: it fails at once, and the user sees the error."""

LIMITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
"""The limits of all others, unless the environment has its own.

With MLflow's, it would be silent for four minutes. Here the caller waits for a server that is away, and tells the user
(`patience`).
"""

LEAST_BYTES_PER_SECOND = 10_000
"""A large answer may take longer than the limit, as long as it comes at this rate."""


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that are set while the context is open."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def limit_requests() -> None:
    """Let MLflow's client keep to the limits of this module, from now on in this process.

    They are set for good: threads that use the client at the same time must not see them change.
    """
    for name, value in LIMITS.items():
        os.environ.setdefault(name, value)
    # MLflow makes its sessions with the adapter of this name, and offers no other way to give it one
    vars(request_utils)["TCPKeepAliveHTTPAdapter"] = _Adapter


class _TimedReader(io.RawIOBase):
    """The bytes of an answer, until its time is up.

    Args:
        connection: What they come from.
        source: Its bytes.
    """

    def __init__(self, connection: socket.socket, source: socket.SocketIO) -> None:
        self._connection, self._source = connection, source
        self._limit = connection.gettimeout()
        self._start, self._received = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._limit is not None:
            remaining = self._start + self._limit + self._received / LEAST_BYTES_PER_SECOND - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"the answer was not complete after {self._limit:g} s")
            self._connection.settimeout(min(self._limit, remaining))
        count = self._source.readinto(buffer)
        self._received += count or 0
        return count

    def close(self) -> None:
        if not self.closed:
            with suppress(OSError):  # closed already
                self._connection.settimeout(self._limit)  # for the next request on it
            self._source.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(sock, cast("socket.SocketIO", self.fp.detach())))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(request_utils.TCPKeepAliveHTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)  # type: ignore[no-untyped-call]  # MLflow's
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **kwargs)
        is_page = response.ok and "html" in response.headers.get("Content-Type", "")
        if request.method == "PUT" and is_page:  # of other answers MLflow reads the content, of this one it does not
            response.close()
            raise requests.exceptions.ContentDecodingError("the answer to an upload is a web page")
        return response

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)  # type: ignore[no-untyped-call]  # likewise
        manager.pool_classes_by_scheme = _POOLS
        return manager
