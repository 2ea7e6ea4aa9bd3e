"""Reads sweeps from a local store without MLflow, whose import alone takes seconds: `show` should answer at once.

What MLflow's client does for a list of runs is a handful of SELECTs over six tables, and here they are, with Python's own
SQLite. That is safe for one reason: MLflow writes the revision of its schema into the database (Alembic's), and only
revisions that were compared with the client's answers (`tests/test_reading.py`) are read. Any other revision, any other kind of
store, and a file that does not open are left to MLflow's own client. Nothing is ever written: SQLite is told to refuse it.

Importing less of MLflow is no way: each of its modules begins with the whole package, of which the store alone is the smaller
part. `benchmarks/show.py` measures what this saves.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from branchsweep.errors import TrackingError
from branchsweep.metrics.names import CURVE, score_names
from branchsweep.tracking.mlflow.serialization import tag_name
from branchsweep.tracking.run_records import EXPERIMENT, Points, RunRecord
from branchsweep.tracking.tracking_uri import database_file

REVISIONS = frozenset({"dc11669786a5"})
"""The schemas that are known here: MLflow 3.17's."""

PATIENCE_SECONDS = 5.0
"""How long to wait for somebody who writes; with a write-ahead log, which our stores have, nobody waits."""

_RUNS = """
    FROM runs AS run JOIN tags AS mark ON mark.run_uuid = run.run_uuid AND mark.key = :key AND mark.value = :value
    JOIN experiments AS experiment ON experiment.experiment_id = run.experiment_id
    WHERE run.lifecycle_stage = 'active' AND """

_ROOTS = f"{_RUNS} experiment.lifecycle_stage = 'active'"

_TRIALS = f"{_RUNS} run.experiment_id = :experiment_id AND run.status != 'RUNNING'"

_INFO = "SELECT run.run_uuid, run.experiment_id, run.name, run.status, run.start_time, run.artifact_uri"

_IDS = "SELECT run.run_uuid"

_TAGS = "SELECT run_uuid, key, value FROM tags WHERE run_uuid IN"

_METRICS = "SELECT run_uuid, key, value, is_nan FROM latest_metrics WHERE run_uuid IN"

_NEWEST = "ORDER BY run.start_time IS NULL, run.start_time DESC, run.run_uuid"  # as MLflow orders, also of one time

_OLDEST = "ORDER BY run.start_time IS NULL, run.start_time ASC, run.run_uuid"


class SqliteRunStore:
    """Plays `listing.Shelf` over the SQLite file of a store whose schema is known.

    Args:
        uri: The store's address in full.
        file: The file.
    """

    def __init__(self, uri: str, file: Path) -> None:
        self._uri, self._file = uri, file

    def roots(self, role: str) -> list[RunRecord]:
        """All runs that are a `sweep`, or a `comparison`, the newest first."""
        return self._entries(_ROOTS, _NEWEST, {"key": tag_name("role"), "value": role})

    def trials(self, sweep: RunRecord) -> list[RunRecord]:
        """The trials of a sweep that were written to their end, in order of their beginning."""
        words = {"key": tag_name("sweep"), "value": sweep.run_id, "experiment_id": int(sweep.experiment_id)}
        return self._entries(_TRIALS, _OLDEST, words)

    def experiment(self, sweep: RunRecord) -> str:
        """The YAML of a sweep as it was run; fetched by MLflow where its artifacts are no local files.

        Raises:
            TrackingError: It is not there.
        """
        place = urlsplit(sweep.artifacts)
        if place.scheme not in {"", "file"} or place.netloc not in {"", "localhost"}:
            from branchsweep.tracking.mlflow.run_store import MlflowRunStore  # noqa: PLC0415  # what this module is there to avoid

            return MlflowRunStore.open(self._uri).experiment(sweep)
        file = Path(unquote(place.path)) / EXPERIMENT
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise TrackingError(f"the experiment of the sweep {sweep.name} cannot be read ({error}): was it moved?") from error

    def curves(self, trial: RunRecord, score_metrics: Mapping[str, str]) -> Mapping[str, Points]:
        """The learning curves of a trial by head, as far as they were written down."""
        query = "SELECT step, value, is_nan FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY timestamp, step, value"
        names = score_names(score_metrics, CURVE, mean=False)
        found = {head: self._read(query, (trial.run_id, name)) for head, name in names.items()}
        return {head: [(step, _figure(value, nan)) for step, value, nan in rows] for head, rows in found.items() if rows}

    def _entries(self, which: str, order: str, words: Mapping[str, Any]) -> list[RunRecord]:
        """The runs that a query finds: one question for the runs, one for all their tags, one for all their metrics."""
        infos, marks, figures = self._read_all(
            [
                f"{_INFO} {which} {order}",
                f"{_TAGS} ({_IDS} {which})",
                f"{_METRICS} ({_IDS} {which})",
            ],
            words,
        )
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for run_id, key, value in marks:
            tags[run_id][key] = value
        metrics: dict[str, dict[str, float]] = defaultdict(dict)
        for run_id, key, value, nan in figures:
            metrics[run_id][key] = _figure(value, nan)
        return [
            RunRecord(
                run_id=run_id,
                experiment_id=str(experiment_id),
                name=name or tags[run_id].get("mlflow.runName", ""),
                status=status,
                started=started,
                artifacts=artifacts,
                tags=tags[run_id],
                metrics=metrics[run_id],
            )
            for run_id, experiment_id, name, status, started, artifacts in infos
        ]

    def _read(self, query: str, words: Sequence[Any]) -> list[Any]:
        return self._read_all([query], words)[0]

    def _read_all(self, queries: Sequence[str], words: Any) -> list[list[Any]]:
        """The answers to several questions at one moment of the store."""
        try:
            with closing(connect(self._file)) as connection:
                connection.execute("BEGIN")
                return [connection.execute(query, words).fetchall() for query in queries]
        except sqlite3.Error as error:
            raise TrackingError(f"reading {self._file} failed ({error}): try again when nobody writes into it") from error


def open_sqlite_run_store(uri: str) -> SqliteRunStore | None:
    """The light reader of a store, or None for one that is MLflow's client's to read.

    Args:
        uri: The store's address in full.
    """
    file = database_file(uri)
    if file is None or "?" in uri or os.environ.get("MLFLOW_ENABLE_WORKSPACES"):
        return None
    try:
        with closing(connect(file)) as connection:
            found = {revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")}
    except sqlite3.Error:
        return None
    return SqliteRunStore(uri, file) if found and found <= REVISIONS else None


def connect(file: Path) -> sqlite3.Connection:
    """A connection that cannot write, to a file that is there.

    It is not opened read-only: that leaves the files of a write-ahead log behind, which the last one to go should take away.
    """
    uri = f"{file.as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, timeout=PATIENCE_SECONDS, uri=True, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _figure(value: float, is_nan: int) -> float:
    return math.nan if is_nan else value
