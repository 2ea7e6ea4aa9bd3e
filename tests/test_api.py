"""The Python API: its names, what importing it costs, and a sweep on a DataFrame from beginning to end."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import branchsweep
from branchsweep import Comparison, Experiment, Sweep, UserError
from branchsweep.config.addresses import Address
from branchsweep.tracking.open import load_predictor
from branchsweep.trial import Result
from branchsweep.workflows.callbacks import RunningSearch

NAMES = {
    *(
        "BranchedClassifier",
        "BranchedRegressor",
        "Callback",
        "Choice",
        "Column",
        "Comparison",
        "ComparisonResult",
        "CrossValidationResult",
    ),
    *("Experiment", "Float", "Head", "Int", "Model", "ModelHistory", "Sweep", "UserError", "__version__", "compare"),
    *("cross_validate", "history", "load_model", "load_sweep", "new_experiment", "rollback", "sweep"),
}

HEAVY = ("pydantic", "numpy", "pandas", "tensorflow", "keras", "mlflow", "optuna", "sklearn", "rich", "matplotlib")


def boiler(rows: int = 200) -> pd.DataFrame:
    """Two inputs, two targets that follow from them, and a column that nobody names."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"load": rng.normal(10, 2, rows), "wind": rng.normal(0, 1, rows), "note": "x"})
    return frame.assign(
        heat=3 * frame["load"] + frame["wind"], steam=frame["load"] - 2 * frame["wind"] + rng.normal(0, 0.1, rows)
    )


def experiment(**changes: object) -> Experiment:
    """A small experiment on the rows of `boiler`."""
    written: dict[str, object] = {
        "name": "boiler",
        "table": {"source": "dataframe", "inputs": ["load", "wind"]},
        "heads": {"heat": {"unit": "MW"}, "steam": {}},
        "space": {"dimensions": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}}},
        "search": {"driver": "random", "trials": 3},
        "fit": {"epochs": 4},
        "validation": {"method": "hold_out"},
        "confirmation": {"trials": 1, "folds": 2, "seeds": 1},
    }
    return Experiment.model_validate({**written, **changes})


def call(name: str, /, *arguments: Any, **options: Any) -> object:
    """What a public function returns."""
    return getattr(branchsweep, name)(*arguments, **options)


def test_public_names_are_locked() -> None:
    assert set(branchsweep.__all__) == set(dir(branchsweep)) == NAMES
    assert all(getattr(branchsweep, name) is not None for name in NAMES)
    with pytest.raises(AttributeError):
        branchsweep.Tracker  # noqa: B018  # it is not public


def test_importing_the_package_loads_no_library() -> None:
    code = f"import sys, branchsweep; print(*sorted(sys.modules.keys() & {set(HEAVY)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a store that the tests of this module share."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


class Recorder(branchsweep.Callback):
    """Keeps what it is called with; interrupts the search, or ends it, after so many trials."""

    def __init__(self, interrupt_after: int = 0, stop_after: int = 0) -> None:
        self.trials: list[int] = []
        self.rounds: list[list[int]] = []
        self._interrupt_after, self._stop_after = interrupt_after, stop_after

    def on_trial(self, search: RunningSearch, result: Result) -> None:
        self.trials.append(result.number)
        if len(self.trials) == self._interrupt_after:
            raise KeyboardInterrupt
        if len(self.trials) == self._stop_after:
            search.stop("enough")

    def on_round(self, search: RunningSearch, results: Sequence[Result]) -> None:
        self.rounds.append([result.number for result in results])


PROMOTED = {"promotion": {"model": "boiler"}, "search": {"driver": "random", "trials": 4, "batch": 2}}


@pytest.fixture(scope="module")
def result(store: str) -> Sweep:
    """A sweep on a DataFrame that has registered its model."""
    seen = Recorder()
    swept = branchsweep.sweep(experiment(**PROMOTED), boiler(), tracking_uri=store, workers=1, verbose=False, callbacks=[seen])
    assert sorted(seen.trials) == [0, 1, 2, 3] and seen.rounds == [[0, 1], [2, 3]] and swept.status == "FINISHED"
    return swept


@pytest.mark.slow
def test_a_sweep_that_was_interrupted_in_a_cell_is_resumed_by_the_same_call(store: str) -> None:
    asked, first, second = experiment(**{**PROMOTED, "name": "interrupted"}), Recorder(interrupt_after=3), Recorder()
    with pytest.raises(KeyboardInterrupt):
        branchsweep.sweep(asked, boiler(), tracking_uri=store, workers=1, verbose=False, callbacks=[first])
    interrupted = branchsweep.load_sweep("interrupted", store)
    assert (interrupted.status, interrupted.summary, len(interrupted.trials)) == ("INTERRUPTED", None, 3)
    assert interrupted.best_trial == max(interrupted.trials, key=lambda trial: trial.value)
    assert len(interrupted.plot("optimization_history")) == 2 and "interrupted" in interrupted._repr_html_()
    with pytest.raises(UserError, match="finished"):
        interrupted.best_model  # noqa: B018  # it has none
    resumed = branchsweep.sweep(asked, boiler(), tracking_uri=store, workers=1, verbose=False, callbacks=[second])
    assert resumed.run_id == interrupted.run_id and resumed.status == "FINISHED"
    assert sorted(first.trials + second.trials) == [0, 1, 2, 3] and second.rounds == [[2, 3]]


class TestSweepOnADataFrame:
    def test_trials_are_a_data_frame_with_the_best_first(self, result: Sweep) -> None:
        trials = result.trials_dataframe()
        assert len(trials) == len(result.trials) == 4
        assert {"trial", "status", "r2/heat", "r2/steam", "r2/mean", "learning_rate"} <= set(trials.columns)
        complete = trials[trials["status"] == "COMPLETE"]
        assert complete["r2/mean"].is_monotonic_decreasing

    def test_the_best_trial_is_one_of_the_recorded_ones(self, result: Sweep) -> None:
        best = result.best_trial
        assert best is not None and best in result.trials
        assert math.isfinite(best.value) and result.best_params["learning_rate"] == best.params["learning_rate"]
        assert f"best trial {best.number}" in repr(result)

    def test_the_scores_of_the_finalist_are_a_data_frame(self, result: Sweep) -> None:
        scores, summary = result.scores_dataframe(), result.summary
        assert summary is not None and summary.test_scores is not None
        assert scores.loc[:, ("test", "steam")].iloc[0] == summary.test_scores["steam"]

    def test_a_notebook_shows_its_best_trial_its_scores_and_its_trials(self, result: Sweep) -> None:
        page, best = result._repr_html_(), result.best_trial
        assert best is not None and f"finalist: trial {best.number}" in page
        assert page.count("<table") == 2 and "heat" in page and "boiler version 1" in page

    def test_figures_are_axes_that_pyplot_shows(self, result: Sweep) -> None:
        panels = result.plot()
        assert len(panels) == 4 and panels[0].figure.number in plt.get_fignums()
        assert len(result.plot("parallel_coordinates")) == 1
        plt.close("all")
        with pytest.raises(UserError, match="20 trials"):
            result.plot("importance")
        with pytest.raises(UserError, match="learning_curves"):
            result.plot("learning_curve")  # type: ignore[arg-type]  # what is refused

    def test_the_best_model_is_the_registered_one(self, result: Sweep, store: str) -> None:
        predicted = result.best_model.predict(boiler())
        assert list(predicted.columns) == ["heat", "steam"]
        for rows in (boiler().to_numpy(), boiler()["load"], [1.0, 2.0]):
            with pytest.raises(UserError, match="DataFrame of pandas with the columns load, wind"):
                result.best_model.predict(rows)  # type: ignore[arg-type]  # what is refused
        registered = branchsweep.load_model("models:/boiler@champion", store)
        pd.testing.assert_frame_equal(predicted, registered.predict(boiler()))
        assert (registered.inputs, registered.units) == (["load", "wind"], {"heat": "MW", "steam": ""})
        served = load_predictor("models:/boiler@champion", Address(store))(boiler())
        np.testing.assert_allclose(predicted, served, rtol=1e-6)
        assert list(registered.inputs_dataframe()["input"]) == ["load", "wind"] and "heat (MW)" in registered._repr_html_()

    def test_the_same_call_resumes_and_trains_nothing(self, result: Sweep, store: str) -> None:
        again = branchsweep.sweep(experiment(**PROMOTED), boiler(), tracking_uri=store, verbose=False)
        assert again.run_id == result.run_id
        assert branchsweep.load_sweep("boiler", store).run_id == result.run_id

    def test_versions_and_champions_are_data_frames(self, result: Sweep, store: str) -> None:
        history, best = branchsweep.history("boiler", store), result.best_trial
        assert best is not None and history.versions_dataframe()["trial"].tolist() == [best.number]
        assert history.champions_dataframe()["version"].tolist() == [1] and "boiler" in history._repr_html_()
        with pytest.raises(UserError):
            branchsweep.rollback("boiler", store)  # there is no earlier champion

    @pytest.mark.slow
    def test_a_trial_that_is_named_is_promoted_and_rolled_back(self, result: Sweep, store: str) -> None:
        other = next(trial.number for trial in reversed(result.trials) if trial != result.best_trial)
        outcome = result.promote(boiler(), trial=other, workers=1, verbose=False)
        assert outcome.trial == other and outcome.registered is not None and outcome.test.keys() == {"heat", "steam"}
        versions = branchsweep.history("boiler", store).versions_dataframe()
        assert versions["trial"].iloc[0] == other
        if outcome.promoted:
            assert branchsweep.rollback("boiler", store).restored == 1


@pytest.mark.slow
def test_an_outer_cross_validation_scores_every_row_and_is_not_run_again(store: str) -> None:
    outer = experiment(name="outer", test={"folds": 2}, search={"driver": "random", "trials": 1})
    first = branchsweep.cross_validate(outer, boiler(), tracking_uri=store, workers=1, verbose=False)
    assert [fold.test_rows for fold in first.folds] == [100, 100]
    assert math.isfinite(first.scores["rrmse"].mean)
    again = branchsweep.cross_validate(outer, boiler(), tracking_uri=store, workers=1, verbose=False)
    assert again.run_id == first.run_id and again.scores == first.scores
    assert len(branchsweep.load_sweep("outer-fold-2", store).trials) == 1
    for wrong, run in ((outer, branchsweep.sweep), (experiment(), branchsweep.cross_validate)):
        with pytest.raises(UserError, match=r"test\.folds"):
            run(wrong, boiler(), tracking_uri=store, workers=1, verbose=False)


def test_rows_that_are_passed_in_python_are_missing_without_them(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        branchsweep.sweep(experiment(), tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", verbose=False)
    assert caught.value.where == "table.source" and "dataframe" in str(caught.value)


def test_an_experiment_and_a_comparison_from_yaml() -> None:
    root = Path(__file__).parents[1] / "experiments"
    assert Experiment.from_yaml(root / "quickstart.yaml").name == "quickstart"
    assert list(Comparison.from_yaml(str(root / "compare.yaml")).contestants)


def test_a_first_experiment_follows_from_a_data_frame_or_a_file(tmp_path: Path) -> None:
    frame = boiler().assign(zone=["hot", "cold"] * 100)
    frame.to_csv(tmp_path / "boiler.csv", index=False)
    first = branchsweep.new_experiment(frame, ["heat", "steam"], "boiler")
    assert first.table.source == "dataframe" and list(first.heads) == ["heat", "steam"] and first.promotion is not None
    assert set(first.space.dimensions) >= {"trunk.depth", "learning_rate"} and "heat" not in first.table.inputs
    of_file = branchsweep.new_experiment(str(tmp_path / "boiler.csv"), ["heat", "steam"], "boiler")
    assert of_file.space == first.space and of_file.table.source == str(tmp_path / "boiler.csv")
    with pytest.raises(UserError, match=r"'heta'.*did you mean 'heat'"):
        branchsweep.new_experiment(frame, ["heta"])


@pytest.mark.parametrize("wrong", [{"data": [1, 2]}, {"workers": 0}, {"workers": True}, {"callbacks": [print]}])
def test_arguments_of_the_wrong_kind_are_the_users_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        branchsweep.sweep(experiment(), **wrong)
    assert caught.value.where in wrong


COMPARISON = Path(__file__).parents[1] / "experiments" / "compare.yaml"


@pytest.mark.parametrize(
    ("wrong", "where", "remedy"),
    [
        (lambda: call("sweep", "x.yaml"), "experiment", "Experiment.from_yaml('x.yaml')"),
        (lambda: call("cross_validate", Path("x.yaml")), "experiment", "Experiment.from_yaml('x.yaml')"),
        (lambda: call("compare", "x.yaml"), "comparison", "Comparison.from_yaml('x.yaml')"),
        (lambda: call("compare", experiment()), "comparison", "branchsweep.sweep"),
        (lambda: call("sweep", Comparison.from_yaml(COMPARISON)), "experiment", "branchsweep.compare"),
        (lambda: call("sweep", boiler(), experiment()), "experiment", "Experiment(...)"),
        (lambda: call("sweep", experiment(), experiment()), "data", "DataFrame"),
        (lambda: call("sweep", experiment(), callbacks=print), "callbacks", "Callback"),
        (lambda: call("sweep", experiment(), workers="4"), "workers", "from 1"),
        (lambda: call("load_sweep", 3), "name", "boiler"),
        (lambda: call("load_model", Path("boiler")), "uri", "models:/"),
        (lambda: call("history", None), "model", "boiler"),
        (lambda: call("rollback", 3), "model", "boiler"),
        (lambda: call("new_experiment", boiler(), "heat"), "heads", "['heat', 'steam']"),
        (lambda: call("new_experiment", [1], ["heat"]), "data", "DataFrame"),
        (lambda: call("new_experiment", boiler(), ["heat"], name="a b"), "name", "letters"),
        (lambda: Experiment.from_yaml(3), "path", "YAML"),  # type: ignore[arg-type]  # what a user may give
    ],
)
def test_an_argument_of_another_type_is_answered_with_what_to_write(
    wrong: Callable[[], object], where: str, remedy: str
) -> None:
    with pytest.raises(UserError) as caught:
        wrong()
    assert caught.value.where == where and remedy in str(caught.value)


@pytest.mark.slow
def test_a_model_that_is_not_registered_predicts_on_its_data_frame_whatever_the_columns_are_called(store: str) -> None:
    numbered = boiler()[["load", "wind", "heat", "steam"]].set_axis([0, 1, 2, 3], axis=1)
    heads = {"heat": {"column": "2"}, "steam": {"column": "3"}}
    named = experiment(name="numbered", table={"source": "dataframe", "inputs": ["0", "1"]}, heads=heads)
    result = branchsweep.sweep(named, numbered, tracking_uri=store, workers=1, verbose=False)
    assert result.summary is not None and result.summary.registered is None
    assert result.best_model.predict(numbered[:7]).shape == (7, 2)
