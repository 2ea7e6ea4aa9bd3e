"""The test audit in MLflow: a tag of each sweep's run names the models that were evaluated on its test rows, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from branchsweep.config.addresses import Address
from branchsweep.config.codec import from_json, to_json
from branchsweep.errors import UnreadableRecordError
from branchsweep.tracking.champion_history import UNKNOWN_TIME
from branchsweep.tracking.mlflow.connection import address_of
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.serialization.tags import from_tags, parse_tag, to_tags
from branchsweep.tracking.mlflow.store import experiments, log_batches, search_runs, tag_filter

EVALUATIONS = "test_evaluations"
"""The tag with a list of evaluations as JSON."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation on the test rows, with the names that it has in the store.

    Args:
        who: The model.
        when: ISO 8601, UTC.
    """

    who: str
    when: str


class MlflowTestAudit:
    """A `TestAudit` in MLflow.

    Args:
        client: Of the store.
        run_id: The run of the sweep whose evaluations are recorded.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id

    def record_evaluation(self, name: str) -> None:
        """Record on the sweep's run that a model was evaluated on its test rows; the same name counts once.

        Raises:
            TrackingError: The store refused it.
        """
        with translate_errors(self._uri, "recording an evaluation on the test rows"):
            evaluations = _evaluations(self._client.get_run(self._run_id))
            if all(evaluation.who != name for evaluation in evaluations):
                evaluations.append(Evaluation(name, datetime.now(UTC).isoformat(timespec="seconds")))
                tags = to_tags({EVALUATIONS: to_json(evaluations, list[Evaluation])})
                log_batches(self._client, self._run_id, tags=tags)

    def evaluations(self, test_digest: str) -> int:
        """How many models were evaluated on these test rows, in all sweeps of the store, deleted ones included.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, "counting the evaluations on the test rows"):
            all_experiments = experiments(self._client, ViewType.ALL)
            query = f"{tag_filter('role', 'sweep')} AND {tag_filter('test_digest', test_digest)}"
            sweeps = search_runs(self._client, all_experiments, query, view=ViewType.ALL)
            return sum(len(_evaluations(sweep)) for sweep in sweeps)

    @property
    def _uri(self) -> Address:
        return address_of(self._client)


def _evaluations(sweep: Run) -> list[Evaluation]:
    """The evaluations that a sweep has recorded; one of an unknown model where that cannot be read."""
    own = from_tags(sweep.data.tags)
    try:
        return parse_tag(own, EVALUATIONS, partial(from_json, list[Evaluation]), "[]")
    except UnreadableRecordError:
        return [Evaluation("unknown", UNKNOWN_TIME)]
