"""A kind of head with several units, defined here: one module, one contract test, and it is trained, exported and served."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from branchsweep.config.experiment import Experiment
from branchsweep.config.kinds import output_units
from branchsweep.config.metric_names import Metric
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics import functions
from branchsweep.models import serving
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.baselines import fit, make_estimators
from branchsweep.models.exported_model import EstimatorMember, ExportedModel, ModelMember
from branchsweep.models.heads import registry
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.heads.regression import MSE
from branchsweep.models.recipe import recipe_for
from branchsweep.training import packing
from branchsweep.training.lanes import search_lane
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.types import Floats, SourceCall
from contracts.head import HeadContract


def explained(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """R², its squared errors those of both units."""
    squares = np.square(predicted - actual).mean(axis=0)
    about_mean = np.square(actual - np.average(actual, weights=weights))
    counted = np.ones_like(actual) if weights is None else weights
    total = float((counted * about_mean).sum())
    return 1.0 - float((counted * squares).sum()) / total if total > 0 else 0.0


class Twice(Head):
    """The mean, learnt by two units: what predicts most simply with several."""

    name = "twice"
    task: ClassVar[str] = "regression"
    units = 2
    output_names: tuple[str, ...] = ("left", "right")
    metrics: ClassVar[tuple[str, ...]] = ("r2_of_both",)
    score: ClassVar[str] = "r2_of_both"

    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        left, right = y[..., :1, :] - t, y[..., 1:, :] - t
        return 0.5 * (left * left + right * right)

    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        return y - t

    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        loss = self.loss(ops, y, t)
        return loss, ops.ones_like(loss)

    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        return MSE.null_deviance(targets, weights)

    def keras_loss(self) -> str:
        return "mse"

    def loss_source(self) -> str:
        return '"mse"'

    def score_source(self) -> SourceCall:
        definition = "def r2_of_both(actual, predicted):\n    return np.mean([r2_score(actual, own) for own in predicted.T])"
        return SourceCall("r2_of_both", definition=definition, uses=(SourceCall("r2_score", module="sklearn.metrics"),))

    def estimator(self, name: str, seed: int) -> Any:
        return LinearRegression()

    def estimators(self, name: str, seed: int) -> list[Any]:
        return [LinearRegression(), LinearRegression(fit_intercept=False)]


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Generator[None]:
    functions.register_metric("r2_of_both", Metric("R²", higher_is_better=True, is_score=True), explained)
    registry.register_head(Twice())
    yield
    registry.unregister_head("twice")
    functions.unregister_metric("r2_of_both")


class TestContract(HeadContract):
    @pytest.fixture
    def head(self) -> Head:
        return Twice()


def experiment() -> Experiment:
    return Experiment.model_validate(
        {
            "name": "twice",
            "table": {"source": "t.csv", "inputs": ["a", "b"]},
            "heads": {"load": {}, "both": {"loss": "twice"}},
            "space": {"dimensions": {}, "fixed": {"trunk.width": 8, "learning_rate": 0.03}},
            "search": {"driver": "random", "trials": 1},
            "fit": {"epochs": 20},
        }
    )


def rows() -> TrainingRows:
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = np.stack([20 + x.sum(1), 50 - 3 * x[:, 1]], axis=1)
    return TrainingRows(x, y, ((np.arange(150), np.arange(150, 200)),), ("load", "both"))


def test_its_units_are_known_where_a_recipe_is_made() -> None:
    assert output_units("twice") == 2
    assert recipe_for(experiment(), {}).architecture.output_units == {"both": 2}


def test_it_is_trained_exported_with_estimators_and_served(tmp_path: Path) -> None:
    chosen, table = experiment(), rows()
    kinds = kinds_by_head(chosen)
    (population,) = packing.pack([search_lane(0, recipe_for(chosen, {}), chosen, 0, 0)], chosen)
    trainer = PopulationTrainer(table)
    lane = trainer.train_one(population, keep_weights=True).lanes[0]
    validation = table.folds[0][1]
    assert lane.weights is not None and lane.predictions.shape == (50, 3)
    assert explained(table.y[validation, 1], lane.predictions[:, 1:].T) > 0.8
    member = ModelMember(recipe_for(chosen, {}), lane.weights, head_shares={"load": 0.5, "both": 0.25})
    fitted = fit(make_estimators("linear_regression", kinds), table.x, table.y)
    shares = {"load": 0.5, "both": 0.75}
    beside = EstimatorMember("linear regression", "linear_regression", {}, fitted, shares)
    trainer.export(tmp_path / "alone", ExportedModel.of(chosen, [ModelMember(member.recipe, member.weights)]))
    trainer.export(tmp_path / "both", ExportedModel.of(chosen, [member], estimators=[beside]))
    frame = pd.DataFrame(table.x, columns=["a", "b"])
    predicted = serving.Predictor(tmp_path / "both").predict(frame)
    assert list(predicted) == ["load", "both_left", "both_right"]
    alone = serving.Predictor(tmp_path / "alone").predict_array(table.x)
    np.testing.assert_allclose(
        predicted.to_numpy(), alone * [0.5, 0.25, 0.25] + fitted.predict(table.x) * [0.5, 0.75, 0.75], rtol=1e-6
    )
    assert (fitted.predict(table.x)[:, 1] - fitted.predict(table.x)[:, 2]).max() > 40  # in the order of the units, not sorted


@pytest.mark.parametrize("names", [(), ("left",), ("left", "left")])
def test_units_without_a_name_each_are_refused(names: tuple[str, ...]) -> None:
    head = Twice()
    head.output_names = names
    with pytest.raises(ValueError, match="output_names"):
        registry.register_head(head)
