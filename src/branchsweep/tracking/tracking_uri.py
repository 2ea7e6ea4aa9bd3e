"""The URI of a tracking store: checked, completed and taken apart, without importing MLflow."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from branchsweep.config.addresses import Address
from branchsweep.config.entry_points import ExtensionPoint
from branchsweep.errors import TrackingError, did_you_mean

SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql")
"""The kinds of stores: a file, a server, a database. Databases may name their driver: `postgresql+psycopg`."""

TRACKERS_OF_PACKAGES = ExtensionPoint(
    "branchsweep.trackers",
    "tracker",
    SCHEMES,
    "a function that takes a SweepRecord, the address and whether to start afresh, and returns a Tracking",
)
"""How other packages offer trackers: by the scheme of their addresses."""

_SQLITE = re.compile(r"^sqlite(\+\w+)?:///(?P<path>[^?]*)(\?(?P<options>.*))?$", re.DOTALL)

_EXAMPLES = "sqlite:///mlflow.db for a file, or http://127.0.0.1:5000 for a server"


def resolve_tracking_uri(tracking_uri: Address | None) -> Address:
    """The URI of a store in full, with absolute paths of files.

    Args:
        tracking_uri: As the user gave it. None: what `MLFLOW_TRACKING_URI` says, else MLflow's own default,
            `sqlite:///mlflow.db` in the working directory, where a plain `mlflow ui` finds it.

    Raises:
        TrackingError: It is no URI of a tracking store, or one of a kind that MLflow no longer supports.
    """
    given = tracking_uri or Address(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")
    shown = str(given)  # what is checked here, an address without its secrets has as well
    scheme, separator, rest = shown.partition(":")
    kind = _kind(given)
    if not separator or "/" in scheme:
        hint = f"; did you mean sqlite:///{shown}?" if shown.endswith((".db", ".sqlite")) else ""
        raise TrackingError(f"got tracking address '{shown}', expected {_EXAMPLES}{hint}")
    if kind == "file":
        raise TrackingError(f"got tracking address '{shown}', but MLflow has given up its file store; expected {_EXAMPLES}")
    if kind not in SCHEMES:
        if TRACKERS_OF_PACKAGES.load(kind):
            return given
        known = [*SCHEMES, *TRACKERS_OF_PACKAGES.names()]
        message = f"got tracking address '{shown}', expected one that begins with {', '.join(known)}"
        raise TrackingError(message + did_you_mean(kind, known))
    if kind != "sqlite":
        if not re.match(r"//[^/]", rest):
            raise TrackingError(f"got tracking address '{shown}', which names no host; expected {_EXAMPLES}")
        return given
    return _resolve_sqlite(shown)


def _resolve_sqlite(given: str) -> Address:
    """The URI of a SQLite file with its path in full."""
    match = _SQLITE.match(given)
    if match is None or match["path"] in ("", ":memory:"):
        raise TrackingError(
            f"got tracking address '{given}', which names no file to keep a sweep in; expected sqlite:///mlflow.db"
        )
    literal, path = (_in_full(text) for text in (match["path"], unquote(match["path"])))
    options = match["options"] or ""
    if options and not parse_qsl(options):
        raise TrackingError(f"got tracking address '{given}', where '?' begins options; write %3F for a '?' in a path")
    if literal != path and literal.parent.is_dir() and not path.parent.is_dir():
        raise TrackingError(f"got tracking address '{given}', where %XX stands for a character; write %25 for a '%' in a path")
    return Address(sqlite_uri(path) + (f"?{options}" if options else ""))


def _in_full(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except (OSError, RuntimeError) as error:  # the working directory was deleted, or there is no such user
        raise TrackingError(f"the path {path} of the tracking store has no meaning here ({error}): give it in full") from error


def sqlite_uri(file: Path) -> str:
    """The URI of a SQLite file.

    Args:
        file: Its path in full.

    Raises:
        TrackingError: SQLite cannot open a file of this name.
    """
    path = str(file)
    try:
        is_possible = "\0" not in path.encode().decode()
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise TrackingError(f"SQLite cannot open {path!r}, which is not valid UTF-8: name another store (--tracking-uri)")
    if "%" not in path and "?" not in path:  # what else a path may hold has no meaning in such a URI
        return f"sqlite:///{path}"
    # with the name of the driver, since MLflow makes the folder of a quoted path after "sqlite:///", beside the right one
    return f"sqlite+pysqlite:///{quote(path)}"


def database_file(tracking_uri: Address) -> Path | None:
    """The file of a resolved sqlite URI; None for other kinds."""
    match = _SQLITE.match(str(tracking_uri))
    return Path(unquote(match["path"])) if match else None


def store_folder(tracking_uri: Address | None) -> Path | None:
    """The folder of a store that is a file, with what is recorded beside it; None for other kinds.

    Args:
        tracking_uri: As of `resolve_tracking_uri`.
    """
    file = database_file(resolve_tracking_uri(tracking_uri))
    return file.parent if file else None


def is_of_package(tracking_uri: Address) -> bool:
    """Whether another package's tracker records at a resolved URI."""
    return _kind(tracking_uri) not in SCHEMES


def _kind(tracking_uri: Address) -> str:
    """The scheme without the driver of a database."""
    return str(tracking_uri).partition(":")[0].partition("+")[0]


def check_is_mlflow(tracking_uri: Address) -> None:
    """Check that a resolved URI is that of a store that MLflow opens.

    Raises:
        TrackingError: It is one of another package's tracker, which records sweeps and nothing else.
    """
    if is_of_package(tracking_uri):
        declared = TRACKERS_OF_PACKAGES.declared(_kind(tracking_uri))
        raise TrackingError(
            f"got tracking address '{tracking_uri}': {declared} records sweeps (branchsweep run) and nothing else; read them "
            "by that package, and for everything else name a store of MLflow, such as sqlite:///mlflow.db"
        )


def nothing_at(file: Path) -> str:
    """The message for reading from a store that does not exist."""
    return f"there is no tracking store at {file}: run a sweep first, or name another store (--tracking-uri)"


def artifact_location(tracking_uri: Address, name: str) -> str | None:
    """URI for the files of an experiment: in `mlruns/` beside the database; None for the default of a server or of MLflow."""
    file = database_file(tracking_uri)
    return (file.parent / "mlruns" / name).as_uri() if file else None


def is_server(tracking_uri: Address) -> bool:
    """Whether the store is behind a tracking server."""
    return str(tracking_uri).startswith(("http://", "https://"))
