"""Networks of a user's own function: trained by Keras's fit on the rows, seeds and rungs of all other networks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import built_networks
from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import ALL_ROWS, TrainingRows, training_rows
from branchsweep.errors import BackendError
from branchsweep.models import serving
from branchsweep.models.built_network import BuildError, BuiltNetwork, build
from branchsweep.models.codegen import script_from_manifest
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.training import packing
from branchsweep.training.lanes import Lane, LaneOutcome, search_lanes
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import EndCause, Status, Trial
from branchsweep.workflows.builder_check import check_builder
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.sweep import run_sweep
from fakes import RecordingProgress
from served_alone import predict_alone


def experiment(builder: str = "built_networks:residual", **changes: Any) -> Experiment:
    """A head of numbers and one of two classes, one of the initial trials with units for which the function fails."""
    written = {
        "name": "built",
        "table": {"source": "built.csv", "inputs": ["a", "b"]},
        "heads": {"level": {}, "high": {"task": "binary", "classes": ["no", "yes"]}},
        "space": {
            "builder": builder,
            "dimensions": {
                "units": {"type": "int", "low": 4, "high": 12},
                "learning_rate": {"type": "float", "low": 0.005, "high": 0.02},
            },
            "fixed": {"batch_size": 32, "blocks": 1, "level.loss_weight": 2.0},
        },
        "search": {"driver": "random", "trials": 3, "batch": 3},
        "fit": {"epochs": 4},
        "pruning": {"rungs": [2], "keep": 0.5},
        "validation": {"method": "hold_out", "fraction": 0.25},
        "confirmation": {"trials": 1, "folds": 2, "seeds": 1},
        "promotion": {"model": "built"},
    }
    return Experiment.model_validate({**written, **changes})


def table() -> Dataset:
    x = np.random.default_rng(0).normal(size=(240, 2))
    y = np.stack([x[:, 0] * x[:, 1] + x[:, 0], (x[:, 0] > 0.1).astype(float)], axis=1)
    return Dataset("file", "built.csv", ("a", "b"), ("level", "high"), x, y, digest="built")


def rows(chosen: Experiment) -> TrainingRows:
    return training_rows(table(), split_rows(chosen, table()))


def lane_of(chosen: Experiment, units: int = 6) -> Lane:
    return search_lanes(Trial(0, {"units": units, "learning_rate": 0.02}), chosen)[0]


def trained(chosen: Experiment, lane: Lane, trainer: PopulationTrainer | None = None) -> LaneOutcome:
    (population,) = packing.pack([lane], chosen)
    return (trainer or PopulationTrainer(rows(chosen))).train_one(population, keep_weights=True).lanes[0]


@pytest.mark.slow
def test_a_network_that_pauses_at_a_rung_ends_as_one_that_does_not() -> None:
    chosen = experiment()
    trainer, lane = PopulationTrainer(rows(chosen)), lane_of(chosen)
    whole = trained(chosen, lane, trainer)
    first = trained(chosen, replace(lane, stop=2, pauses=True), trainer)
    assert first.state is not None
    trained(chosen, lane_of(chosen, units=5), trainer)  # in the same process, in between
    second = trained(chosen, replace(lane, state=first.state), trainer)
    np.testing.assert_array_equal(second.predictions, whole.predictions)
    np.testing.assert_array_equal(second.curve, whole.curve)
    assert second.state is None
    assert whole.curve.shape == (4, 2)
    assert np.isfinite(whole.predictions).all()


@pytest.mark.slow
def test_a_refit_has_no_validation_rows_to_stop_it_early() -> None:
    chosen = experiment(fit={"epochs": 4, "early_stopping": {"patience": 1}})
    lane = lane_of(chosen)
    outcome = trained(chosen, replace(lane, key=replace(lane.key, fold=ALL_ROWS), stop=4))
    assert (outcome.epochs, outcome.failed_at) == (4, 0)


@pytest.mark.slow
def test_the_metric_that_the_objective_names_chooses_the_epoch() -> None:
    chosen, last = (
        experiment(objective={"maximize": ["mae/level"]}, fit={"epochs": 4, "keep": keep}) for keep in ("best", "last")
    )
    lane, own = lane_of(chosen), rows(chosen)
    actual = own.y[own.fold_rows(0)[1], 0]
    predicted = [trained(last, replace(lane, stop=epoch)).predictions for epoch in range(1, 5)]
    errors = [float(np.abs(values[:, 0] - actual).mean()) for values in predicted]
    outcome = trained(chosen, lane)
    assert outcome.epochs == 1 + int(np.argmin(errors))
    np.testing.assert_array_equal(outcome.predictions, predicted[outcome.epochs - 1])


@pytest.mark.slow
def test_the_exported_network_predicts_what_was_scored(tmp_path: Path) -> None:
    chosen = experiment(fit={"epochs": 3, "keep": "last"})
    trainer, lane = PopulationTrainer(rows(chosen)), lane_of(chosen)
    outcome = trained(chosen, lane, trainer)
    assert outcome.weights is not None
    assert outcome.epochs == 3
    everything = [(np.arange(len(trainer.rows.x)),) * 2]
    trainer.use_rows(replace(trainer.rows, folds=tuple(everything)))
    again = trained(chosen, lane, trainer)
    assert again.weights is not None
    trainer.export(tmp_path, ExportedModel.of(chosen, [ModelMember(lane.recipe, again.weights)]))
    np.testing.assert_allclose(trainer.predict(tmp_path, trainer.rows.x), again.predictions, rtol=1e-4, atol=1e-5)


def test_a_function_that_fails_for_some_values_fails_for_their_trial_alone() -> None:
    outcome = trained(experiment(), lane_of(experiment(), units=13))
    assert outcome.failed_at == 1
    assert "ValueError: 13 units bring bad luck" in outcome.error


WRONG = {
    "nothing": "NoneType",
    "unnamed": "without named outputs",
    "one_head": "outputs level; expected level, high",
    "other_inputs": r"input \(None, 3\); expected \(None, 2\)",
    "other_units": r"output level is \(None, 2\); expected \(None, 1\)",
    "sigmoids": "output level ends with sigmoid; expected a linear",
    "softmax_last": "output level ends with softmax",
    "own_layer": "your class Doubled",
    "absent": "has no function absent",
    "failing": "ZeroDivisionError: always for",
    "failin": "did you mean 'failing'",
    "ending": r"it calls sys.exit\(3\)",
}
"""By function of `built_networks`, what the message says."""


@pytest.mark.parametrize("function", WRONG)
def test_a_function_that_cannot_be_used_is_one_message_before_anything_is_trained(function: str) -> None:
    with pytest.raises(BackendError, match=rf"built_networks.*{WRONG[function]}") as error:
        check_builder(experiment(f"built_networks:{function}"), print)
    assert error.value.where == "space.builder"


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(BuildError, match=r"absent_module cannot be imported .* PYTHONPATH"):
        check_builder(experiment("absent_module:build"), print)


@pytest.mark.parametrize(
    ("code", "said"), [("import absent_package", "'absent_package'"), ("import sys; sys.exit(4)", "sys.exit")]
)
def test_a_module_whose_own_import_fails_is_not_looked_for_elsewhere(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_networks.py").write_text(code, encoding="utf-8")
    with pytest.raises(BuildError, match=said) as error:
        check_builder(experiment("broken_networks:build"), print)
    assert "PYTHONPATH" not in str(error.value)


def test_a_function_changes_nothing_of_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path.cwd(), keras.config.dtype_policy().name
    model = build(BuiltNetwork("built_networks:untidy", {}), 2, {"level": 1})
    assert model.layers[-1].dtype_policy.name == "mixed_bfloat16"
    assert (Path.cwd(), keras.config.dtype_policy().name) == before
    assert capsys.readouterr() == ("", "building\n")


def test_users_are_told_how_such_networks_train() -> None:
    said: list[str] = []
    check_builder(experiment(), said.append)
    assert "one at a time by Keras's fit" in said[0]


def test_the_parameters_of_a_network_are_those_of_its_keras_model() -> None:
    chosen = experiment()
    recipe = recipe_for(chosen, {"units": 4, "learning_rate": 0.01})
    by_hand = (2 + 1) * 4 + (4 + 1) * 4 + 2 * (4 + 1)
    assert recipe.parameters(chosen.table.inputs.values()) == by_hand


@pytest.mark.slow
def test_a_sweep_registers_a_network_that_is_served_and_trained_by_its_script_where_branchsweep_is_not(tmp_path: Path) -> None:
    fails = {"units": 13, "learning_rate": 0.01}
    chosen = experiment(search={"driver": "random", "trials": 3, "batch": 3, "initial_trials": {"fails": fails}})
    dataset, store = table(), MemoryStore()
    split = split_rows(chosen, dataset)
    tracker = MemoryTracker.open(new_sweep_record(chosen, dataset, split), store)
    own = training_rows(dataset, split)
    context = SweepContext(
        chosen, dataset, split, TrainingContext(PopulationTrainer(own), own, RecordingProgress()), tracker.tracking
    )
    result = run_sweep(context, open_driver(chosen), [Baseline("linear_regression")])
    scores = [recorded.score for recorded in tracker.recorded_results()]
    assert (scores[0].status, scores[0].cause) == (Status.FAILED, EndCause.ERROR)
    assert "bad luck" in scores[0].reason
    assert {score.status for score in scores[1:]} == {Status.COMPLETE, Status.PRUNED}
    assert result.registered is not None
    folder = tmp_path / "model"
    folder.mkdir()
    for name, content in store.files["built", 1].items():
        (folder / name).write_bytes(content)
    shutil.copy(serving.__file__, folder / "serving.py")
    frame = pd.DataFrame(dataset.x, columns=["a", "b"])
    predicted = predict_alone(folder, frame.head())
    assert set(predicted["high"]) <= {"yes", "no"}
    manifest = json.loads((folder / "serving.json").read_text(encoding="utf-8"))
    (tmp_path / "script.py").write_text(script_from_manifest("built", manifest), encoding="utf-8")
    frame["level"], frame["high"] = dataset.y[:, 0], np.where(dataset.y[:, 1] > 0, "yes", "no")
    frame.to_csv(tmp_path / "t.csv", index=False)
    shutil.copy(built_networks.__file__, tmp_path)
    done = subprocess.run([sys.executable, "script.py", "t.csv"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "level:" in done.stdout
