"""Downloads the built-in table.

`pooch` was tried in place of this module and would keep less: its check is of the archive's bytes, of which there are several,
so that a page of HTML ends up in the cache as a success; its timeout is that of a socket, so that a name server that hangs is
waited for; and it neither limits the size nor opens a zip inside a zip. What it would take over, a temporary file that is
renamed, are five lines here.
"""

from __future__ import annotations

import http
import io
import queue
import threading
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from branchsweep.config.addresses import Address
from branchsweep.data.power_plant import FILE_NAME
from branchsweep.errors import DownloadError

DEADLINE = 10.0
"""Seconds without a first byte, or without a further one, after which a download is given up."""

MOST_BYTES = 64 * 2**20
"""Whatever is larger is not this table (its zip has 3.6 MB)."""

_PIECE_BYTES = 4096  # small, so that a slow connection is not taken for a silent one

_MOST_NESTING = 3  # zips inside zips that are opened

DownloadProgress = Callable[[int, int], None]
"""Called with the bytes received so far, and the bytes in all (0 if the server does not say)."""


def _ignore_progress(received: int, total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """How the built-in table is downloaded.

    Args:
        url: The address instead of the repository's, of a zip with the table in it or of the xlsx file itself.
        progress: Called as bytes arrive.
        deadline: Seconds of silence after which the download is given up.
    """

    url: Address | None = None
    progress: DownloadProgress = _ignore_progress
    deadline: float = DEADLINE


def download_table(url: Address, target: Path, difference: Callable[[Path], str], options: DownloadOptions) -> None:
    """Fetch the table at `url` and store it as `target`: the published one and whole, or not at all.

    Args:
        url: Address of a zip with the table somewhere in it, or of the xlsx file itself.
        target: The file to make; its folder is made if it is not there.
        difference: How a file differs from the published table, as half a sentence; empty if it does not.
        options: Progress and deadline.

    Raises:
        DownloadError: There is no such address, no server answers, the transfer breaks off or stalls, what arrives is not the
            published table, or the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(target.parent, error) from error
    table = unpack_table(fetch_bytes(url, options.progress, options.deadline), url)
    temporary = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")  # beside the target, so that the last step is a rename
    try:
        temporary.write_bytes(table)
        problem = difference(temporary)
        if problem:
            raise DownloadError(f"the table in {url} is not the published one: {problem}")
        temporary.replace(target)
    except OSError as error:
        raise _not_writable(target.parent, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _not_writable(folder: Path, error: OSError) -> DownloadError:
    return DownloadError(
        f"the cache folder {folder} cannot be written to ({error.strerror}); name another one with the environment variable"
        f" BRANCHSWEEP_CACHE"
    )


@dataclass(frozen=True, slots=True)
class _Started:
    """The server has answered, and says how many bytes it sends (0: it does not say)."""

    total: int


@dataclass(frozen=True, slots=True)
class _Ended:
    """The server has sent everything, or the transfer has failed."""

    error: Exception | None


_Event = _Started | bytes | _Ended


def fetch_bytes(url: Address, progress: DownloadProgress, deadline: float = DEADLINE) -> bytes:
    """The bytes at `url`.

    The transfer runs in a thread of its own, and only the clock of this one decides when it is given up: no timeout of a socket
    covers a name server that hangs, or a host of many addresses that are tried one after the other.

    Args:
        url: The address.
        progress: Called as bytes arrive.
        deadline: Seconds until the first byte, and between one piece and the next.

    Raises:
        DownloadError: The server cannot be reached, refuses, falls silent, or ends before it has sent everything.
    """
    events: queue.Queue[_Event] = queue.Queue()
    given_up = threading.Event()
    # A daemon thread holds nothing but memory, and a program that ends does not wait for it. The timeout of its sockets only
    # ends a thread that was given up, so it is longer than the deadline.
    threading.Thread(target=_transfer, args=(url, 2 * deadline, events, given_up), name="download", daemon=True).start()
    received, total, latest = bytearray(), 0, time.monotonic() + deadline
    try:
        while True:
            event = events.get(timeout=max(0.0, latest - time.monotonic()))
            if isinstance(event, _Started):
                total = event.total
            elif isinstance(event, _Ended):
                break
            else:
                received += event
                latest = time.monotonic() + deadline
                progress(len(received), total)
            if max(len(received), total) > MOST_BYTES:
                raise DownloadError(f"{url} sends more than {MOST_BYTES:,} bytes: that is not the table")
    except queue.Empty:
        what = f"after {len(received):,} bytes, nothing more" if received else "no answer"
        raise DownloadError(f"{url} sent {what} within {deadline:g} s") from None
    finally:
        given_up.set()
    if event.error is not None:
        raise event.error
    if total and len(received) != total:
        raise DownloadError(f"the transfer from {url} broke off after {len(received):,} of {total:,} bytes")
    return bytes(received)


def _transfer(url: Address, timeout: float, events: queue.Queue[_Event], given_up: threading.Event) -> None:
    """Put what the server sends into the queue, piece by piece; an error too, to be raised by the thread that waits there."""
    try:
        # without compression on the way, the announced length is that of the bytes received
        with requests.get(
            url.with_secrets(), stream=True, timeout=timeout, headers={"Accept-Encoding": "identity"}
        ) as response:
            if response.status_code != http.HTTPStatus.OK:
                raise DownloadError(f"{url} answered {response.status_code} {response.reason}")  # noqa: TRY301  # to the queue
            length = response.headers.get("Content-Length", "")
            is_plain = "Content-Encoding" not in response.headers
            events.put(_Started(int(length) if is_plain and length.isdigit() else 0))
            for piece in response.iter_content(_PIECE_BYTES):
                if given_up.is_set():
                    return
                events.put(piece)
        events.put(_Ended(None))
    except requests.RequestException as error:
        download_error = _to_download_error(url, error)
        download_error.__cause__ = error
        events.put(_Ended(download_error))
    except Exception as error:  # noqa: BLE001  # raised where the result is awaited
        events.put(_Ended(error))


def _to_download_error(url: Address, error: requests.RequestException) -> DownloadError:
    """What went wrong, in a sentence; the library's own are long and about its insides."""
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return DownloadError(f"the transfer from {url} broke off before everything was sent")
    if isinstance(error, requests.Timeout):
        return DownloadError(f"{url} did not answer in time")
    if isinstance(error, requests.exceptions.SSLError):
        return DownloadError(f"{url} has no valid certificate, or the connection to it is intercepted")
    if isinstance(error, requests.exceptions.ProxyError):
        return DownloadError(f"{url} could not be reached through the proxy")
    if isinstance(error, requests.ConnectionError):
        return DownloadError(f"{url} could not be reached")
    return DownloadError(f"{url} is not an address to download from ({type(error).__name__})")


def unpack_table(archive: bytes, url: Address) -> bytes:
    """The xlsx file in a zip.

    Args:
        archive: A zip with the table in any of its folders or in a zip inside it, or the xlsx file itself.
        url: Where it came from, for messages.

    Raises:
        DownloadError: It is no zip, or has no xlsx file in it.
    """
    try:
        table = _find_xlsx(archive, _MOST_NESTING)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise DownloadError(f"what {url} sends is not a zip that can be opened ({error})") from error
    if table is None:
        raise DownloadError(f"the zip at {url} holds no {FILE_NAME}, nor any other xlsx file")
    return table


def _find_xlsx(archive: bytes, nesting: int) -> bytes | None:
    """The table in a zip; None if there is none. An xlsx file is a zip too: given one, it is returned itself."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        names = [entry.filename for entry in opened.infolist() if entry.file_size <= MOST_BYTES and not entry.is_dir()]
        if "[Content_Types].xml" in names:
            return archive
        files = [name for name in names if not Path(name).name.startswith(".")]  # "._x.xlsx" is macOS' note about x.xlsx
        tables = [name for name in files if name.casefold().endswith(".xlsx")]
        if tables:
            return opened.read(min(tables, key=lambda name: Path(name).name != FILE_NAME))
        inner_zips = [name for name in files if name.casefold().endswith(".zip")]
        found = (_find_xlsx(opened.read(name), nesting - 1) for name in inner_zips) if nesting else iter(())
        return next((table for table in found if table is not None), None)
