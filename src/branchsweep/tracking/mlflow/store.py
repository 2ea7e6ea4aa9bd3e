"""Access to an MLflow store: connecting, searching in pages, writing in batches, and errors that say what to do.

Everything goes through `MlflowClient` with explicit URIs: no global tracking URI, no stack of active runs. MLflow is kept off
standard output, which is for results (`--json`), and off the network beyond the store.
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
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException

from branchsweep.errors import TrackingError, TrackingServerUnavailableError
from branchsweep.runtime import write_files
from branchsweep.tracking.mlflow.serialization import MetricPoint, tag_name
from branchsweep.tracking.run_records import RunRecord, select_run
from branchsweep.tracking.tracking_uri import database_file, is_server, nothing_at, resolve_tracking_uri, without_password

Opened = TypeVar("Opened")

if "MLFLOW_LOGGING_LEVEL" not in os.environ:
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # without its messages about database migrations
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its tracebacks; our errors name the reason
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its retries; likewise

CONNECT_SECONDS = 10
"""How long a store may take to answer for the first time. Later MLflow's own limits hold, since a server may be restarted."""

IMPATIENT_REQUESTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""MLflow's limits where the caller waits for a server that is away, and tells the user: by default MLflow waits 4 minutes."""

UNAVAILABLE_STATUSES = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""What a proxy answers for a server that is away. MLflow's client retries these; its client for artifacts does not."""

LOCK_SECONDS = 60
"""How long to wait for another process that changes the champion, which takes less than a second."""

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Ports of databases whose URI names none."""

PAGE = 1000
"""Runs in one page of a search."""

BATCH_METRICS, BATCH_TEXTS = 800, 100
"""Metrics, and params and tags each, in one batch: MLflow takes 1,000 in all, and 100 of either of the latter."""


def make_database(file: Path) -> None:
    """Create an empty MLflow database, at once: it is created under another name and moved, so that nobody finds half of one.

    Its journal is a write-ahead log: a reader does not block the sweep, and recording takes a quarter less time.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415  # takes a second, once per store

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
    """The client of a store that exists and answers.

    Args:
        uri: The store's URI in full.
        create: Whether to create a sqlite file that does not exist.

    Raises:
        TrackingError: There is no usable store at this URI.
    """
    file = database_file(uri)
    if file is not None:
        _check_file(file, create)
    elif not is_server(uri):
        _connect_to_database(uri)
    for variable in (MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT):
        # set for good: a thread that copies the environment must not see them disappear
        os.environ.setdefault(variable.name, str(variable.default))
    limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(CONNECT_SECONDS)}
    with translate_errors(uri, "connecting"), environment(limits):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _check_file(file: Path, create: bool) -> None:
    """Raise TrackingError unless the file is a database; create it if asked to."""
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
    """Raise TrackingError unless a database answers: MLflow itself would try for minutes."""
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


@contextmanager
def translate_errors(uri: str, doing: str) -> Iterator[None]:
    """Turn MLflow's exceptions into TrackingErrors that say what was done where, and what to do about it.

    Args:
        uri: The store's URI in full.
        doing: What is done in the context, as the subject of "failed".

    Raises:
        TrackingServerUnavailableError: Nobody answers at the server's URI, or a proxy says that the server is away.
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
    """Whether an exception was caused by a server that does not answer, or by a proxy that answers for it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, requests.ConnectionError | requests.Timeout | requests.exceptions.RetryError):
            return True
        response = cause.response if isinstance(cause, requests.HTTPError) else None
        if response is not None and response.status_code in UNAVAILABLE_STATUSES:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _reason(error: BaseException) -> str:
    """The first line of an exception's innermost cause, which is that of the network or the database."""
    is_from_network = "failed with exception" in str(error)  # where MLflow does not name the cause as one
    while cause := error.__cause__ or (error.__context__ if is_from_network else None):
        error = cause
    return first_line(error)


@contextmanager
def store_lock(uri: str) -> Iterator[None]:
    """A context for one process at a time, for a store that is a file; other processes wait.

    A file beside the database is locked, and free again when its process is killed. Other stores have no such lock.

    Args:
        uri: The store's URI in full.

    Raises:
        TrackingError: Another process has had the lock for too long.
    """
    file = database_file(uri)
    if file is None:
        yield
        return
    lock = FileLock(file.with_name(f"{file.name}.lock"))
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        message = f"another process has held {file}.lock for {LOCK_SECONDS} s: is a promotion stuck there?"
        raise TrackingError(message) from error
    try:
        yield
    finally:
        lock.release()


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, at most 300 characters."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 300 else lines[0][:297] + "…"


def is_absent(error: MlflowException) -> bool:
    """Whether MLflow says that there is no such model, version or alias (which has no code of its own)."""
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or ("alias" in str(error) and "not found" in str(error))


def experiments(client: MlflowClient, view: int = ViewType.ACTIVE_ONLY) -> list[str]:
    """The ids of all experiments, deleted ones included if `view` says so."""
    ids: list[str] = []
    token: str | None = None
    while True:
        page = client.search_experiments(view, max_results=PAGE, page_token=token)
        ids += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            return ids


def search_runs(
    client: MlflowClient, within: list[str], query: str, order: str = "start_time ASC", view: int = ViewType.ACTIVE_ONLY
) -> Iterator[Run]:
    """The runs of these experiments that a query selects, page by page."""
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
    """A context without garbage collection: while runs are read, all objects are alive, and it takes two thirds of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def experiment_id(client: MlflowClient, name: str, location: str | None) -> str:
    """The id of the experiment of this name, which is created if it does not exist.

    Args:
        client: Of the store.
        name: The experiment's name.
        location: URI for its files; None for the store's default.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            # MLflow shows it as an experiment of model training, not of GenAI
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return str(client.create_experiment(name, artifact_location=location, tags=kind))
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process may have created it
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"MLflow's experiment '{name}' was deleted: restore it (mlflow experiments restore -x {experiment.experiment_id}), "
            "or give yours another name"
        )
    return str(experiment.experiment_id)


def newest_run(client: MlflowClient, within: str, role: str, key: str) -> Run | None:
    """The newest run of this role and key in an experiment, or None."""
    query = f"{tag_filter('role', role)} AND {tag_filter('key', key)}"
    runs = client.search_runs([within], query, max_results=1, order_by=["start_time DESC"])
    return runs[0] if runs else None


def select_parent(parents: Sequence[Run], given: str, what: str, uri: str) -> Run:
    """The run that a user names; see `select_run`.

    Raises:
        TrackingError: There is no such run, or more than one.
    """
    selected = select_run([to_run(parent) for parent in parents], given, uri, what)
    return next(parent for parent in parents if parent.info.run_id == selected.run_id)


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
    """A query for the runs whose tag `name` of ours has this value."""
    return f"tags.`{tag_name(name)}` = '{value}'"


def log_batches(
    client: MlflowClient,
    run_id: str,
    points: Sequence[MetricPoint] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log metrics, params and tags of a run: in one batch, which is written completely or not at all, or in several if needed.

    Metrics that are not finite are left out.
    """
    now = now_in_milliseconds()
    metrics = [Metric(name, value, now, step) for name, value, step in points if math.isfinite(value)]
    run_params = [Param(name, value) for name, value in (params or {}).items()]
    run_tags = [RunTag(name, value) for name, value in (tags or {}).items()]
    batches = max(-(-len(metrics) // BATCH_METRICS), -(-max(len(run_params), len(run_tags)) // BATCH_TEXTS))
    for index in range(batches):
        texts = slice(index * BATCH_TEXTS, (index + 1) * BATCH_TEXTS)
        numbers = slice(index * BATCH_METRICS, (index + 1) * BATCH_METRICS)
        client.log_batch(run_id, metrics[numbers], run_params[texts], run_tags[texts])


def now_in_milliseconds() -> int:
    """The time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def log_files(client: MlflowClient, run_id: str, files: Mapping[str, str | bytes]) -> None:
    """Log files as artifacts of a run, all at once; names may contain folders."""
    if not files:
        return
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
        write_files(Path(folder), files)
        client.log_artifacts(run_id, folder)


def root_runs(client: MlflowClient, role: str) -> list[Run]:
    """All runs of a role, `sweep` or `comparison`, the newest first."""
    return list(search_runs(client, experiments(client), tag_filter("role", role), "start_time DESC"))


def open_run(tracking_uri: str | None, role: str, named: str, read: Callable[[MlflowClient, Run], Opened]) -> Opened:
    """What is read from the run that a user names.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        role: `sweep` or `comparison`.
        named: See `select_run`.
        read: Called with the store's client and the run.

    Raises:
        TrackingError: There is no such run, or more than one; or the store did not answer.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = connect(uri, create=False)
    with translate_errors(uri, f"looking for the {role}"):
        return read(client, select_parent(root_runs(client, role), named, role, uri))


def finished_trials(client: MlflowClient, experiment_id: str, sweep: str) -> Iterator[Run]:
    """The trials of a sweep that are recorded completely, in order of their start.

    Args:
        client: Of the store.
        experiment_id: The sweep's experiment in MLflow.
        sweep: Its run id.
    """
    return search_runs(client, [experiment_id], f"{tag_filter('sweep', sweep)} AND status != 'RUNNING'")


def read_artifact(client: MlflowClient, run_id: str, name: str) -> bytes | None:
    """A file of a run; None where there is none of this name."""
    folder = name.rpartition("/")[0]
    if name not in {file.path for file in client.list_artifacts(run_id, folder or None)}:
        return None
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as target:
        return Path(client.download_artifacts(run_id, name, target)).read_bytes()
