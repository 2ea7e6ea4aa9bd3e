"""Both readers of a store: MLflow's client, and the one that reads its SQLite database."""

from __future__ import annotations

from dataclasses import replace

from branchsweep.config.addresses import Address
from branchsweep.tracking import sqlite_reader
from branchsweep.tracking.mlflow.run_store import MlflowRunStore
from branchsweep.tracking.run_records import RunRecord
from branchsweep.tracking.sqlite_reader import SqliteRunStore

SCORE_METRICS = dict.fromkeys(["PE", "V", "nobody's"], "r2")


def sqlite_run_store(uri: Address) -> SqliteRunStore:
    """The reader that needs no MLflow."""
    store = sqlite_reader.open_sqlite_run_store(uri)
    assert store is not None
    return store


def assert_readers_agree(uri: Address) -> int:
    """Both readers give the same, to the last digit and in the same order; returns how many trials were compared."""
    sqlite_store, mlflow_store = sqlite_run_store(uri), MlflowRunStore.open(uri)
    sweeps = sqlite_store.roots("sweep")
    assert repr(_in_order(sweeps)) == repr(_in_order(mlflow_store.roots("sweep")))
    compared = 0
    for sweep in sweeps:
        trials = sqlite_store.trials(sweep)
        assert repr(_in_order(trials)) == repr(_in_order(mlflow_store.trials(sweep)))
        for name in ("experiment.yaml", "no such file", "no such folder/file"):
            assert sqlite_store.artifact(sweep, name) == mlflow_store.artifact(sweep, name)
        for trial in trials:
            assert [record.run_id for record in sqlite_store.find_trials(trial.run_id[:12])] == [trial.run_id]
            assert [record.run_id for record in mlflow_store.find_trials(trial.run_id[:12])] == [trial.run_id]
            assert repr(sqlite_store.curves(trial, SCORE_METRICS)) == repr(mlflow_store.curves(trial, SCORE_METRICS))
        compared += len(trials)
    return compared


def _in_order(entries: list[RunRecord]) -> list[RunRecord]:
    """Tags and metrics in one order, for neither reader promises any."""
    return [
        replace(entry, tags=dict(sorted(entry.tags.items())), metrics=dict(sorted(entry.metrics.items()))) for entry in entries
    ]
