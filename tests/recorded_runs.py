"""Runs in an MLflow store, as MLflow's client reads them."""

from __future__ import annotations

from mlflow import MlflowClient

from branchsweep.tracking.mlflow.tracker import MlflowTracker


def trial_runs(ledger: MlflowTracker) -> list[tuple[int, str]]:
    """Numbers and statuses of the trials' runs, in order of their start."""
    client = MlflowClient(ledger.tracking_uri, ledger.tracking_uri)
    query = f"tags.`mlflow.parentRunId` = '{ledger.run_id}'"
    runs = client.search_runs([ledger.experiment_id], query, order_by=["start_time ASC"])
    return [(int(run.data.tags["branchsweep.trial"]), run.info.status) for run in runs]
