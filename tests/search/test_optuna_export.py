"""Studies for optuna-dashboard, read again by Optuna itself; and what mattered, found where it was put."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import Choice, Float, Int
from branchsweep.errors import OptunaExportError
from branchsweep.search.drivers import open_driver, random_trials
from branchsweep.search.importance import FEWEST, importance
from branchsweep.search.optuna_export import export_study, to_distribution, to_frozen_trial
from branchsweep.trial import HeadScore, Params, Result, Score, Status, Trial
from contracts.search_spaces import KNOWN, MIXED, Dimensions, make_experiment
from scores import head_score

FACTS = {"sweep": "contract", "run_id": "r1", "data_digest": "d1", "question": "How?"}


def heads(**r2: float) -> Mapping[str, HeadScore]:
    return {head: head_score(value, 0.01, 1.0, 1.0) for head, value in r2.items()}


def scored(trial: Trial, pe: float, v: float, **changes: Any) -> Result:
    score = Score(Status.COMPLETE, value=(pe + v) / 2, value_se=0.02, heads=heads(PE=pe, V=v), seconds=3.0)
    fields = {name: getattr(score, name) for name in ("status", "value", "value_se", "heads", "seconds")}
    return Result(trial, Score(**{**fields, **changes}))


def results_of(experiment: Experiment) -> list[Result]:
    """Of seven trials one fails and one is pruned."""
    results = []
    driver = open_driver(experiment)
    for trial in driver.ask(experiment.search.trials):
        pe, rungs = 0.9 - trial.number / 1000, {5: (0.5, 0.3), 10: (0.75, 0.5)}
        if trial.number % 7 == 3:
            results.append(Result(trial, Score(Status.FAILED, reason="diverged")))
        elif trial.number % 7 == 5:
            results.append(scored(trial, 0.75, 0.5, status=Status.PRUNED, reason="pruned at rung 2", rungs=rungs))
        else:
            results.append(scored(trial, pe, 0.8, rungs=rungs))
    return results


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def read(storage: str, name: str = "contract") -> optuna.Study:
    """The study, opened by Optuna."""
    opened = optuna.storages.RDBStorage(storage)
    study = optuna.load_study(study_name=name, storage=opened)
    opened.engine.dispose()
    return study


def names(storage: str) -> list[str]:
    opened = optuna.storages.RDBStorage(storage)
    found = optuna.get_all_study_names(opened)
    opened.remove_session()
    opened.engine.dispose()
    return found


def test_a_sweep_becomes_a_study_that_optuna_reads(storage: str) -> None:
    experiment = make_experiment("random", MIXED, trials=16, batch=16, initial_trials=KNOWN)
    results = results_of(experiment)
    export_study(experiment, results[::-1], Address(storage), "contract", FACTS)
    study = read(storage)
    assert study.user_attrs == FACTS
    assert [direction.name for direction in study.directions] == ["MAXIMIZE"]
    trials = study.trials
    assert [trial.user_attrs["trial"] for trial in trials] == list(range(16)) == [trial.number for trial in trials]
    states = {Status.COMPLETE: TrialState.COMPLETE, Status.PRUNED: TrialState.PRUNED, Status.FAILED: TrialState.FAIL}
    assert [trial.state for trial in trials] == [states[result.score.status] for result in results]
    assert [trial.params for trial in trials[2:]] == [result.trial.params for result in results[2:]]
    assert (
        study.best_trial.number == max(results, key=lambda result: (result.score.is_complete, result.score.value)).trial.number
    )
    assert not study.trials_dataframe().empty


def test_scores_seconds_and_reason_of_a_trial_are_user_attributes() -> None:
    experiment = make_experiment("random", MIXED)
    params = {**dict(next(iter(results_of(make_experiment("random", MIXED, trials=1)))).trial.params)}
    rungs, reason = {5: (0.5, 0.3), 10: (0.75, 0.5)}, "pruned at rung 2"
    result = scored(Trial(7, params), 0.75, 0.5, status=Status.PRUNED, value_se=math.nan, reason=reason, rungs=rungs)
    exported = to_frozen_trial(experiment, result)
    assert (exported.state, exported.value, exported.params) == (TrialState.PRUNED, 0.625, params)
    assert exported.intermediate_values == {5: 0.4, 10: 0.625}
    assert exported.user_attrs == {
        "trial": 7,
        "r2/PE": 0.75,
        "r2/V": 0.5,
        "r2/mean": 0.625,
        "r2_se/PE": 0.01,
        "r2_se/V": 0.01,  # and none of the mean, which is NaN
        "seconds": 3.0,
        "reason": reason,
    }
    assert exported.duration is not None and exported.duration.total_seconds() == pytest.approx(3.0)
    failed = to_frozen_trial(experiment, Result(Trial(8, params), Score(Status.FAILED, reason="diverged")))
    assert (failed.state, failed.values, failed.user_attrs["reason"]) == (TrialState.FAIL, None, "diverged")


def test_params_of_a_known_configuration_outside_the_space_are_user_attributes() -> None:
    experiment = make_experiment("random", MIXED)
    inside = to_frozen_trial(experiment, scored(Trial(0, {"branch.width": 16, "batch_size": 64}, known="inside"), 0.9, 0.8))
    assert (inside.params["trunk.depth"], inside.params["branch.width"]) == (2, 16)
    assert (inside.user_attrs["known"], inside.user_attrs["outside"]) == ("inside", {"batch_size": 64})
    outside = to_frozen_trial(experiment, scored(Trial(1, {"trunk.depth": 3, **KNOWN["wide"]}, known="wide"), 0.9, 0.8))
    assert outside.params == {"trunk.depth": 3}
    assert outside.user_attrs["outside"] == {"trunk.width": 1000, "batch_size": 64}
    assert outside.value == pytest.approx(0.85)


def test_dimensions_have_their_scales_and_original_values() -> None:
    assert to_distribution(Choice(type="choice", choices=[8, 16, 32], ordered=True)) == CategoricalDistribution([8, 16, 32])
    assert to_distribution(Int(type="int", low=8, high=128, log=True)) == IntDistribution(8, 128, log=True)
    assert to_distribution(Int(type="int", low=8, high=60, step=8)) == IntDistribution(8, 56, step=8)
    assert to_distribution(Float(type="float", low=1e-4, high=0.1, log=True)) == FloatDistribution(1e-4, 0.1, log=True)
    assert to_distribution(Float(type="float", low=0.1, high=0.95, step=0.1)) == FloatDistribution(0.1, 0.9, step=0.1)
    assert to_distribution(Float(type="float", low=1 / 3, high=1.0, step=0.1)) == FloatDistribution(1 / 3, 0.933333333333)


def test_an_existing_study_of_the_same_name_is_refused_and_left_unchanged(storage: str) -> None:
    experiment = make_experiment("random", MIXED, trials=8)
    results = results_of(experiment)
    export_study(experiment, results[:3], Address(storage), "contract", FACTS)
    with pytest.raises(OptunaExportError, match=r"'contract'.*study\.db.*--name"):
        export_study(experiment, results, Address(storage), "contract", FACTS)
    assert len(read(storage).trials) == 3
    export_study(experiment, results, Address(storage), "another", FACTS)
    assert sorted(names(storage)) == ["another", "contract"]


def test_an_export_that_fails_leaves_no_study(storage: str) -> None:
    """The database refuses the third trial, as with a full disk."""
    experiment = make_experiment("random", MIXED, trials=8)
    results = results_of(experiment)
    export_study(experiment, [], Address(storage), "empty", FACTS)
    with sqlite3.connect(storage.removeprefix("sqlite:///")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON trials WHEN (SELECT COUNT(*) FROM trials) = 2 "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    database.close()
    with pytest.raises(OptunaExportError, match="disk full"):
        export_study(experiment, results, Address(storage), "contract", FACTS)
    assert names(storage) == ["empty"]


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("study.db", r"'study\.db'.*sqlite:///study\.db"),
        ("nosuch:///x", "'nosuch:///x'.*sqlite"),
        ("sqlite://", "'sqlite://'.*sqlite:///study"),
        ("sqlite:////nosuch/folder/study.db", r"sqlite:////nosuch/folder/study\.db"),
        ("oracle+oracledb://me:secret@localhost/x", "pip install oracledb"),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused(storage: str, message: str) -> None:
    with pytest.raises(OptunaExportError, match=message) as caught:
        export_study(make_experiment("random", MIXED), [], Address(storage), "contract", FACTS)
    assert "secret" not in str(caught.value)


def test_files_that_are_not_an_optuna_storage_are_refused_and_left_unchanged(tmp_path: Path, mlflow_store: Address) -> None:
    text = tmp_path / "notes.db"
    text.write_text("This is no database, but a text of some length. " * 40, encoding="utf-8")
    with pytest.raises(OptunaExportError, match=r"notes\.db"):
        export_study(make_experiment("random", MIXED), [], Address(f"sqlite:///{text}"), "contract", FACTS)
    before = Path(str(mlflow_store).removeprefix("sqlite:///")).read_bytes()
    with pytest.raises(OptunaExportError, match=Path(str(mlflow_store)).name):
        export_study(make_experiment("random", MIXED), [], mlflow_store, "contract", FACTS)
    assert Path(str(mlflow_store).removeprefix("sqlite:///")).read_bytes() == before


SPACE: Dimensions = {
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "V.depth": {"type": "int", "low": 0, "high": 3},
    "trunk.width": {"type": "choice", "choices": [8, 16, 32, 64], "ordered": True},
    "activation": {"type": "choice", "choices": ["relu", "silu", "tanh"]},
    "optimizer": {"type": "choice", "choices": ["adam", "sgd"]},
    "momentum": {"type": "float", "low": 0.0, "high": 0.9, "when": {"optimizer": ["sgd"]}},
    "input_scaling": {"type": "choice", "choices": ["standard"]},
}
"""The score of PE depends on the learning rate, best near 0.01, that of V on its depth; the rest has no effect."""


def formula(params: Params) -> tuple[float, float]:
    return 0.9 - 0.02 * (math.log10(float(params["learning_rate"])) + 2) ** 2, 0.7 + 0.03 * float(params["V.depth"])


def swept(count: int, **search: Any) -> tuple[Experiment, list[Result]]:
    experiment = make_experiment("random", SPACE, trials=count, **search)
    return experiment, [scored(trial, *formula(trial.params)) for trial in random_trials(experiment, count)]


def test_importance_ranks_the_dimensions_by_their_effect_on_each_head() -> None:
    shares = importance(*swept(64))
    assert list(shares) == ["PE", "V", "mean"]
    assert next(iter(shares["PE"])) == "learning_rate" and shares["PE"]["learning_rate"] > 0.6
    assert next(iter(shares["V"])) == "V.depth" and shares["V"]["V.depth"] > 0.6
    for by_dimension in shares.values():
        assert sum(by_dimension.values()) == pytest.approx(1.0)
        assert list(by_dimension.values()) == sorted(by_dimension.values(), reverse=True)
        assert set(by_dimension) == set(SPACE) - {"input_scaling"}  # which has a single value


def test_importance_does_not_depend_on_the_rung_at_which_trials_were_pruned() -> None:
    """Half of the trials have their values from a rung, where all were worse by the same amount."""
    experiment, results = swept(96)
    first, second, *_ = experiment.pruning_schedule.rungs
    partly_pruned = []
    for index, result in enumerate(results):
        pe, v = formula(result.trial.params)
        rungs = {first: (pe - 0.2, v - 0.4), second: (pe - 0.1, v - 0.2)}
        if index % 2:
            partly_pruned.append(scored(result.trial, pe - 0.1, v - 0.2, status=Status.PRUNED, rungs=rungs))
        else:
            partly_pruned.append(scored(result.trial, pe, v, rungs=rungs))
    pruned, unpruned = importance(experiment, partly_pruned), importance(experiment, results)
    assert pruned["PE"] == pytest.approx(unpruned["PE"])
    assert next(iter(pruned["V"])) == next(iter(unpruned["V"])) == "V.depth"  # of whose few values rounding breaks the ties


def test_importance_ignores_trials_pruned_at_the_first_rung() -> None:
    experiment, results = swept(64)
    first = experiment.pruning_schedule.rungs[0]
    dropped = [
        scored(Trial(100 + index, result.trial.params), 5.0, 5.0, status=Status.PRUNED, rungs={first: (5.0, 5.0)})
        for index, result in enumerate(results[:30])
    ]
    assert importance(experiment, [*dropped, *results]) == importance(experiment, results)
    assert importance(experiment, dropped) == {}


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_importance_of_few_trials_is_empty(count: int) -> None:
    assert importance(*swept(count or 1)) == {} if count else importance(swept(1)[0], []) == {}


def test_importance_ignores_failed_trials_equal_scores_and_points_outside_the_space() -> None:
    experiment, results = swept(30)
    failed = [Result(result.trial, Score(Status.FAILED, reason="diverged")) for result in results]
    assert importance(experiment, failed) == {}
    equal = [scored(result.trial, 0.9, *formula(result.trial.params)[1:]) for result in results]
    assert list(importance(experiment, equal)) == ["V", "mean"]
    outside = scored(Trial(30, {"trunk.width": 1000}), 9.0, 9.0)
    assert importance(experiment, [*results, outside, *failed[:0]]) == importance(experiment, results)


def test_importance_leaves_out_a_dimension_with_too_few_values() -> None:
    experiment, results = swept(64)
    selected = [result for result in results if result.trial.params["optimizer"] == "adam"]
    selected += [result for result in results if result.trial.params["optimizer"] == "sgd"][:1]
    assert len(selected) >= FEWEST
    assert "momentum" not in importance(experiment, selected)["PE"]


def test_importance_of_a_space_without_variation_is_empty() -> None:
    experiment = make_experiment("random", {"input_scaling": {"type": "choice", "choices": ["standard"]}})
    assert importance(experiment, [scored(Trial(n, {"input_scaling": "standard"}), n / 99, 0.5) for n in range(30)]) == {}
