"""Runs in an MLflow store, as MLflow's client reads them, and copies of such a store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient

from branchsweep.tracking.mlflow.tracker import MlflowTracker


def trial_runs(tracker: MlflowTracker) -> list[tuple[int, str]]:
    """Numbers and statuses of the trials' runs, in order of their start."""
    client = MlflowClient(tracker.tracking_uri, tracker.tracking_uri)
    query = f"tags.`mlflow.parentRunId` = '{tracker.run_id}'"
    runs = client.search_runs([tracker.experiment_id], query, order_by=["start_time ASC"])
    return [(int(run.data.tags["branchsweep.trial"]), run.info.status) for run in runs]


def copy_database(source: Path, target: Path) -> None:
    """Copy a database that others have open."""
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
