"""The way to an MLflow store: knocking, the client, searching in pages, and errors that say what to do.

Everything goes through `MlflowClient` with explicit addresses: no global address, no stack of active runs. MLflow is kept off
standard output, where `--json` speaks, and off the network beyond the store.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import requests
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException

from branchsweep.errors import TrackingError, TrackingServerUnavailableError
from branchsweep.runtime import write_files
from branchsweep.tracking.mlflow.serialization import MetricPoint, tag_name
from branchsweep.tracking.run_records import RunRecord, select_run
from branchsweep.tracking.tracking_uri import database_file, is_server, nothing_at, resolve_tracking_uri, without_password

Made = TypeVar("Made")

if "MLFLOW_LOGGING_LEVEL" not in os.environ:
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # without its diary of database migrations
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its tracebacks; we tell the reason
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # what is tried again; likewise

CONNECT_SECONDS = 10
"""How long a store may take to answer for the first time. Later MLflow's own patience holds, and a server may be restarted."""

IMPATIENT_REQUESTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""MLflow's patience with a server where somebody above has more of it, and wants to tell of it: else it is four minutes."""

UNAVAILABLE_STATUSES = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""What is answered in the place of a server that is away. MLflow's client retries these itself; its artifacts' does not."""

LOCK_SECONDS = 60
"""How long one waits for another process that changes who reigns; it takes less than a second."""

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Where databases listen if their address does not say."""

PAGE = 1000
"""Runs that are read at once."""

BATCH_METRICS, BATCH_WORDS = 800, 100
"""What one batch holds of numbers, and of params and of tags: MLflow takes 1,000 in all, and 100 of either."""


def make_database(file: Path) -> None:
    """Make an empty MLflow database, all at once: it is made elsewhere and moved, so that nobody ever finds half of one.

    Its journal is a write-ahead log: a browser that reads does not hold up the sweep, and recording takes a quarter less.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415  # costs a second, once in a store's life

    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{file.name}.new-", dir=file.parent) as folder:
        draft = Path(folder) / file.name
        connection = sqlite3.connect(draft)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        with translate_errors(str(file), "creating the tracking store"):
            root = (file.parent / "mlruns").as_uri()
            SqlAlchemyStore(f"sqlite:///{draft}", root).engine.dispose()  # type: ignore[no-untyped-call]  # MLflow's
        try:
            file.hardlink_to(draft)  # unlike a rename, it fails if another process was faster
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            draft.rename(file)


def connect(uri: str, create: bool) -> MlflowClient:
    """The client of a store that is there and answers."""
    file = database_file(uri)
    if file is not None:
        _check_file(file, create)
    elif not is_server(uri):
        _connect_to_database(uri)
    for variable in (MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT):
        # there for good: a thread that copies the environment must not see them vanish
        os.environ.setdefault(variable.name, str(variable.default))
    patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(CONNECT_SECONDS)}
    with translate_errors(uri, "connecting"), environment(patience):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _check_file(file: Path, create: bool) -> None:
    """Raises TrackingError unless the file is a database; makes it if it is not there."""
    try:
        if not file.exists():
            if not create:
                raise TrackingError(nothing_at(file))
            make_database(file)
        connection = sqlite3.connect(file)
        try:
            connection.execute("PRAGMA schema_version")
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(
            f"{file} cannot be used as a tracking store ({error}): name another file (--tracking-uri)"
        ) from error


def _connect_to_database(uri: str) -> None:
    """Raises TrackingError unless a database answers: MLflow itself would try for minutes."""
    try:
        url = sqlalchemy.make_url(uri)
        port = url.port or PORTS.get(url.get_backend_name())
        if url.host and port:
            socket.create_connection((url.host, port), timeout=CONNECT_SECONDS).close()
        sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool).connect().close()
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"{without_password(uri)} needs a driver that is not installed: pip install {error.name}"
        ) from error
    except (OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise TrackingError(
            f"no tracking store answers at {without_password(uri)} ({_reason(error)}): is it running?"
        ) from error


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables, for as long as it takes."""
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


@contextmanager
def translate_errors(uri: str, doing: str) -> Iterator[None]:
    """Turns MLflow's exceptions into LedgerErrors that say what was done where, and what to do about it.

    Raises:
        TrackingServerUnavailableError: Nobody answers at the server's address, or who does says that it is away.
        TrackingError: Any other refusal.
    """
    try:
        yield
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        where, reason = without_password(uri), _reason(error)
        if is_server(uri) and _is_away(error):
            advice = "is an MLflow server running there, and may you use it?"
            raise TrackingServerUnavailableError(f"{doing} failed at {where}: {reason} ({advice})") from error
        if "out-of-date database schema" in reason:
            advice = f"back it up, then run: mlflow db upgrade {where}"
        elif is_server(uri):
            advice = "is an MLflow server running there, and may you use it?"
        else:
            advice = "what was recorded is safe; run the same command again to go on"
        raise TrackingError(f"{doing} failed at {where}: {reason} ({advice})") from error


def _is_away(error: BaseException) -> bool:
    """Whether an exception was caused by a server that does not answer, or by answers that are given in its place."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, requests.ConnectionError | requests.Timeout | requests.exceptions.RetryError):
            return True
        if isinstance(at, requests.HTTPError) and at.response is not None and at.response.status_code in UNAVAILABLE_STATUSES:
            return True
        at = at.__cause__ or at.__context__
    return False


def _reason(error: BaseException) -> str:
    """The first line of an exception's innermost cause: what the network or the database said, not who passed it on."""
    is_of_network = "failed with exception" in str(error)  # where MLflow does not name the cause as one
    while below := error.__cause__ or (error.__context__ if is_of_network else None):
        error = below
    return first_line(error)


@contextmanager
def store_lock(uri: str) -> Iterator[None]:
    """One process at a time, for a store that is a file: whoever else comes waits.

    What is locked is an empty database beside the file, as SQLite locks on every system; a process that is killed lets go.
    Other stores have no such lock.

    Raises:
        TrackingError: Somebody has been at it for too long.
    """
    file = database_file(uri)
    if file is None:
        yield
        return
    lock = sqlite3.connect(file.with_name(f"{file.name}.lock"), timeout=LOCK_SECONDS, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            message = f"another process has held {file}.lock for {LOCK_SECONDS} s ({error}): is a promotion stuck there?"
            raise TrackingError(message) from error
        yield
    finally:
        lock.close()


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, not too long."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 300 else lines[0][:297] + "…"


def is_absent(error: MlflowException) -> bool:
    """Whether MLflow says that there is no such model, version or alias (for which it has a code of its own)."""
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or ("alias" in str(error) and "not found" in str(error))


def experiments(client: MlflowClient, view: int = ViewType.ACTIVE_ONLY) -> list[str]:
    """The ids of all experiments, those that were deleted too if `view` says so."""
    found: list[str] = []
    token: str | None = None
    while True:
        page = client.search_experiments(view, max_results=PAGE, page_token=token)
        found += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            return found


def search_runs(
    client: MlflowClient, within: list[str], query: str, order: str = "start_time ASC", view: int = ViewType.ACTIVE_ONLY
) -> Iterator[Run]:
    """The runs of these experiments that the query finds, however many."""
    token: str | None = None
    while True:
        with _collector_paused():
            page = client.search_runs(within, query, view, max_results=PAGE, order_by=[order], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for cyclic garbage while runs are read: among so many objects, all alive, it takes two thirds of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def experiment_id(client: MlflowClient, name: str, location: str | None) -> str:
    """The id of the experiment of this name, made if it is not there."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            # of two views that MLflow has of an experiment, the one for models
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return str(client.create_experiment(name, artifact_location=location, tags=kind))
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process may have been faster
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"MLflow's experiment '{name}' was deleted: restore it (mlflow experiments restore -x {experiment.experiment_id}), "
            "or give yours another name"
        )
    return str(experiment.experiment_id)


def newest_run(client: MlflowClient, within: str, role: str, key: str) -> Run | None:
    """The newest run of this role and key in an experiment."""
    query = f"{tag_filter('role', role)} AND {tag_filter('key', key)}"
    runs = client.search_runs([within], query, max_results=1, order_by=["start_time DESC"])
    return runs[0] if runs else None


def select_parent(parents: Sequence[Run], given: str, what: str, uri: str) -> Run:
    """The run that somebody means.

    Args:
        parents: Those that there are, the newest first.
        given: A run id, the beginning of one, or a name, which means the newest of that name. Empty: the newest of all.
        what: What they are, for the message: `sweep` or `comparison`.
        uri: Where they are.

    Raises:
        TrackingError: It is none of them, or more than one.
    """
    meant = select_run([to_run(parent) for parent in parents], given, uri, what)
    return next(parent for parent in parents if parent.info.run_id == meant.run_id)


def to_run(run: Run) -> RunRecord:
    """A run as a plain value."""
    return RunRecord(
        run_id=str(run.info.run_id),
        experiment_id=str(run.info.experiment_id),
        name=str(run.info.run_name or ""),
        status=str(run.info.status),
        started=run.info.start_time,
        artifacts=str(run.info.artifact_uri),
        tags=run.data.tags,
        metrics=run.data.metrics,
    )


def tag_filter(name: str, value: str) -> str:
    """What finds runs that have our tag `name` of this value."""
    return f"tags.`{tag_name(name)}` = '{value}'"


def log_batches(
    client: MlflowClient,
    run_id: str,
    points: Sequence[MetricPoint] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write these about a run: in one batch, which the store takes whole or not at all, or in several if they do not fit in it.

    What is no finite number is left out.
    """
    moment = now_in_milliseconds()
    metrics = [Metric(name, value, moment, step) for name, value, step in points if math.isfinite(value)]
    words = [Param(name, value) for name, value in (params or {}).items()]
    labels = [RunTag(name, value) for name, value in (tags or {}).items()]
    batches = max(-(-len(metrics) // BATCH_METRICS), -(-max(len(words), len(labels)) // BATCH_WORDS))
    for place in range(batches):
        some = slice(place * BATCH_WORDS, (place + 1) * BATCH_WORDS)
        client.log_batch(run_id, metrics[place * BATCH_METRICS : (place + 1) * BATCH_METRICS], words[some], labels[some])


def now_in_milliseconds() -> int:
    """The time in milliseconds, as MLflow has it."""
    return time.time_ns() // 1_000_000


def log_files(client: MlflowClient, run_id: str, files: Mapping[str, str | bytes]) -> None:
    """Files as artifacts of a run, all in one go, laid out as their names say."""
    if not files:
        return
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
        write_files(Path(folder), files)
        client.log_artifacts(run_id, folder)


def root_runs(client: MlflowClient, role: str) -> list[Run]:
    """All runs of a store that are a `sweep`, or a `comparison`, the newest first."""
    return list(search_runs(client, experiments(client), tag_filter("role", role), "start_time DESC"))


def open_run(tracking_uri: str | None, role: str, named: str, made: Callable[[MlflowClient, Run], Made]) -> Made:
    """What is made of the run that somebody names, of all that are a `sweep`, or a `comparison`.

    Args:
        tracking_uri: The store; see `address.resolve`.
        role: Which.
        named: See `listing.chosen`.
        made: From the store's client and the run.

    Raises:
        TrackingError: There is no such run, or more than one; or the store did not answer.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = connect(uri, create=False)
    with translate_errors(uri, f"looking for the {role}"):
        return made(client, select_parent(root_runs(client, role), named, role, uri))
