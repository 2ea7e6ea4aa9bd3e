"""Estimators of scikit-learn beside the networks of an exported model: every kind is served as it was fitted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from branchsweep.config.estimator_names import ESTIMATORS, is_joint
from branchsweep.config.estimator_parameters import estimator_parameters
from branchsweep.config.sections.columns import Column
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models import serving
from branchsweep.models.baselines import FittedBaseline, fit, make_estimators
from branchsweep.models.estimator_files import write_estimators
from branchsweep.models.exported_model import EstimatorMember, ExportedModel, ModelMember
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.heads.regression import MAE, MSE
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.recipe import Recipe
from branchsweep.training.trainer import PopulationTrainer
from served_alone import predict_alone

HEADS = {"PE": MSE, "V": MAE}
UNITS = {"PE": "MW", "V": "cm Hg"}
INPUTS = ["AT", "AP", "RH"]


def rows() -> TrainingRows:
    random = np.random.default_rng(3)
    x = random.normal([20.0, 1013.0, 73.0], [7.0, 6.0, 15.0], (200, 3))
    y = np.stack([454 - 1.8 * x[:, 0] + random.normal(size=200), 54 + x[:, 0] + random.normal(size=200)], axis=1)
    return TrainingRows(x, y, ())


ROWS = rows()
TABLE = pd.DataFrame(ROWS.x, columns=INPUTS)


def network(share: float = 0.25, head_shares: dict[str, float] | None = None, seed: int = 1) -> ModelMember:
    """An untrained network."""
    recipe = Recipe.of({"trunk.width": 3}, list(UNITS))
    weights = initial_weights(recipe.architecture, 3, (seed,))
    return ModelMember(recipe, weights, share, epochs=1, head_shares=head_shares or {})


def fitted(name: str) -> FittedBaseline:
    return fit(make_estimators(name, HEADS), ROWS.x, ROWS.y)


def estimator(name: str, shares: dict[str, float], trained: FittedBaseline | None = None) -> EstimatorMember:
    return EstimatorMember(name.replace("_", " "), name, {}, trained or fitted(name), shares)


def exported(folder: Path, networks: list[ModelMember], estimators: list[EstimatorMember]) -> serving.Predictor:
    PopulationTrainer(ROWS).export(folder, ExportedModel(networks, INPUTS, UNITS, estimators=estimators))
    return serving.Predictor(folder)


def networks_alone(folder: Path, member: ModelMember) -> np.ndarray:
    return exported(folder, [ModelMember(member.recipe, member.weights)], []).predict_array(ROWS.x)


WORDS = [
    pytest.param(
        name,
        {parameter: word, **({"n_estimators": 2} if "forest" in name or "trees" in name else {})},
        id=f"{name}-{parameter}-{word}",
        marks=() if name == "k_nearest_neighbors" else pytest.mark.slow,
    )
    for name in ESTIMATORS
    for parameter, known in estimator_parameters(name).items()
    for word in (*known.words, *({"p": (1.0, 3.0)}.get(parameter, ())))
]


@pytest.mark.parametrize(("name", "params"), WORDS)
def test_an_estimator_with_any_word_among_its_hyperparameters_is_read_from_its_file(
    tmp_path: Path, name: str, params: dict[str, str | float]
) -> None:
    x, heads = ROWS.x[:40], HEADS if is_joint(name) else {"PE": MSE}
    trained = fit(make_estimators(name, heads, params={"": params}), x, ROWS.y[:40, : len(heads)])
    write_estimators(tmp_path, [EstimatorMember("", name, {"": params}, trained, dict.fromkeys(heads, 1.0))])
    (read,) = (skops.io.load(file, trusted=list(serving.ESTIMATOR_TYPES)) for file in tmp_path.iterdir())
    predicted = np.column_stack([serving.estimator_predictions(one, x) for one in read])
    np.testing.assert_array_equal(predicted, trained.predict(x))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_kind_of_estimator_predicts_from_its_file_as_it_was_fitted(tmp_path: Path, name: str) -> None:
    member = estimator(name, {"PE": 0.75, "V": 0.25})
    own = network(head_shares={"PE": 0.25, "V": 0.75})
    predictor = exported(tmp_path / "both", [own], [member])
    of_networks = networks_alone(tmp_path / "alone", own)
    expected = of_networks * [0.25, 0.75] + member.fitted.predict(ROWS.x) * [0.75, 0.25]
    np.testing.assert_allclose(predictor.predict_array(ROWS.x), expected, rtol=1e-6)
    np.testing.assert_allclose(PopulationTrainer(ROWS).predict(tmp_path / "both", ROWS.x), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["linear_regression", "histogram_gradient_boosting"])
def test_estimators_of_several_quantiles_and_classes_predict_from_their_files(tmp_path: Path, name: str) -> None:
    losses = {"range": "quantile(0.1, 0.5, 0.9)", "state": "multiclass(3)"}
    states = np.digitize(ROWS.x[:, 0], [16.0, 24.0]).astype(np.float64)
    table = TrainingRows(ROWS.x, np.column_stack([ROWS.y[:, 0], states]), ())
    trained = fit(make_estimators(name, {head: head_kind(loss) for head, loss in losses.items()}), table.x, table.y)
    recipe = Recipe.of({"trunk.width": 3}, list(losses), dict.fromkeys(losses, 3))
    own = ModelMember(recipe, initial_weights(recipe.architecture, 3, (1,)), head_shares={"range": 0.25, "state": 0.75})
    units, classes = dict.fromkeys(losses, ""), {"state": ["a", "b", "c"]}
    beside = [estimator(name, {"range": 0.75, "state": 0.25}, trained)]
    members = {"alone": ([ModelMember(own.recipe, own.weights)], []), "both": ([own], beside)}
    for folder, (networks_of, estimators) in members.items():
        model = ExportedModel(networks_of, INPUTS, units, losses=losses, classes=classes, estimators=estimators)
        PopulationTrainer(table).export(tmp_path / folder, model)
    networks = serving.Predictor(tmp_path / "alone").predict_array(table.x)
    shares = np.repeat([0.25, 0.75], 3)
    expected = shares * networks + (1 - shares) * trained.predict(table.x)
    predicted = serving.Predictor(tmp_path / "both").predict_array(table.x)
    np.testing.assert_allclose(predicted, expected, rtol=1e-6)
    assert (np.diff(predicted[:, :3], axis=1) >= 0).all()
    np.testing.assert_allclose(predicted[:, 3:].sum(1), 1.0)


@pytest.mark.slow
def test_a_model_with_estimators_is_served_without_branchsweep(tmp_path: Path) -> None:
    members = [estimator(name, {"PE": 0.3, "V": 0.4}) for name in ("extra_trees", "joint_random_forest")]
    predictor = exported(tmp_path, [network(head_shares={"PE": 0.4, "V": 0.2})], members)
    table = TABLE.iloc[:5]
    np.testing.assert_allclose(predict_alone(tmp_path, table).to_numpy(), predictor.predict(table).to_numpy(), rtol=1e-9)


def test_a_head_may_be_the_estimators_alone(tmp_path: Path) -> None:
    forest = fitted("random_forest")
    shares = {"PE": 0.0, "V": 0.5}
    predictor = exported(
        tmp_path,
        [network(head_shares=shares), network(head_shares=shares, seed=2)],
        [estimator("random_forest", {"PE": 1.0, "V": 0.0}, forest)],
    )
    np.testing.assert_allclose(predictor.predict_array(ROWS.x)[:, 0], forest.predict(ROWS.x)[:, 0], rtol=1e-12)


def test_networks_may_have_other_shares_for_each_head(tmp_path: Path) -> None:
    members = [network(0.5, {"PE": 0.9, "V": 0.1}, 1), network(0.5, {"PE": 0.1, "V": 0.9}, 2)]
    predictor = exported(tmp_path / "both", members, [])
    first, second = (networks_alone(tmp_path / str(index), member) for index, member in enumerate(members))
    np.testing.assert_allclose(predictor.predict_array(ROWS.x), first * [0.9, 0.1] + second * [0.1, 0.9], rtol=1e-5)
    manifest = json.loads((tmp_path / "both" / "serving.json").read_text(encoding="utf-8"))
    assert manifest["members"][0]["shares"] == {"PE": 0.9, "V": 0.1}
    assert "estimators" not in manifest


def test_a_row_without_an_input_or_beyond_32_bits_has_no_prediction(tmp_path: Path) -> None:
    share = {"PE": 0.5, "V": 0.5}
    predictor = exported(tmp_path, [network(head_shares=share)], [estimator("random_forest", share)])
    table = TABLE.iloc[:3].copy()
    table.loc[1, "AP"], table.loc[2, "AT"] = np.nan, 1e300
    assert predictor.predict(table)["PE"].isna().tolist() == [False, True, True]
    assert predictor.predict(table.iloc[1:2])["V"].isna().all()


def test_categories_and_gaps_are_encoded_for_estimators_as_they_were_in_training(tmp_path: Path) -> None:
    columns = (Column(), Column(kind="categorical", categories=["dry", "wet"]), Column(missing="indicator"))
    x = ROWS.x.copy()
    x[:, 1], x[::7, 2] = np.arange(200) % 2, np.nan
    own_rows = TrainingRows(x, ROWS.y, (), columns=columns)
    forest = fit(make_estimators("random_forest", HEADS), x, ROWS.y, columns=columns)
    recipe = Recipe.of({"trunk.width": 3}, list(UNITS))
    weights = initial_weights(recipe.architecture, recipe.encoded_width(columns), (1,))
    member = ModelMember(recipe, weights, head_shares={"PE": 0.0, "V": 0.0})
    model = ExportedModel(
        [member], INPUTS, UNITS, columns=columns, estimators=[estimator("random_forest", {"PE": 1.0, "V": 1.0}, forest)]
    )
    PopulationTrainer(own_rows).export(tmp_path, model)
    table = pd.DataFrame({"AT": x[:, 0], "AP": np.array(["dry", "wet"])[x[:, 1].astype(int)], "RH": x[:, 2]})
    np.testing.assert_allclose(serving.Predictor(tmp_path).predict(table), forest.predict(x), rtol=1e-12)


def test_a_file_with_other_types_is_refused(tmp_path: Path) -> None:
    share = {"PE": 0.5, "V": 0.5}
    exported(tmp_path, [network(head_shares=share)], [estimator("linear_regression", share)])
    skops.io.dump([Path()], tmp_path / "estimator_1.skops")
    with pytest.raises(UntrustedTypesFoundException):
        serving.Predictor(tmp_path).predict(TABLE)
