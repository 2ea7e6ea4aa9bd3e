"""How long MLflow's client may wait for a server.

MLflow reads its limits from the environment: how long an answer may be silent, and how often a request is repeated. Three
limits are missing there. A server may send a byte now and then for hours: here the limit is on the whole answer. It may send
an answer without end: here reading stops at `MOST_BYTES`. And a server may say `Retry-After: 600`, which MLflow obeys without a
word: here it does not. Besides, MLflow does not read the answer to an upload: here it is read.

MLflow offers no way to give its sessions an adapter, so the name that it makes them with stands for another class, in the whole
process. That class acts as MLflow's own, except while a call of this package is under way (`limited_requests`): MLflow's pools
of threads are then limited, too, which no setting of a thread would do. The environment variables hold for the whole process.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections.abc import Iterator
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

With MLflow's, it would be silent for four minutes. Here the caller waits for a server that is unavailable, and tells the user
(`retries`).
"""

MOST_BYTES = 64 << 20
"""The size of an answer, at most, unpacked; files are downloaded in pieces, and may be larger."""

MOST_FILE_BYTES = 4 << 30
"""The size of a downloaded file, at most, unpacked: the predictions of many millions of rows."""

LEAST_BYTES_PER_SECOND = 10_000
"""A large answer may take longer than the limit, as long as it comes at this rate."""


def limit_requests() -> None:
    """Let MLflow's client keep to the limits of this module, from now on in this process.

    They are set for good: threads that use the client at the same time must not see them change.
    """
    for name, value in LIMITS.items():
        os.environ.setdefault(name, value)
    vars(request_utils)["TCPKeepAliveHTTPAdapter"] = _SwitchingAdapter


class _CallsUnderWay:
    """Counts the calls of this package that are under way, in all threads."""

    def __init__(self) -> None:
        self._lock, self.count = threading.Lock(), 0

    def add(self, change: int) -> None:
        with self._lock:
            self.count += change


_CALLS = _CallsUnderWay()


@contextmanager
def limited_requests() -> Iterator[None]:
    """Context of a call of MLflow's client: its requests keep to the limits, whichever thread sends them."""
    _CALLS.add(1)
    try:
        yield
    finally:
        _CALLS.add(-1)


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


UPLOADS = "/mlflow-artifacts/artifacts/"
"""In the path of what MLflow's server takes files at."""


class _LimitedAdapter(request_utils.TCPKeepAliveHTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)  # type: ignore[no-untyped-call]  # MLflow's
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def send(self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, stream, *args, **kwargs)
        if stream:
            _limit_file(response)
        else:
            _read(response)
        if request.method == "PUT" and response.ok:
            _check_upload(response, UPLOADS in str(request.url))
        return response

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)  # type: ignore[no-untyped-call]  # likewise
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _SwitchingAdapter(request_utils.TCPKeepAliveHTTPAdapter):
    """MLflow's adapter, or that with limits while a call of this package is under way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limited = _LimitedAdapter(*args, **kwargs)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if _CALLS.count:
            return self._limited.send(request, *args, **kwargs)
        return super().send(request, *args, **kwargs)

    def close(self) -> None:
        self._limited.close()
        super().close()


def _read(response: requests.Response) -> None:
    """Read an answer that is wanted as a whole, as requests does afterwards, but no more than `MOST_BYTES`.

    Raises:
        ContentDecodingError: There is more.
    """
    parts, size = [], 0
    for part in response.iter_content(1 << 16):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            response.close()
            raise requests.exceptions.ContentDecodingError(f"the answer has more than {MOST_BYTES >> 20} MiB")
    response._content = b"".join(parts)  # noqa: SLF001  # where requests keeps it


def _limit_file(response: requests.Response) -> None:
    """Let the pieces of a file end with an error where they are more than `MOST_FILE_BYTES` in all: they fill a disk."""
    read_pieces = response.iter_content

    def pieces(*args: Any, **kwargs: Any) -> Iterator[Any]:
        size = 0
        for piece in read_pieces(*args, **kwargs):
            size += len(piece)
            if size > MOST_FILE_BYTES:
                response.close()
                raise requests.exceptions.ContentDecodingError(f"the file has more than {MOST_FILE_BYTES >> 20:,} MiB")
            yield piece

    vars(response)["iter_content"] = pieces


def _check_upload(response: requests.Response, is_of_mlflow: bool) -> None:
    """Raise ContentDecodingError unless an answer says that a file was taken.

    MLflow's server says so by nothing (FastAPI) or by an empty object of JSON (Flask). Other stores of files answer what they
    like, but no web page.
    """
    is_page = "html" in response.headers.get("Content-Type", "")
    is_unknown = is_of_mlflow and not is_page and b"".join(response.content.split()) not in {b"", b"{}"}
    if is_page or is_unknown:
        response.close()
        what = "a web page" if is_page else "not that of MLflow's server, which is empty"
        raise requests.exceptions.ContentDecodingError(f"the answer to an upload is {what}")
