"""Runs in an MLflow store, as MLflow's client reads them, and copies of such a store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient

from branchsweep.config.addresses import Address
from branchsweep.tracking.mlflow.run_tracker import RunTracker
from branchsweep.tracking.mlflow.tracker import MlflowTracker


def client_of(store: Address | RunTracker) -> MlflowClient:
    """MLflow's own client of a store, or of the store that a tracker records in."""
    uri = (store if isinstance(store, Address) else store.tracking_uri).with_secrets()
    return MlflowClient(uri, uri)


def trial_runs(tracker: MlflowTracker) -> list[tuple[int, str]]:
    """Numbers and statuses of the trials' runs, in order of their start."""
    client = client_of(tracker)
    query = f"tags.`mlflow.parentRunId` = '{tracker.run_id}'"
    runs = client.search_runs([tracker.experiment_id], query, order_by=["start_time ASC"])
    return [(int(run.data.tags["branchsweep.trial"]), run.info.status) for run in runs]


def copy_database(source: Path, target: Path) -> None:
    """Copy a database that others have open."""
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
