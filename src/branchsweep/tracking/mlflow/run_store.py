"""Reads recorded sweeps and comparisons with MLflow's client."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow import MlflowClient

from branchsweep.config.addresses import Address
from branchsweep.metrics.names import CURVE, score_names
from branchsweep.tracking.mlflow.connection import connect
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.store import (
    experiments,
    finished_trials,
    read_artifact,
    root_runs,
    search_runs,
    tag_filter,
    to_run,
)
from branchsweep.tracking.run_records import Points, RunRecord


class MlflowRunStore:
    """A `RunStore` over any store of MLflow. Made by `open`.

    Args:
        client: Of the store.
        uri: The store's URI in full.
    """

    def __init__(self, client: MlflowClient, uri: Address) -> None:
        self._client, self._uri = client, uri

    @classmethod
    def open(cls, uri: Address) -> MlflowRunStore:
        """The store at a URI in full.

        Raises:
            TrackingError: There is none.
        """
        return cls(connect(uri, create=False), uri)

    def roots(self, role: str) -> list[RunRecord]:
        """All runs of a role, `sweep` or `comparison`, the newest first.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, f"listing the {role}s"):
            return [to_run(run) for run in root_runs(self._client, role)]

    def trials(self, sweep: RunRecord) -> list[RunRecord]:
        """The trials of a sweep that are recorded completely, in order of their start.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, "reading the sweep"):
            return [to_run(run) for run in finished_trials(self._client, sweep.experiment_id, sweep.run_id)]

    def find_trials(self, beginning: str) -> list[RunRecord]:
        """The trials of all sweeps that are recorded completely and whose run ids begin with this text.

        Raises:
            TrackingError: The store did not answer.
        """
        query = f"{tag_filter('role', 'trial')} AND attributes.run_id LIKE '{beginning}%' AND status != 'RUNNING'"
        with translate_errors(self._uri, "looking for the trial"):
            return [to_run(run) for run in search_runs(self._client, experiments(self._client), query)]

    def artifact(self, run: RunRecord, name: str) -> bytes | None:
        """A file of a run; None where there is none of this name.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, f"reading {name}"):
            return read_artifact(self._client, run.run_id, name)

    def curves(self, trial: RunRecord, score_metrics: Mapping[str, str]) -> Mapping[str, Points]:
        """The learning curves of a trial by head, as far as they are recorded.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, "reading the learning curves"):
            names = score_names(score_metrics, CURVE, mean=False)
            curves = {head: self._client.get_metric_history(trial.run_id, name) for head, name in names.items()}
        found = {head: [point for point in points if point.key == names[head]] for head, points in curves.items()}
        return {head: [(point.step, point.value) for point in points] for head, points in found.items() if points}
