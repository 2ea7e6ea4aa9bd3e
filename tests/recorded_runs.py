"""Runs in an MLflow store, as MLflow's client reads them."""

from __future__ import annotations

from mlflow import MlflowClient

from branchsweep.tracking.mlflow.tracker import MlflowTracker


def trial_runs(tracker: MlflowTracker) -> list[tuple[int, str]]:
    """Numbers and statuses of the trials' runs, in order of their start."""
    client = MlflowClient(tracker.tracking_uri, tracker.tracking_uri)
    query = f"tags.`mlflow.parentRunId` = '{tracker.run_id}'"
    runs = client.search_runs([tracker.experiment_id], query, order_by=["start_time ASC"])
    return [(int(run.data.tags["branchsweep.trial"]), run.info.status) for run in runs]
