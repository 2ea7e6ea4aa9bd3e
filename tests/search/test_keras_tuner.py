"""KerasTuner's oracles as a sampler, and an experiment as a hypermodel for KerasTuner's own tuners."""

from __future__ import annotations

import itertools
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import Float
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import ConfigError
from branchsweep.metrics import scores
from branchsweep.models import keras_network
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import recipe_for
from branchsweep.search.hypermodel import BranchedHyperModel
from branchsweep.search.keras_tuner.oracles import options_of
from branchsweep.search.keras_tuner.sampler import KerasTunerSampler
from branchsweep.search.keras_tuner.space import declared, point_of
from branchsweep.search.protocols import Observation
from branchsweep.search.sampling import random_points
from branchsweep.trial import Params, ParamValue, Status
from contracts.search_spaces import MIXED, SMALL, Dimensions, make_experiment

ALGORITHMS = ("random", "bayesian", "hyperband", "grid")

FAILED = Observation(Status.FAILED, (), (), (), 0)


def experiment_of(algorithm: str, dimensions: Dimensions = MIXED, seed: int = 1, epochs: int = 9) -> Experiment:
    """An experiment whose search names the algorithm, which its driver may not have yet."""
    base = make_experiment("random", dimensions, seed)
    search = base.search.model_copy(update={"algorithm": algorithm})
    return base.model_copy(update={"search": search, "fit": base.fit.model_copy(update={"epochs": epochs})})


def point(params: Params) -> Params:
    """The params without Hyperband's epochs."""
    return {name: value for name, value in params.items() if name != "epochs"}


def complete(value: float) -> Observation:
    return Observation(Status.COMPLETE, (value,), (value,), (), 3)


def valley(params: Params) -> Observation:
    """The fewer layers and the less decay, the better."""
    return complete(1.0 - 0.1 * float(params["trunk.depth"]) - 10 * float(params.get("weight_decay", 0.0)))


Observe = Callable[[Params], Observation | None]


def rounds(
    sampler: KerasTunerSampler, asks: int, observe: Observe = valley, batch: int = 8, first: int = 0
) -> list[Params | None]:
    """Suggestions in rounds, all of them kept; ends with None where the sampler has nothing to suggest."""
    asked: list[Params | None] = []
    for number in range(first, first + asks, batch):
        kept: list[Params] = []
        for index in range(min(batch, first + asks - number)):
            suggested = sampler.suggest(number + index, 0)
            asked.append(suggested)
            if suggested is None:
                return asked
            sampler.mark_pending(suggested)
            kept.append(suggested)
        sampler.observe([observe(params) for params in kept])
    return asked


def without_none(asked: Iterable[Params | None]) -> list[Params]:
    return [params for params in asked if params is not None]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
class TestEveryOracle:
    def test_suggests_points_of_the_space_in_its_order_and_of_pythons_types(self, algorithm: str) -> None:
        experiment = experiment_of(algorithm)
        asked = without_none(rounds(KerasTunerSampler.open(experiment), 48))
        assert len(asked) == 48
        for params in asked:
            assert experiment.space.contains(point(params))
            assert list(point(params)) == [name for name in MIXED if name in params]
            for name, value in point(params).items():
                expected = str if isinstance(value, str) else float if MIXED[name]["type"] == "float" else int
                assert type(value) is expected, name
            assert ("momentum" in params) == (params["optimizer"] == "sgd")
            assert ("PE.width" in params) == (params["PE.depth"] != 0)

    def test_suggestions_depend_on_the_seed(self, algorithm: str) -> None:
        first, again, other = (rounds(KerasTunerSampler.open(experiment_of(algorithm, seed=seed)), 16) for seed in (0, 0, 2))
        assert first == again
        assert (first == other) == (algorithm == "grid")

    def test_global_random_states_are_left_unchanged(self, algorithm: str) -> None:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002  # the state that others may use
        expected = random.random(), np.random.random()  # noqa: NPY002, S311
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        rounds(KerasTunerSampler.open(experiment_of(algorithm)), 8)
        assert (random.random(), np.random.random()) == expected  # noqa: NPY002, S311

    @pytest.mark.parametrize("observation", [None, FAILED, complete(math.nan), complete(-1e300), complete(math.inf)])
    def test_suggestions_go_on_after_any_observation(self, algorithm: str, observation: Observation | None) -> None:
        sampler = KerasTunerSampler.open(experiment_of(algorithm), {"num_initial_points": 4} if algorithm == "bayesian" else {})
        assert None not in rounds(sampler, 16, lambda params: observation if params["optimizer"] == "sgd" else valley(params))
        assert None not in rounds(sampler, 8, lambda _: observation, batch=4, first=16)

    def test_points_that_it_did_not_suggest_can_be_observed(self, algorithm: str) -> None:
        experiment = experiment_of(algorithm)
        sampler = KerasTunerSampler.open(experiment, {"num_initial_points": 4} if algorithm == "bayesian" else {})
        other_points = itertools.islice(random_points(experiment.space, np.random.SeedSequence(7)), 40)
        for number in range(0, 32, 8):
            kept: list[Params] = []
            for index in range(8):
                suggested = sampler.suggest(number + index, 0) if index % 2 else None
                kept.append(suggested if suggested and index % 4 == 1 else next(other_points))
                sampler.mark_pending(kept[-1])
            sampler.observe([valley(params) for params in kept])
        assert all(experiment.space.contains(point(params)) for params in without_none(rounds(sampler, 8, first=32)))

    def test_a_resumed_sampler_suggests_what_an_uninterrupted_one_suggests(self, algorithm: str) -> None:
        """At any trial of a round. Earlier suggestions are asked again of a stateful sampler, and marked as pending for all."""
        experiment = experiment_of(algorithm, {name: MIXED[name] for name in ("trunk.depth", "PE.loss_weight", "optimizer")})
        uninterrupted = without_none(rounds(KerasTunerSampler.open(experiment), 40))
        for number in (8, 16, 21, 35):
            sampler = KerasTunerSampler.open(experiment)
            assert sampler.is_stateful == (algorithm in {"hyperband", "grid"})
            assert sampler.is_exhaustive == (algorithm == "grid")
            assert not sampler.has_initial_design
            for earlier in range(number):
                if sampler.is_stateful:
                    sampler.suggest(earlier, 0)
                sampler.mark_pending(uninterrupted[earlier])
                if earlier % 8 == 7:
                    sampler.observe([valley(params) for params in uninterrupted[earlier - 7 : earlier + 1]])
            assert sampler.suggest(number, 0) == uninterrupted[number]

    def test_sampling_prints_nothing_and_writes_no_file(
        self, algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        rounds(
            KerasTunerSampler.open(experiment_of(algorithm)), 48, lambda params: None if params["trunk.depth"] == 1 else FAILED
        )
        assert os.listdir(tmp_path) == []  # noqa: PTH208  # hidden files included
        assert capfd.readouterr() == ("", "")

    def test_a_space_without_dimensions_has_one_point(self, algorithm: str) -> None:
        sampler = KerasTunerSampler.open(experiment_of(algorithm, {}))
        assert sampler.suggest(0, 0) in ({}, None)
        sampler.mark_pending({})
        sampler.observe([complete(0.5)])
        assert sampler.suggest(1, 0) is None

    def test_suggestions_of_further_attempts_differ(self, algorithm: str) -> None:
        experiment = experiment_of(algorithm)
        sampler = KerasTunerSampler.open(experiment)
        suggested = without_none(sampler.suggest(0, attempt) for attempt in range(6))
        assert len({repr(params) for params in suggested}) == 6
        sampler.mark_pending(suggested[-1])
        sampler.observe([valley(suggested[-1])])
        assert len(without_none(rounds(sampler, 8, first=1))) == 8

    def test_options_are_those_of_the_oracle_and_mistakes_are_refused(self, algorithm: str) -> None:
        expected = {"bayesian": {"num_initial_points", "alpha", "beta"}, "hyperband": {"factor", "hyperband_iterations"}}
        options = options_of(algorithm)
        assert options.keys() == expected.get(algorithm, set())
        assert rounds(KerasTunerSampler.open(experiment_of(algorithm), options), 8) == rounds(
            KerasTunerSampler.open(experiment_of(algorithm)), 8
        )
        mistakes: list[dict[str, Any]] = [{"colour": "red"}, *({name: -1} for name in options)]
        for wrong in mistakes:
            with pytest.raises(ConfigError, match=rf"\b{algorithm}\b.*\bkeras_tuner\b.*{re.escape(str(wrong))}") as caught:
                KerasTunerSampler.open(experiment_of(algorithm), wrong)
            assert caught.value.where == "search.options"


def test_its_import_prints_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", "import branchsweep.search.keras_tuner"], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize("algorithm", ["random", "hyperband", "grid"])
def test_a_finite_space_is_exhausted(algorithm: str) -> None:
    """All twelve points once, in a space where all of them differ; random search may give up some points before."""
    dimensions: Dimensions = {**SMALL, "PE.depth": {"type": "int", "low": 1, "high": 2}}
    asked = rounds(KerasTunerSampler.open(experiment_of(algorithm, dimensions, epochs=1)), 60)
    assert asked[-1] is None
    points = [tuple(point(params).items()) for params in without_none(asked)]
    assert 8 <= len(set(points)) == len(points) <= 12
    assert len(points) == 12 or algorithm != "grid"


def test_a_grid_asks_each_combination_of_conditional_dimensions_once() -> None:
    dimensions: Dimensions = {
        "optimizer": {"type": "choice", "choices": ["adam", "sgd"]},
        "momentum": {"type": "float", "low": 0.0, "high": 0.9, "step": 0.3, "when": {"optimizer": ["sgd"]}},
        "PE.depth": {"type": "int", "low": 0, "high": 2},
        "PE.width": {"type": "int", "low": 8, "high": 24, "step": 8, "when": {"optimizer": ["sgd"], "PE.depth": [1, 2]}},
        "V.width": {"type": "int", "low": 8, "high": 16, "step": 8, "when": {"PE.width": [8, 24], "momentum": [0.3]}},
    }
    experiment = experiment_of("grid", dimensions)
    asked = without_none(rounds(KerasTunerSampler.open(experiment), 200, lambda _: None))
    assert all(experiment.space.contains(params) for params in asked)
    assert len({repr(params) for params in asked}) == len(asked) == 3 + 4 * 1 + 2 * (3 * 3 + 1 * (2 + 1 + 2))


def test_a_dimension_whose_condition_names_no_value_is_never_asked() -> None:
    dimensions: Dimensions = {**SMALL, "V.width": {"type": "int", "low": 8, "high": 16, "when": {"PE.depth": []}}}
    assert all(
        "V.width" not in params
        for params in without_none(rounds(KerasTunerSampler.open(experiment_of("random", dimensions)), 8))
    )


def test_values_of_mixed_types_keep_their_types() -> None:
    dimensions: Dimensions = {
        "weight_decay": {"type": "choice", "choices": [0, 0.5, 1]},
        "momentum": {"type": "float", "low": 0.0, "high": 0.9, "step": 0.1, "when": {"weight_decay": [0, 0.5]}},
    }
    asked = without_none(rounds(KerasTunerSampler.open(experiment_of("random", dimensions)), 40, lambda _: complete(0.5)))
    assert {repr(params["weight_decay"]) for params in asked} == {"0", "0.5", "1"}
    assert all(("momentum" in params) == (params["weight_decay"] != 1) for params in asked)
    momentum = Float(type="float", low=0.0, high=0.9, step=0.1)
    assert {0.0, 0.3, 0.9} <= {float(params["momentum"]) for params in asked if "momentum" in params}
    assert all(momentum.contains(params["momentum"]) for params in asked if "momentum" in params)


def test_bayesian_search_improves() -> None:
    dimensions: Dimensions = {name: MIXED[name] for name in ("weight_decay", "PE.loss_weight", "activation")}

    def hill(params: Params) -> Observation:
        distances = (float(params["weight_decay"]) - 0.007) / 0.01, math.log10(float(params["PE.loss_weight"]) / 3)
        return complete(1 - distances[0] ** 2 - distances[1] ** 2 - (params["activation"] != "silu"))

    asked = without_none(rounds(KerasTunerSampler.open(experiment_of("bayesian", dimensions)), 40, hill))
    values = [hill(params).expected[0] for params in asked]
    assert max(values[16:]) > max(values[:16])
    assert max(values) > 0.99
    assert np.median(values[24:]) > np.median(values[:8]) + 0.5


def test_bayesian_search_suggests_the_point_that_keras_tuner_suggests() -> None:
    """Both maximise the upper confidence bound of the same Gaussian process."""
    experiment = experiment_of("bayesian", {name: MIXED[name] for name in ("weight_decay", "PE.loss_weight", "trunk.width")})
    sampler = KerasTunerSampler.open(experiment, {"num_initial_points": 1})
    known = list(itertools.islice(random_points(experiment.space, np.random.SeedSequence(3)), 12))
    for params in known:
        sampler.mark_pending(params)
    sampler.observe(
        [
            complete(-((100 * float(params["weight_decay"]) - 0.4) ** 2) - float(params["PE.loss_weight"]) / 50)
            for params in known
        ]
    )
    suggested = sampler.suggest(12, 0)
    oracle: Any = sampler._oracle
    oracle._random_state = np.random.RandomState(5)
    expected = point_of(
        experiment.space, keras_tuner.oracles.BayesianOptimizationOracle.populate_space(oracle, "next")["values"]
    )
    assert suggested is not None
    assert suggested == {name: pytest.approx(value, rel=1e-3, abs=1e-5) for name, value in expected.items()}


class TestHyperband:
    def test_promotes_the_better_of_its_brackets(self) -> None:
        """With nine epochs: brackets of nine networks of one epoch, three of three, one of nine; then smaller ones."""
        experiment = experiment_of("hyperband")
        asked = without_none(rounds(KerasTunerSampler.open(experiment), 9, batch=9))
        assert {params["epochs"] for params in asked} == {1}
        sampler = KerasTunerSampler.open(experiment)
        asked = without_none(rounds(sampler, 64))
        assert {params["epochs"] for params in asked} == {1, 3, 9}
        first = [params for params in asked if params["epochs"] == 1][:9]
        best = sorted(first, key=lambda params: -valley(params).expected[0])[:3]
        promoted = [point(params) for params in asked if params["epochs"] == 3]
        assert all(point(params) in promoted for params in best)
        assert max(params["epochs"] for params in without_none(rounds(sampler, 300, first=64))) == 9

    def test_a_failed_network_does_not_block_its_bracket(self) -> None:
        asked = without_none(
            rounds(
                KerasTunerSampler.open(experiment_of("hyperband")),
                64,
                lambda params: None if params["PE.depth"] else valley(params),
            )
        )
        promoted = [params for params in asked if params["epochs"] == 9]
        assert promoted
        assert all(params["PE.depth"] == 0 for params in promoted[:1])

    def test_hyperband_iterations_limit_the_number_of_trials(self) -> None:
        sampler = KerasTunerSampler.open(experiment_of("hyperband"), {"hyperband_iterations": 1, "factor": 3})
        asked = rounds(sampler, 400, batch=1)
        assert asked[-1] is None
        assert 15 < len(asked) < 60

    @pytest.mark.parametrize("where", ["dimensions", "fixed"])
    def test_a_space_with_epochs_of_its_own_is_refused(self, where: str) -> None:
        experiment = experiment_of("hyperband")
        space = experiment.space.model_validate(
            {"dimensions": MIXED}
            | (
                {"dimensions": {"epochs": {"type": "int", "low": 1, "high": 9}}}
                if where == "dimensions"
                else {"fixed": {"epochs": 5}}
            )
        )
        with pytest.raises(ConfigError, match=r"\bepochs\b") as caught:
            KerasTunerSampler.open(experiment.model_copy(update={"space": space}))
        assert caught.value.where == "space"


# --- the hypermodel ---


YAML = """
name: slice
table: ccpp
heads:
  PE: {unit: MW}
  V: {unit: cm Hg, loss: mae}
space:
  dimensions:
    trunk.depth: {type: int, low: 1, high: 2}
    trunk.width: {type: choice, choices: [8, 12], ordered: true}
    optimizer: {type: choice, choices: [adam, sgd]}
    momentum: {type: float, low: 0.0, high: 0.9, step: 0.1, when: {optimizer: [sgd]}}
    learning_rate: {type: float, low: 1.0e-4, high: 1.0e-2, log: true, when: {optimizer: [sgd], trunk.depth: [2]}}
    PE.loss_weight: {type: float, low: 0.5, high: 2.0}
  fixed: {learning_rate_schedule: cosine, weight_decay: 0.001, batch_size: 64}
fit: {epochs: 3}
"""


@pytest.fixture
def hypermodel(tmp_path: Path) -> BranchedHyperModel:
    file = tmp_path / "slice.yaml"
    file.write_text(YAML, encoding="utf-8")
    complete_table = BranchedHyperModel.from_yaml(file, overrides=["seed=3"])
    assert complete_table.experiment == load_experiment(file, ["seed=3"])
    rows = np.arange(300)
    selected = TrainingRows(complete_table.rows.x[rows], complete_table.rows.y[rows], ((rows[:200], rows[200:]),))
    return BranchedHyperModel(complete_table.experiment, selected)


def chosen(hypermodel: BranchedHyperModel, **values: ParamValue) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.merge(declared(hypermodel.experiment.space))
    hp.values = {
        "trunk.depth": 2,
        "trunk.width": 12,
        "optimizer": "sgd",
        "momentum": 0.3,
        "learning_rate": 2e-3,
        "PE.loss_weight": 2.0,
        **values,
    }
    return hp


def test_a_hypermodel_builds_the_network_of_the_recipe(hypermodel: BranchedHyperModel) -> None:
    hp = chosen(hypermodel)
    model = hypermodel.build(hp)
    recipe = recipe_for(hypermodel.experiment, dict(hp.values))
    assert hypermodel.recipe(hp) == recipe
    assert model.get_config()["layers"] == keras_network.build_network(recipe.architecture, 3).get_config()["layers"]
    assert type(model.optimizer) is keras.optimizers.SGD
    assert (model.optimizer.momentum, model.optimizer.weight_decay) == (0.3, 0.001)
    schedule = model.optimizer._learning_rate.get_config()
    assert (schedule["initial_learning_rate"], schedule["decay_steps"]) == (2e-3, 3 * 4)
    history = hypermodel.fit(hp, model, verbose=0).history
    assert {"PE_r2", "V_r2", "val_PE_r2", "val_V_r2", "val_loss"} <= history.keys()
    assert len(history["val_loss"]) == 3
    arrays = hypermodel.arrays(hp)
    predicted = model.predict(arrays.validation_data[0], verbose=0)
    actual = arrays.validation_data[1]
    expected = 2.0 * np.mean((predicted["PE"][:, 0] - actual["PE"]) ** 2) + np.mean(abs(predicted["V"][:, 0] - actual["V"]))
    assert history["val_loss"][-1] == pytest.approx(expected, rel=1e-4)
    r2 = scores.head_scores(
        np.stack([*actual.values()], 1), np.concatenate([*predicted.values()], 1), kinds_by_head(hypermodel.experiment)
    )
    assert history["val_V_r2"][-1] == pytest.approx(r2["V"].score, abs=1e-4)


def test_a_caller_may_pass_rows_to_fit(hypermodel: BranchedHyperModel) -> None:
    hp = chosen(hypermodel)
    model = hypermodel.build(hp)
    x, y = np.ones((10, 3), np.float32), {"PE": np.zeros(10), "V": np.zeros(10)}
    for arguments in ({"x": x, "y": y}, {}):
        history = hypermodel.fit(hp, model, *(() if arguments else (x, y)), epochs=1, verbose=0, **arguments).history
        assert "loss" in history
        assert "val_loss" not in history


@pytest.mark.filterwarnings(
    "ignore:(currentThread|getName):DeprecationWarning",  # KerasTuner's lock
    "ignore:Skipping variable loading for optimizer:UserWarning",  # its `get_best_models` loads weights into a fresh model
)
@pytest.mark.slow
def test_kerastuners_own_tuner_searches_it(hypermodel: BranchedHyperModel, tmp_path: Path) -> None:
    tuner = keras_tuner.RandomSearch(
        hypermodel, objective="val_loss", max_trials=2, seed=1, directory=tmp_path, project_name="s"
    )
    assert [hyperparameter.name for hyperparameter in tuner.oracle.get_space().space] == list(
        hypermodel.experiment.space.dimensions
    )
    tuner.search(epochs=1, verbose=0)
    trials = list(tuner.oracle.trials.values())
    assert [trial.status for trial in trials] == ["COMPLETED"] * 2
    for trial in trials:
        params = point_of(hypermodel.experiment.space, trial.hyperparameters.values)
        assert hypermodel.experiment.space.contains(params)
        assert set(trial.hyperparameters.values) == set(params)
        assert math.isfinite(trial.metrics.get_best_value("val_PE_r2"))
    best = tuner.get_best_models()[0]
    recipe = hypermodel.recipe(tuner.get_best_hyperparameters()[0])
    assert best.get_config()["layers"] == keras_network.build_network(recipe.architecture, 3).get_config()["layers"]
