"""Reads and writes runs in an MLflow store: searches in pages, batches, files, and a lock for a store that is a file."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.runtime import temporary_folder, write_files
from branchsweep.tracking.mlflow import request_limits
from branchsweep.tracking.mlflow.connection import connect
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.mlflow.serialization.titles import name_in
from branchsweep.tracking.mlflow.serialization.trials import MetricPoint
from branchsweep.tracking.run_records import RunRecord, select_run
from branchsweep.tracking.tracking_uri import database_file, resolve_tracking_uri

Opened = TypeVar("Opened")

LOCK_SECONDS = 60
"""How long to wait for another process that changes the champion, which takes less than a second."""

PAGE = 1000
"""Runs in one page of a search."""

BATCH_METRICS, BATCH_TEXTS = 800, 100
"""Metrics, and params and tags each, in one batch: MLflow takes 1,000 in all, and 100 of either of the latter."""


@contextmanager
def store_lock(uri: Address) -> Iterator[None]:
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


def select_parent(parents: Sequence[Run], given: str, what: str, uri: Address) -> Run:
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
        name=name_in(str(run.info.run_name or ""), run.data.tags),
        status=str(run.info.status),
        started=run.info.start_time or 0,
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
    with temporary_folder() as folder:
        write_files(folder, files)
        client.log_artifacts(run_id, str(folder))


def root_runs(client: MlflowClient, role: str) -> list[Run]:
    """All runs of a role, `sweep` or `comparison`, the newest first."""
    return list(search_runs(client, experiments(client), tag_filter("role", role), "start_time DESC"))


def open_run(tracking_uri: Address | None, role: str, named: str, read: Callable[[MlflowClient, Run], Opened]) -> Opened:
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
    """A file of a run; None where there is none of this name.

    Raises:
        TrackingError: It is larger than any file that branchsweep keeps.
    """
    folder = name.rpartition("/")[0]
    file = next((file for file in client.list_artifacts(run_id, folder or None) if file.path == name), None)
    if file is None:
        return None
    if (file.file_size or 0) > request_limits.MOST_FILE_BYTES:
        most = f"{request_limits.MOST_FILE_BYTES >> 20:,} MiB"
        raise TrackingError(
            f"{name} of run {run_id[:8]} has {file.file_size:,} bytes, more than {most}: was it replaced in the store?"
        )
    with temporary_folder() as target:
        return Path(client.download_artifacts(run_id, name, str(target))).read_bytes()
