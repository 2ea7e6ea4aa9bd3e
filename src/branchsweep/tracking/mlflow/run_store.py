"""Reads recorded sweeps and comparisons with MLflow's client."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow import MlflowClient

from branchsweep.metrics.names import CURVE, score_names
from branchsweep.tracking.mlflow.store import (
    connect,
    root_runs,
    to_run,
    translate_errors,
)
from branchsweep.tracking.mlflow.tracker import experiment_yaml, finished_trials
from branchsweep.tracking.run_records import Points, RunRecord


class MlflowRunStore:
    """Plays `listing.Shelf` by MLflow's client, over any store.

    Args:
        client: Of the store.
        uri: Its address in full.
    """

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client, self._uri = client, uri

    @classmethod
    def open(cls, uri: str) -> MlflowRunStore:
        """The store at an address in full.

        Raises:
            TrackingError: There is none.
        """
        return cls(connect(uri, create=False), uri)

    def roots(self, role: str) -> list[RunRecord]:
        """All runs that are a `sweep`, or a `comparison`, the newest first.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, f"listing the {role}s"):
            return [to_run(run) for run in root_runs(self._client, role)]

    def trials(self, sweep: RunRecord) -> list[RunRecord]:
        """The trials of a sweep that were written to their end, in order of their beginning.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, "reading the sweep"):
            return [to_run(run) for run in finished_trials(self._client, sweep.experiment_id, sweep.run_id)]

    def experiment(self, sweep: RunRecord) -> str:
        """The YAML of a sweep as it was run.

        Raises:
            TrackingError: It is not there.
        """
        with translate_errors(self._uri, "reading the experiment"):
            return experiment_yaml(self._client, sweep.run_id)

    def curves(self, trial: RunRecord, score_metrics: Mapping[str, str]) -> Mapping[str, Points]:
        """The learning curves of a trial by head, as far as they were written down.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, "reading the learning curves"):
            names = score_names(score_metrics, CURVE, mean=False)
            found = {head: self._client.get_metric_history(trial.run_id, name) for head, name in names.items()}
        return {head: [(point.step, point.value) for point in points] for head, points in found.items() if points}
