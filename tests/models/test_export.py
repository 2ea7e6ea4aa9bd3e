"""Exported models: single members, ensembles, their files, and warnings about inputs outside the training range."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from branchsweep.config.codec import from_data
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models import keras_network, serving
from branchsweep.models.exported_model import ExportedModel, ModelMember, Provenance
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.recipe import Recipe
from branchsweep.training.trainer import PopulationTrainer
from served_alone import predict_alone

INPUTS = ["AT", "AP", "RH"]
UNITS = {"PE": "MW", "V": "cm Hg"}


def rows() -> TrainingRows:
    random = np.random.default_rng(3)
    x = random.normal([20.0, 1013.0, 73.0], [7.0, 6.0, 15.0], (400, 3))
    y = random.normal([454.0, 54.0], [17.0, 12.7], (400, 2))
    return TrainingRows(x, y, ())


ROWS = rows()
TABLE = pd.DataFrame(ROWS.x, columns=INPUTS)


def member(seed: int, share: float = 1.0, **params: Any) -> ModelMember:
    """An untrained network."""
    recipe = Recipe.of({name.replace("__", "."): value for name, value in params.items()}, list(UNITS))
    return ModelMember(recipe, initial_weights(recipe.architecture, 3, (seed,)), share, epochs=7)


MIXED = [
    member(1, 0.5, trunk__depth=3, trunk__width=12, activation="tanh", input_scaling="standard"),
    member(2, 0.3, PE__depth=0, V__depth=2, activation="silu", input_scaling="quantile", target_scaling="none"),
    member(3, 0.2, trunk__depth=1, trunk__layer="layer_normalization", activation="gelu", input_scaling="min_max"),
]
UNSCALED_FIRST = [MIXED[1], MIXED[0], MIXED[2]]
SEEDS = [member(seed, share, input_scaling="min_max") for seed, share in ((1, 0.5), (2, 0.25), (3, 0.25))]
SAME_BUT_FOR_TARGETS = [member(1, 0.75), member(2, 0.25, target_scaling="none")]
ENSEMBLES = {"mixed": MIXED, "unscaled first": UNSCALED_FIRST, "seeds": SEEDS, "unlike targets": SAME_BUT_FOR_TARGETS}


def exported(folder: Path, members: Sequence[ModelMember]) -> serving.Predictor:
    PopulationTrainer(ROWS).export(folder, ExportedModel(members, INPUTS, UNITS))
    return serving.Predictor(folder)


def by_hand(member: ModelMember, x: serving.Floats) -> serving.Floats:
    """The predictions of a member's network and encoders."""
    model = keras_network.build_network(member.recipe.architecture, 3, member.weights)
    outputs = model(encoder_kind(member.recipe.input_scaling).fit(ROWS.x, ROWS.y).transform(x).astype(np.float32))
    scaled = np.concatenate([np.asarray(outputs[head]) for head in UNITS], axis=1).astype(np.float64)
    return encoder_kind(member.recipe.target_scaling).fit(ROWS.y, ROWS.y).inverse(scaled)


@pytest.mark.parametrize("scalings", [("standard", "standard"), ("quantile", "none"), ("none", "standard")])
def test_a_model_of_one_member_predicts_as_its_network_to_the_last_bit(tmp_path: Path, scalings: tuple[str, str]) -> None:
    single = member(5, input_scaling=scalings[0], target_scaling=scalings[1], V__depth=2)
    predictor = exported(tmp_path, [single])
    np.testing.assert_array_equal(predictor.predict(TABLE).to_numpy(), by_hand(single, ROWS.x))
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert [layer.name for layer in model.layers] == ["inputs", "trunk_1", "trunk_2", "V_1", "PE_1", "V_2", "PE", "V"]


def test_a_network_that_clips_its_predictions_does_so_in_its_files(tmp_path: Path) -> None:
    """Alone to the last bit of single precision, and as a member of a mean; equal networks are equal files."""
    clipping = member(5, target_scaling="none", V__depth=2, output_clipping="training_range")
    expected = np.clip(by_hand(clipping, ROWS.x), *ROWS.y.astype(np.float32)[[ROWS.y.argmin(0), ROWS.y.argmax(0)], [0, 1]])
    assert (expected != by_hand(clipping, ROWS.x)).any()
    np.testing.assert_array_equal(exported(tmp_path / "alone", [clipping]).predict(TABLE).to_numpy(), expected)
    both = [replace(member, share=0.5) for member in (clipping, MIXED[0])]
    mean = (expected + by_hand(MIXED[0], ROWS.x)) / 2
    np.testing.assert_allclose(exported(tmp_path / "mean", both).predict(TABLE), mean, rtol=1e-6)
    configs = []
    for name in ("alone", "again"):
        exported(tmp_path / name, [clipping])
        configs.append(zipfile.ZipFile(tmp_path / name / "model.keras").read("config.json"))
    assert configs[0] == configs[1] and b"branchsweep" not in configs[0]


def test_factors_of_the_inputs_are_a_layer_of_the_exported_network(tmp_path: Path) -> None:
    """One that Keras alone loads."""
    single = member(5, input_factor_rate=6.0)
    factors = np.array([[0.5], [2.0], [-1.0]], np.float32)
    learned = replace(single, weights=(factors, *single.weights[1:]))
    kernel = factors * single.weights[2]
    folded = ModelMember(Recipe.of({}, list(UNITS)), (kernel, *single.weights[3:]))
    predicted = exported(tmp_path, [learned]).predict(TABLE)
    np.testing.assert_allclose(predicted, by_hand(folded, ROWS.x), rtol=1e-5)
    model = keras.saving.load_model(tmp_path / "model.keras")
    for read, given in zip(keras_network.network_weights(model, single.recipe.architecture), learned.weights, strict=True):
        np.testing.assert_array_equal(read, given)
    assert model.count_params() == single.recipe.architecture.parameters(3)
    assert b"branchsweep" not in zipfile.ZipFile(tmp_path / "model.keras").read("config.json")


@pytest.mark.parametrize("members", ENSEMBLES.values(), ids=ENSEMBLES.keys())
def test_an_ensemble_predicts_the_weighted_mean_of_its_members(tmp_path: Path, members: Sequence[ModelMember]) -> None:
    together = exported(tmp_path / "together", members)
    alone = [
        exported(tmp_path / str(index), [ModelMember(member.recipe, member.weights)]).predict(TABLE)
        for index, member in enumerate(members)
    ]
    expected = sum(member.share * predicted for member, predicted in zip(members, alone, strict=True))
    np.testing.assert_allclose(together.predict(TABLE), expected, rtol=1e-6)
    np.testing.assert_allclose(PopulationTrainer(ROWS).predict(tmp_path / "together", ROWS.x), expected, rtol=1e-6)


def test_an_ensemble_has_an_input_for_each_scaling_and_layers_with_names(tmp_path: Path) -> None:
    exported(tmp_path / "mixed", MIXED)
    model = keras.saving.load_model(tmp_path / "mixed" / "model.keras")
    assert {tensor.name for tensor in model.inputs} == {"inputs.standard", "inputs.quantile", "inputs.min_max"}
    assert {layer.name for layer in model.layers} >= {"member.1", "member.2", "member.3", "PE.members", "PE", "V"}
    assert [layer.output.shape[1] for layer in model.get_layer("member.3").layers[1:]] == [10, 10, 10, 1, 1]
    exported(tmp_path / "seeds", SEEDS)
    model = keras.saving.load_model(tmp_path / "seeds" / "model.keras")
    assert [tensor.name for tensor in model.inputs] == ["inputs"]
    kernel, bias = model.get_layer("PE").get_weights()
    np.testing.assert_array_equal(kernel[:, 0], np.array([0.5, 0.25, 0.25], np.float32))
    assert bias == 0.0


def test_an_ensemble_survives_saving_and_loading(tmp_path: Path) -> None:
    predictor = exported(tmp_path / "first", MIXED)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    keras.saving.load_model(tmp_path / "first" / "model.keras").save(tmp_path / "second" / "model.keras")
    again = serving.Predictor(tmp_path / "second").predict(TABLE)
    np.testing.assert_array_equal(predictor.predict(TABLE), again)


@pytest.mark.parametrize("members", [MIXED, MIXED[:1]], ids=["ensemble", "one network"])
def test_a_model_is_exported_as_the_same_bytes_whatever_its_process_has_made_before(
    tmp_path: Path, members: Sequence[ModelMember]
) -> None:
    weights = []
    for name in ("first", "second"):
        exported(tmp_path / name, members)
        with zipfile.ZipFile(tmp_path / name / serving.MODEL_FILE) as network:
            weights.append(network.read("model.weights.h5"))
    assert weights[0] == weights[1]


def test_an_ensemble_is_served_without_branchsweep(tmp_path: Path) -> None:
    predictor, table = exported(tmp_path, MIXED), TABLE.iloc[:5]
    predicted = predict_alone(tmp_path, table).to_numpy()
    np.testing.assert_allclose(predicted, predictor.predict(table).to_numpy(), rtol=1e-6)


def test_recipes_and_provenance_are_read_back_from_the_manifest(tmp_path: Path) -> None:
    provenance = Provenance({"PE": "PE", "V": "vacuum"}, {"PE": "mse", "V": "mae"}, 60, 0.2, 1)
    PopulationTrainer(ROWS).export(tmp_path, ExportedModel(MIXED, INPUTS, UNITS, provenance))
    manifest = json.loads((tmp_path / "serving.json").read_text(encoding="utf-8"))
    assert [from_data(Recipe, data["recipe"]) for data in manifest["members"]] == [member.recipe for member in MIXED]
    assert [(data["share"], data["epochs"]) for data in manifest["members"]] == [(0.5, 7), (0.3, 7), (0.2, 7)]
    assert from_data(Provenance, manifest["provenance"]) == provenance
    assert np.array(manifest["ranges"]).tolist() == [
        [low, high] for low, high in zip(ROWS.x.min(0), ROWS.x.max(0), strict=True)
    ]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> serving.Predictor:
    return exported(tmp_path_factory.mktemp("limits"), [member(1)])


class TestLimits:
    def test_values_beyond_the_training_range_or_missing_are_outside(self, predictor: serving.Predictor) -> None:
        assert not predictor.predict(TABLE, warn=True)["outside"].any()
        inside, low, high, missing = (TABLE.iloc[[0]].copy() for _ in range(4))
        low["AT"], high["RH"], missing["AP"] = TABLE["AT"].min() - 1e-9, TABLE["RH"].max() + 1e-9, np.nan
        predicted = predictor.predict(pd.concat([inside, low, high, missing]), warn=True)
        assert list(predicted.columns) == ["PE", "V", "outside"]
        assert predicted["outside"].tolist() == [False, True, True, True]

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_a_code_for_missing_is_a_missing_value(self, tmp_path: Path, dtype: type) -> None:
        provenance = Provenance({"PE": "PE", "V": "V"}, {"PE": "mse", "V": "mse"}, 60, 0.2, 1, missing=[-200.0, "?", -99.9])
        PopulationTrainer(ROWS).export(tmp_path, ExportedModel([member(1)], INPUTS, UNITS, provenance))
        table = pd.DataFrame([ROWS.x.mean(axis=0)] * 4, columns=INPUTS)  # far from the ends of the training range
        table.loc[1, "AT"], table.loc[2, "RH"] = -200, -99.9
        predicted = serving.Predictor(tmp_path).predict(table.astype(dtype), warn=True)
        assert predicted["PE"].isna().tolist() == predicted["V"].isna().tolist() == [False, True, True, False]
        assert predicted["outside"].tolist() == [False, True, True, False]
        texts = table.astype(object)
        texts.loc[3, "AP"] = "?"
        assert serving.Predictor(tmp_path).predict(texts)["PE"].isna().tolist() == [False, True, True, True]

    def test_there_is_no_warning_column_by_default(self, predictor: serving.Predictor) -> None:
        assert list(predictor.predict(TABLE).columns) == ["PE", "V"]
        assert list(predictor.predict(TABLE, {"warn": False}).columns) == ["PE", "V"]
        assert list(predictor.predict(TABLE, {"warn": True}).columns) == ["PE", "V", "outside"]

    def test_an_empty_table_has_the_column_too(self, predictor: serving.Predictor) -> None:
        assert predictor.predict(TABLE.iloc[:0], warn=True).shape == (0, 3)

    def test_the_example_is_inside(self, predictor: serving.Predictor) -> None:
        assert predictor.predict(predictor.example, warn=True)["outside"].tolist() == [False]

    def test_a_head_with_the_name_of_the_warning_column_is_predicted(self, tmp_path: Path) -> None:
        recipe = Recipe.of({}, ["outside"])
        single = ModelMember(recipe, initial_weights(recipe.architecture, 3, (1,)))
        targets = TrainingRows(ROWS.x, ROWS.y[:, :1], ())
        PopulationTrainer(targets).export(tmp_path, ExportedModel([single], INPUTS, {"outside": "°C"}))
        predictor = serving.Predictor(tmp_path)
        assert list(predictor.predict(TABLE).columns) == ["outside"]
        with pytest.raises(ValueError, match="outside"):
            predictor.predict(TABLE, warn=True)


def test_a_model_predicts_the_same_again_and_other_files_in_its_folder_are_another_model(tmp_path: Path) -> None:
    trainer = PopulationTrainer(ROWS)

    def predicted(seed: int) -> serving.Floats:
        trainer.export(tmp_path, ExportedModel([member(seed, input_scaling="min_max")], INPUTS, UNITS))
        first = trainer.predict(tmp_path, ROWS.x)
        np.testing.assert_array_equal(trainer.predict(tmp_path, ROWS.x[:100]), first[:100])  # from the model as it is loaded
        np.testing.assert_array_equal(PopulationTrainer(ROWS).predict(tmp_path, ROWS.x), first)
        return first

    assert (predicted(1) != predicted(2)).all()
