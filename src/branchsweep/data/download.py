"""Downloads the built-in table."""

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

from branchsweep.errors import DownloadError

FILE_NAME = "Folds5x2_pp.xlsx"
"""What the repository calls the file."""

DEADLINE = 10.0
"""Seconds without a first byte, or without a further one, after which a download is given up."""

LARGEST = 64 * 2**20
"""Bytes: whatever is larger is not this table (its zip has 3.6 MB)."""

Progress = Callable[[int, int], None]
"""Told the bytes received so far, and the bytes to come in all (0 if the server does not say)."""


def download_table(
    url: str,
    target: Path,
    difference: Callable[[Path], str],
    *,
    progress: Progress,
    deadline: float = DEADLINE,
) -> None:
    """Fetch the zip at `url` and store the table that it holds as `target`: the published one and whole, or not at all.

    Args:
        url: Address of a zip with the table somewhere inside, or of the xlsx itself.
        target: The file to make; its folder is made if it is not there.
        difference: How a file differs from the published table, as half a sentence; empty if it does not.
        progress: As of `locate_table`.
        deadline: As of `locate_table`.

    Raises:
        DownloadError: There is no such address, nobody answers, the transfer breaks off or stalls, what arrives is not the
            published table, or the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    table = _unpacked(fetch_bytes(url, progress, deadline), url)
    part = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")  # beside the target, so that the last step is a rename
    try:
        part.write_bytes(table)
        different = difference(part)
        if different:
            raise DownloadError(f"the table in {url} is not the published one: {different}")
        part.replace(target)
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    finally:
        part.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> DownloadError:
    return DownloadError(
        f"the cache folder {folder} cannot be written to ({error.strerror}); name another one with the environment variable"
        f" BRANCHSWEEP_CACHE"
    )


@dataclass(frozen=True, slots=True)
class _Begins:
    """The server has answered, and says how many bytes it sends (0: it does not say)."""

    total: int


@dataclass(frozen=True, slots=True)
class _Ends:
    """The server has sent everything, or the transfer has failed."""

    error: Exception | None


def fetch_bytes(url: str, progress: Progress, deadline: float = DEADLINE) -> bytes:
    """The bytes at `url`.

    The transfer runs in a thread of its own, and only the clock here decides when it is given up: a name server that hangs, or
    a host of many addresses that are tried one after the other, is subject to no timeout of a socket.

    Args:
        url: Where from.
        progress: Told how far it is.
        deadline: Seconds until the first byte, and between one piece and the next.

    Raises:
        DownloadError: The server cannot be reached, refuses, falls silent, or ends before it has sent everything.
    """
    events: queue.Queue[_Begins | bytes | _Ends] = queue.Queue()
    given_up = threading.Event()
    # a daemon: it holds nothing but memory, and a program that ends does not wait for it. Its sockets' timeout only ends a
    # thread that was given up, so it is longer than the deadline
    threading.Thread(target=_pump, args=(url, 2 * deadline, events, given_up), name="download", daemon=True).start()
    received, total, latest = bytearray(), 0, time.monotonic() + deadline
    try:
        while True:
            event = events.get(timeout=max(0.0, latest - time.monotonic()))
            if isinstance(event, _Begins):
                total = event.total
            elif isinstance(event, _Ends):
                break
            else:
                received += event
                latest = time.monotonic() + deadline
                progress(len(received), total)
            if max(len(received), total) > LARGEST:
                raise DownloadError(f"{url} sends more than {LARGEST:,} bytes: that is not the table")
    except queue.Empty:
        sent = f"after {len(received):,} bytes, nothing more" if received else "no answer"
        raise DownloadError(f"{url} sent {sent} within {deadline:g} s") from None
    finally:
        given_up.set()
    if event.error is not None:
        raise event.error
    if total and len(received) != total:
        raise DownloadError(f"the transfer from {url} broke off after {len(received):,} of {total:,} bytes")
    return bytes(received)


def _pump(url: str, timeout: float, events: queue.Queue[_Begins | bytes | _Ends], given_up: threading.Event) -> None:
    """Put what the server sends into the queue, piece by piece; an error goes the same way, to be raised by who waits there."""
    try:
        # without compression on the way, the announced length is that of the bytes received
        with requests.get(url, stream=True, timeout=timeout, headers={"Accept-Encoding": "identity"}) as answer:
            if answer.status_code != http.HTTPStatus.OK:
                raise DownloadError(f"{url} answered {answer.status_code} {answer.reason}")  # noqa: TRY301  # to who waits
            length = answer.headers.get("Content-Length", "")
            plain = "Content-Encoding" not in answer.headers
            events.put(_Begins(int(length) if plain and length.isdigit() else 0))
            for piece in answer.iter_content(4096):  # small, so that a slow line is not taken for a silent one
                if given_up.is_set():
                    return
                events.put(piece)
        events.put(_Ends(None))
    except requests.RequestException as error:
        events.put(_Ends(_told(url, error)))
    except Exception as error:  # noqa: BLE001  # raised where the result is awaited
        events.put(_Ends(error))


def _told(url: str, error: requests.RequestException) -> DownloadError:
    """What went wrong on the way, in words; the library's own are long and about its insides."""
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


def _unpacked(archive: bytes, url: str) -> bytes:
    """The xlsx inside a zip."""
    try:
        table = _xlsx_in(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise DownloadError(f"what {url} sends is not a zip that can be opened ({error})") from error
    if table is None:
        raise DownloadError(f"the zip at {url} holds no {FILE_NAME}, nor any other xlsx file")
    return table


def _xlsx_in(archive: bytes, depth: int = 3) -> bytes | None:
    """The table in a zip, in any of its folders or in a zip inside it; None if there is none.

    An xlsx file is a zip too: given one, it is the answer itself.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        names = [entry.filename for entry in opened.infolist() if entry.file_size <= LARGEST and not entry.is_dir()]
        if "[Content_Types].xml" in names:
            return archive
        files = [name for name in names if not Path(name).name.startswith(".")]  # "._x.xlsx" is macOS' note about x.xlsx
        tables = [name for name in files if name.casefold().endswith(".xlsx")]
        if tables:
            return opened.read(min(tables, key=lambda name: Path(name).name != FILE_NAME))
        inner = [name for name in files if name.casefold().endswith(".zip")]
        found = (_xlsx_in(opened.read(name), depth - 1) for name in inner) if depth else iter(())
        return next((table for table in found if table is not None), None)
