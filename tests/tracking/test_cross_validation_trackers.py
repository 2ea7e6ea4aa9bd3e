"""The contract of the trackers of outer cross-validations, over memory and over MLflow; and what MLflow's store holds."""

from __future__ import annotations

import math
from typing import Protocol

import pytest

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.tracking.cross_validation_protocols import CrossValidationTracker
from branchsweep.tracking.memory import MemoryCrossValidationTracker, MemoryStore
from branchsweep.tracking.mlflow.cross_validation import MlflowCrossValidationTracker
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.protocols import OuterRun, SweepConclusion, SweepRecord, TableRecord
from branchsweep.tracking.run_reader import (
    list_cross_validations,
    list_sweeps,
    open_recorded_sweep,
    recorded_cross_validation,
)
from contracts.results import example_result
from contracts.tracking_records import sweep_record
from recorded_runs import client_of

CONCLUSION = SweepConclusion({"r2/PE": 0.9, "rrmse/mean": 0.1}, '{"scores": "½"}')


class OpenCrossValidation(Protocol):
    """Opens a tracker over one store, as often as it is called: each call stands for a process of its own."""

    def __call__(self, record: SweepRecord, fresh: bool = False) -> CrossValidationTracker: ...


class CrossValidationTrackerContract:
    def test_recorded_folds_are_read_back_by_another_process(self, opened: OpenCrossValidation) -> None:
        first = opened(sweep_record())
        assert (first.recorded_parts(), first.conclusion) == ({}, None)
        first.record_part("fold-1", {"predictions": [[0.1 + 0.2, 5e-324]], "fold": None})
        again = opened(sweep_record())
        assert again.run_id == first.run_id
        assert again.recorded_parts() == {"fold-1": {"predictions": [[0.1 + 0.2, 5e-324]], "fold": None}}
        assert opened(sweep_record(), fresh=True).recorded_parts() == {}
        assert opened(sweep_record("other")).run_id != first.run_id

    def test_what_it_finished_with_is_read_back(self, opened: OpenCrossValidation) -> None:
        opened(sweep_record()).finish(CONCLUSION, "R² 0.9", {"predictions.csv": "row\n"}, "# Done")
        assert opened(sweep_record()).conclusion == CONCLUSION

    def test_data_that_json_cannot_express_is_refused(self, opened: OpenCrossValidation) -> None:
        with pytest.raises(ValueError, match="JSON"):
            opened(sweep_record()).record_part("fold-1", math.nan)


class TestMemoryCrossValidation(CrossValidationTrackerContract):
    @pytest.fixture
    def opened(self) -> OpenCrossValidation:
        store = MemoryStore()
        return lambda record, fresh=False: MemoryCrossValidationTracker.open(record, store, fresh)


class TestMlflowCrossValidation(CrossValidationTrackerContract):
    @pytest.fixture
    def opened(self, mlflow_store: Address) -> OpenCrossValidation:
        return lambda record, fresh=False: MlflowCrossValidationTracker.open(record, mlflow_store, fresh)


def test_the_sweep_of_a_fold_is_below_the_cross_validation_and_found_by_its_name(mlflow_store: Address) -> None:
    outer = MlflowCrossValidationTracker.open(sweep_record(), mlflow_store)
    record = sweep_record("first", name="contract-fold-1", outer=OuterRun("contract", outer.run_id))
    sweep = MlflowTracker.open(record, mlflow_store)
    sweep.record([example_result(0)])
    sweep.lock.release()
    assert sweep.experiment_id == outer.experiment_id
    run = client_of(sweep).get_run(sweep.run_id)
    assert run.data.tags["mlflow.parentRunId"] == outer.run_id
    assert [listed.name for listed in list_sweeps(mlflow_store)] == ["contract-fold-1"]
    assert open_recorded_sweep(mlflow_store, "contract-fold-1").recorded_results()[0].trial == example_result(0).trial
    assert MlflowTracker.open(record, mlflow_store).is_resumed


def test_a_cross_validation_is_listed_and_read_by_its_name(mlflow_store: Address) -> None:
    tracker = MlflowCrossValidationTracker.open(sweep_record(), mlflow_store)
    assert [(listed.status, listed.answer) for listed in list_cross_validations(mlflow_store)] == [("RUNNING", "")]
    tracker.record_part("fold-1", {"fold": 1})
    unfinished = recorded_cross_validation(mlflow_store, "contract")
    assert unfinished.conclusion is None and unfinished.yaml == sweep_record().yaml
    assert [unfinished.part(f"fold-{number}") for number in (1, 2)] == [{"fold": 1}, None]
    tracker.finish(CONCLUSION, "R² 0.9", {})
    (listed,) = list_cross_validations(mlflow_store)
    assert (listed.name, listed.status, listed.answer) == ("contract", "FINISHED", "R² 0.9")
    assert recorded_cross_validation(mlflow_store, "contract").conclusion == CONCLUSION
    assert recorded_cross_validation(mlflow_store, tracker.run_id[:8]).conclusion == CONCLUSION
    with pytest.raises(TrackingError, match="contract-fold-1"):
        open_recorded_sweep(mlflow_store, "contract")


def test_a_table_of_test_rows_is_an_input_of_its_own(mlflow_store: Address) -> None:
    table, test_table = (TableRecord("file", f"/{name}", name, 9, name) for name in ("a.csv", "b.csv"))
    tracker = MlflowTracker.open(sweep_record(table=table, test_table=test_table), mlflow_store)
    inputs = client_of(tracker).get_run(tracker.run_id).inputs
    assert inputs is not None
    found = {(given.dataset.name, given.tags[0].value) for given in inputs.dataset_inputs}
    assert found == {("a.csv", "training"), ("b.csv", "testing")}
