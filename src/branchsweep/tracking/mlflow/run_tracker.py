"""What the trackers of sweeps and comparisons share: each is one run of an experiment, found again by its key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.config.addresses import Address
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.mlflow.connection import address_of, connect
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.store import experiment_id, newest_run
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.tracking.tracking_uri import artifact_location, resolve_tracking_uri


class RunTracker:
    """The run of a whole sweep or comparison, with the client of its store.

    Args:
        client: Of the store.
        parent: The run, which the runs of trials or contestants belong to.
    """

    def __init__(self, client: MlflowClient, parent: Run) -> None:
        self._client = client
        self._parent = parent

    @property
    def run_id(self) -> str:
        """The run of the sweep or comparison."""
        return str(self._parent.info.run_id)

    @property
    def experiment_id(self) -> str:
        """The experiment in MLflow."""
        return str(self._parent.info.experiment_id)

    @property
    def tracking_uri(self) -> Address:
        """The store's URI in full."""
        return address_of(self._client)


@contextmanager
def open_experiment(
    role: str, record: SweepRecord | ComparisonRecord, tracking_uri: Address | None, fresh: bool
) -> Iterator[tuple[MlflowClient, str, Run | None]]:
    """The client of a store, the id of the record's experiment, and the run to resume, if there is one.

    The experiment is created if it does not exist; while the context is open, MLflow's errors are translated.

    Args:
        role: `sweep` or `comparison`.
        record: Gives the experiment's name, and the key by which the run is found.
        tracking_uri: The store; see `resolve_tracking_uri`. A sqlite file that does not exist is created.
        fresh: Resume no run.

    Raises:
        TrackingError: There is no usable store at this URI.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = connect(uri, create=True)
    with translate_errors(uri, f"opening the {role}"):
        experiment = experiment_id(client, record.name, artifact_location(uri, record.name))
        yield client, experiment, None if fresh else newest_run(client, experiment, role, record.key)
