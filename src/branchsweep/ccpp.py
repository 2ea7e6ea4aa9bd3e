"""The built-in table, `table: ccpp`: hourly averages of a combined cycle power plant, and where to get them.

P. Tüfekci, "Prediction of full load electrical power output of a base load operated combined cycle power plant using machine
learning methods", International Journal of Electrical Power & Energy Systems 60 (2014) 126-140. UCI Machine Learning
Repository, dataset 294, licence CC BY 4.0.

`resolve` looks in this order, and takes the first that is there:

    1. the path given with `--data`                      a user's own file: it must be there
    2. the path in the environment variable BRANCHSWEEP_CCPP        likewise
    3. data/Folds5x2_pp.xlsx in the working directory               likewise, if there is one
    4. the user's cache (BRANCHSWEEP_CACHE names another folder)    if it holds the published table
    5. a download from the UCI repository (BRANCHSWEEP_CCPP_URL names a mirror), kept in the cache
    6. the embedded stand-in (`standin`)

Copies in circulation differ byte for byte, so a copy is known by its content: columns, rows, ranges and a digest of its values.
This module knows no table reader: it is handed one.
"""

from __future__ import annotations

import http
import io
import os
import queue
import threading
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import requests
from numpy.typing import NDArray

from branchsweep import digest, environment
from branchsweep.errors import DataError, DownloadError

FILE_NAME = "Folds5x2_pp.xlsx"
"""What the repository calls the file."""

PAGE = "https://archive.ics.uci.edu/dataset/294/combined+cycle+power+plant"
"""Where a person finds the table."""

URL = "https://archive.ics.uci.edu/static/public/294/combined+cycle+power+plant.zip"
"""The zip with the table inside."""

DEADLINE = 10.0
"""Seconds without a first byte, or without a further one, after which a download is given up."""

LARGEST = 64 * 2**20
"""Bytes: whatever is larger is not this table (its zip has 3.6 MB)."""

Source = Literal["file", "cache", "download", "stand-in"]
Progress = Callable[[int, int], None]
"""Told the bytes received so far, and the bytes to come in all (0 if the server does not say)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table as its authors describe it.

    Args:
        meaning: For people.
        unit: For people.
        low: Smallest value.
        high: Largest value.
        mean: Mean of all rows.
        deviation: Standard deviation of all rows.
    """

    meaning: str
    unit: str
    low: float
    high: float
    mean: float
    deviation: float


COLUMNS: Mapping[str, Column] = {
    "AT": Column("ambient temperature", "degrees C", 1.81, 37.11, 19.651231, 7.452473),
    "V": Column("exhaust vacuum", "cm Hg", 25.36, 81.56, 54.305804, 12.707893),
    "AP": Column("ambient pressure", "millibar", 992.89, 1033.30, 1013.259078, 5.938784),
    "RH": Column("relative humidity", "%", 25.56, 100.16, 73.308978, 14.600269),
    "PE": Column("net hourly electrical energy output", "MW", 420.26, 495.76, 454.365009, 17.066995),
}
"""The published description, in the order of the file's columns."""

OTHER_NAMES: Mapping[str, str] = {"EP": "PE"}
"""Names that copies in circulation give a column."""

ROWS = 9568
"""Rows of the table."""

DECIMALS = 2
"""Decimals of every published value."""

DIGEST = "9d10d7eaa1a4a8047453779f9555d9f2ebbd29c956874da8ea53c22eaf16ec8c"
"""`digest.of_table` of the five columns."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where the table was found.

    Args:
        source: Which kind of place.
        path: The file; None for the stand-in.
        location: The place for people: a path or an address; for the stand-in, why there is nothing better.
    """

    source: Source
    path: Path | None
    location: str


def resolve(
    given: Path | None,
    read: Callable[[Path], Mapping[str, NDArray[np.float64]]],
    *,
    report: Callable[[str], None],
    progress: Progress,
    url: str | None = None,
    deadline: float = DEADLINE,
) -> Found:
    """The first place that has the table, in the order that the module's text gives.

    A file of the user's is taken as it is: whether it is the published table is told by `fault`.

    Args:
        given: The path given with `--data`, or None.
        read: Reads a file into its columns by name, NaN where there is no number. Raises DataError if it cannot.
        report: Told in sentences what takes time or goes wrong on the way.
        progress: Told how far a download is.
        url: The address to download from instead of the repository's.
        deadline: Seconds, see `DEADLINE`.

    Raises:
        DataError: A path given by the user leads nowhere.
    """
    named = _named(given)
    if named is not None:
        return Found("file", named, str(named))
    cached = environment.cache_folder() / FILE_NAME
    if cached.is_file():
        different = _fault_of_file(cached, read)
        if not different:
            return Found("cache", cached, str(cached))
        report(f"{cached}: not the published table ({different}), so it is fetched again")
    address = url or os.environ.get("BRANCHSWEEP_CCPP_URL") or URL
    try:
        report(f"downloading the power-plant table from {address}")
        download(address, cached, read, progress=progress, deadline=deadline)
    except DownloadError as error:
        return Found("stand-in", None, str(error))
    return Found("download", cached, address)


def _named(given: Path | None) -> Path | None:
    """The file that the user named, or put where it is looked for; None if there is none."""
    variable = os.environ.get("BRANCHSWEEP_CCPP")
    local = Path("data", FILE_NAME)
    if given is not None:
        path, who = given, "--data"
    elif variable:
        path, who = Path(variable).expanduser(), "the environment variable BRANCHSWEEP_CCPP"
    elif local.exists():
        path, who = local, "the working directory"
    else:
        return None
    if not path.is_file():
        raise DataError(
            f"got '{path}' from {who}, expected the power-plant table, but there is no such file; correct the path, or leave it"
            f" out to have the table downloaded",
        )
    return path


def fault(table: Mapping[str, NDArray[np.float64]]) -> str:
    """How a table differs from the published one, as half a sentence; empty if it does not.

    Values are compared to the decimals that are published: spreadsheet programs save 14.96 as 14.960000000000001.

    Args:
        table: Columns `(rows,)` by name, NaN where there is no number. Further columns do not matter.
    """
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        return f"it has no column {' and no column '.join(missing)}"
    rows = len(table["AT"])
    if rows != ROWS:
        return f"it has {rows:,} rows, not {ROWS:,}"
    values: NDArray[np.float64] = np.stack([table[name] for name in COLUMNS], axis=1).round(DECIMALS)
    for position, (name, column) in enumerate(COLUMNS.items()):
        low, high = values[:, position].min(), values[:, position].max()
        if not np.isfinite(low + high):
            return f"column {name} has values that are missing or not numbers"
        if (low, high) != (column.low, column.high):
            return f"column {name} reaches from {low:g} to {high:g}, not from {column.low:g} to {column.high:g}"
    return "" if digest.of_table(list(COLUMNS), values) == DIGEST else "columns, rows and ranges are right, but values differ"


def _fault_of_file(path: Path, read: Callable[[Path], Mapping[str, NDArray[np.float64]]]) -> str:
    try:
        return fault(read(path))
    except DataError as error:
        return error.message


def download(
    url: str,
    target: Path,
    read: Callable[[Path], Mapping[str, NDArray[np.float64]]],
    *,
    progress: Progress,
    deadline: float = DEADLINE,
) -> None:
    """Fetch the zip at `url` and store the table that it holds as `target`: the published one and whole, or not at all.

    Args:
        url: Address of a zip with the table somewhere inside, or of the xlsx itself.
        target: The file to make; its folder is made if it is not there.
        read: As of `resolve`.
        progress: As of `resolve`.
        deadline: As of `resolve`.

    Raises:
        DownloadError: There is no such address, nobody answers, the transfer breaks off or stalls, what arrives is not the
            published table, or the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    table = _unpacked(transfer(url, progress, deadline), url)
    part = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")  # beside the target, so that the last step is a rename
    try:
        part.write_bytes(table)
        different = _fault_of_file(part, read)
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


def transfer(url: str, progress: Progress, deadline: float = DEADLINE) -> bytes:
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
