"""Reads sweeps from a local store without MLflow, whose import takes seconds, so that `show` answers at once.

What MLflow's client does for a list of runs is a handful of SELECTs over six tables, and here they are, with Python's own
SQLite. This is safe for one reason: MLflow writes the revision of its schema into the database (Alembic's), and only
revisions that were compared with the client's answers (`tests/tracking/test_run_reader.py`) are read. Any other revision, any
other kind of store, and a file that does not open are left to MLflow's client. Nothing is ever written: SQLite refuses it.

Importing less of MLflow is not possible: each of its modules first imports the whole package, of which the store is the
smaller part. `benchmarks/show.py` measures what this saves.
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

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.metrics.names import CURVE, score_names
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.mlflow.serialization.titles import name_in
from branchsweep.tracking.run_records import Points, RunRecord
from branchsweep.tracking.tracking_uri import database_file

REVISIONS = frozenset({"dc11669786a5"})
"""The schemas that are known here: MLflow 3.17's."""

BUSY_SECONDS = 5.0
"""The timeout for a lock of a writing process; with a write-ahead log, which our stores have, readers need not wait."""

_RUNS = """
    FROM runs AS run JOIN tags AS mark ON mark.run_uuid = run.run_uuid AND mark.key = :key AND mark.value = :value
    JOIN experiments AS experiment ON experiment.experiment_id = run.experiment_id
    WHERE run.lifecycle_stage = 'active' AND """

_ROOTS = f"{_RUNS} experiment.lifecycle_stage = 'active'"

_TRIALS = f"{_RUNS} run.experiment_id = :experiment_id AND run.status != 'RUNNING'"

_TRIALS_BY_ID = f"{_ROOTS} AND run.status != 'RUNNING' AND run.run_uuid LIKE :beginning"

_INFO = "SELECT run.run_uuid, run.experiment_id, run.name, run.status, run.start_time, run.artifact_uri"

_IDS = "SELECT run.run_uuid"

_TAGS = "SELECT run_uuid, key, value FROM tags WHERE run_uuid IN"

_METRICS = "SELECT run_uuid, key, value, is_nan FROM latest_metrics WHERE run_uuid IN"

_NEWEST = "ORDER BY run.start_time IS NULL, run.start_time DESC, run.run_uuid"  # as MLflow orders, also runs of one time

_OLDEST = "ORDER BY run.start_time IS NULL, run.start_time ASC, run.run_uuid"


class SqliteRunStore:
    """A `RunStore` over the SQLite database of a store whose schema is known. Made by `open_sqlite_run_store`.

    Args:
        uri: The store's URI in full.
        file: The database.
    """

    def __init__(self, uri: Address, file: Path) -> None:
        self._uri, self._file = uri, file

    def roots(self, role: str) -> list[RunRecord]:
        """All runs of a role, `sweep` or `comparison`, the newest first."""
        return self._runs(_ROOTS, _NEWEST, {"key": tag_name("role"), "value": role})

    def trials(self, sweep: RunRecord) -> list[RunRecord]:
        """The trials of a sweep that are recorded completely, in order of their start."""
        values = {"key": tag_name("sweep"), "value": sweep.run_id, "experiment_id": int(sweep.experiment_id)}
        return self._runs(_TRIALS, _OLDEST, values)

    def find_trials(self, beginning: str) -> list[RunRecord]:
        """The trials of all sweeps that are recorded completely and whose run ids begin with this text."""
        values = {"key": tag_name("role"), "value": "trial", "beginning": f"{beginning}%"}
        return self._runs(_TRIALS_BY_ID, _OLDEST, values)

    def artifact(self, run: RunRecord, name: str) -> bytes | None:
        """A file of a run; fetched by MLflow where artifacts are no local files. None where there is none of this name.

        Raises:
            TrackingError: It cannot be read.
        """
        location = urlsplit(run.artifacts)
        if location.scheme not in {"", "file"} or location.netloc not in {"", "localhost"}:
            from branchsweep.tracking.mlflow.run_store import MlflowRunStore  # noqa: PLC0415  # what this module avoids

            return MlflowRunStore.open(self._uri).artifact(run, name)
        file = Path(unquote(location.path)) / name
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TrackingError(f"{file} cannot be read ({error})") from error

    def curves(self, trial: RunRecord, score_metrics: Mapping[str, str]) -> Mapping[str, Points]:
        """The learning curves of a trial by head, as far as they are recorded."""
        query = "SELECT step, value, is_nan FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY timestamp, step, value"
        names = score_names(score_metrics, CURVE, mean=False)
        points = {head: self._read([query], (trial.run_id, name))[0] for head, name in names.items()}
        return {head: [(step, _metric(value, nan)) for step, value, nan in rows] for head, rows in points.items() if rows}

    def _runs(self, condition: str, order: str, values: Mapping[str, Any]) -> list[RunRecord]:
        """The runs that a condition selects: one query for the runs, one for all their tags, one for all their metrics."""
        infos, tag_rows, metric_rows = self._read(
            [
                f"{_INFO} {condition} {order}",
                f"{_TAGS} ({_IDS} {condition})",
                f"{_METRICS} ({_IDS} {condition})",
            ],
            values,
        )
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for run_id, key, value in tag_rows:
            tags[run_id][key] = value
        metrics: dict[str, dict[str, float]] = defaultdict(dict)
        for run_id, key, value, nan in metric_rows:
            metrics[run_id][key] = _metric(value, nan)
        return [
            RunRecord(
                run_id=run_id,
                experiment_id=str(experiment_id),
                name=name_in(name or tags[run_id].get("mlflow.runName", ""), tags[run_id]),
                status=status,
                started=started or 0,
                artifacts=artifacts,
                tags=tags[run_id],
                metrics=metrics[run_id],
            )
            for run_id, experiment_id, name, status, started, artifacts in infos
        ]

    def _read(self, queries: Sequence[str], values: Any) -> list[list[Any]]:
        """The rows of several queries, all of the same state of the database."""
        try:
            with closing(connect(self._file)) as connection:
                connection.execute("BEGIN")
                return [connection.execute(query, values).fetchall() for query in queries]
        except sqlite3.Error as error:
            raise TrackingError(f"reading {self._file} failed ({error}): try again when no process writes to it") from error


def open_sqlite_run_store(uri: Address) -> SqliteRunStore | None:
    """The reader of a store's SQLite database; None for a store that only MLflow's client can read.

    Args:
        uri: The store's URI in full.
    """
    file = database_file(uri)
    if file is None or "?" in str(uri) or os.environ.get("MLFLOW_ENABLE_WORKSPACES"):
        return None
    try:
        with closing(connect(file)) as connection:
            revisions = {revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")}
    except sqlite3.Error:
        return None
    return SqliteRunStore(uri, file) if revisions and revisions <= REVISIONS else None


def connect(file: Path) -> sqlite3.Connection:
    """A connection to an existing file that cannot write.

    It is not opened read-only: that leaves the files of a write-ahead log behind, which the last connection should remove.
    """
    uri = f"{file.as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, timeout=BUSY_SECONDS, uri=True, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _metric(value: float, is_nan: int) -> float:
    return math.nan if is_nan else value
