"""An encoder, a layer, an activation and a head defined here, used from the YAML to the exported model by registering them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import PoissonRegressor

import second_order_encoding
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.columns import NUMERIC
from branchsweep.config.sections.heads import Head as HeadSettings
from branchsweep.data.dataset import Dataset
from branchsweep.data.encoders import registry as encoders
from branchsweep.data.encoders.encoder import Encoder
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.models import export, serving
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.codegen import script_from_manifest
from branchsweep.models.drawing import draw_network
from branchsweep.models.heads import registry as heads
from branchsweep.models.heads.head import Head
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.layers import registry as layers
from branchsweep.models.layers.activations import Activation, Evaluated
from branchsweep.models.layers.dense import DENSE
from branchsweep.models.layers.layer import BACK, FORWARD, Activate, Layer
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.training import packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Trial
from branchsweep.types import Floats, SourceCall
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.sweep import run_sweep
from contracts.encoder import EncoderContract
from contracts.head import HeadContract
from contracts.layer import LayerContract
from fakes import RecordingProgress
from served_alone import predict_alone

SECOND_ORDER = Encoder(
    "second_order",
    lambda values, targets: {"divisor": 1.0},
    second_order_encoding,
    SourceCall("PolynomialFeatures", ("include_bias=False",), "sklearn.preprocessing"),
    width=lambda columns: columns + columns * (columns + 1) // 2,
)


def _softsign(ops: ArrayOperations, x: Array, _: Array) -> Evaluated:
    below = 1.0 / (1.0 + ops.abs(x))
    return x * below, below * below


SOFTSIGN = Activation("softsign", _softsign)


class FixedProjection(Layer):
    """A linear map that is drawn once and never learnt."""

    name: ClassVar[str] = "fixed_projection"
    trainable: ClassVar[bool] = False

    def initial_weights(
        self, random: np.random.Generator, read: int, units: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return (random.normal(size=(read, units)) / np.sqrt(read)).astype(np.float32), np.zeros(units, np.float32)

    def forward(self, ops: ArrayOperations, weights: Array, x: Array, activate: Activate) -> tuple[Array, Array]:
        output = ops.einsum(FORWARD, weights, x)
        return output, ops.ones_like(output)

    def backward(self, ops: ArrayOperations, weights: Array, x: Array, saved: Array, gradient: Array) -> tuple[Array, Array]:
        return ops.einsum(BACK, weights[:, :, 1:], gradient), ops.zeros_like(weights)

    def keras_layer(self, units: int, activation: str, name: str) -> Any:
        return keras.layers.Dense(units, trainable=False, name=name)

    def source(self, units: int, activation: str) -> SourceCall:
        return SourceCall("keras.layers.Dense", (str(units), "trainable=False"))

    def label(self, units: int) -> str:
        return f"P{units}"


class Poisson(Head):
    """A positive number: the exponential of the raw output, by the Poisson loss."""

    name = "poisson"
    task: ClassVar[str] = "count"
    output_activation: ClassVar[str] = "exponential"
    metrics: ClassVar[tuple[str, ...]] = ("r2", "rmse", "mae")
    score: ClassVar[str] = "r2"

    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        return ops.exp(y) - t * y

    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        return ops.exp(y) - t

    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        error = ops.exp(y) - t
        return error, error

    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        weights = np.ones_like(targets) if weights is None else weights
        return np.asarray((weights * (targets - np.average(targets, axis=0, weights=weights)) ** 2).sum(0))

    def predict(self, ops: ArrayOperations, y: Array) -> Array:
        return ops.exp(y)

    def target_encoder(self, target_scaling: str) -> str:
        return "none"

    def keras_loss(self) -> str:
        return "poisson"

    def loss_source(self) -> str:
        return '"poisson"'

    def score_source(self) -> SourceCall:
        return SourceCall("r2_score", module="sklearn.metrics")

    def estimator(self, name: str, seed: int) -> Any:
        return PoissonRegressor()


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Generator[None]:
    """The four kinds, for the tests of this module alone."""
    encoders.register_encoder(SECOND_ORDER)
    layers.register_layer(FixedProjection())
    layers.register_activation(SOFTSIGN)
    heads.register_head(Poisson())
    yield
    encoders.unregister_encoder(SECOND_ORDER.name)
    layers.unregister_layer(FixedProjection.name)
    layers.unregister_activation(SOFTSIGN.name)
    heads.unregister_head(Poisson.name)


class TestEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self) -> Encoder:
        return SECOND_ORDER


class TestLayer(LayerContract):
    @pytest.fixture
    def layer(self) -> Layer:
        return FixedProjection()


class TestActivation(LayerContract):
    @pytest.fixture
    def layer(self) -> Layer:
        return DENSE

    @pytest.fixture
    def activation(self) -> Activation:
        return SOFTSIGN


class TestHead(HeadContract):
    @pytest.fixture
    def head(self) -> Head:
        return Poisson()

    @pytest.fixture
    def targets(self) -> Floats:
        return np.random.default_rng(0).poisson(2.0, (40, 1)).astype(np.float64) + 0.5

    @pytest.fixture
    def settings(self, head: Head) -> HeadSettings:
        return HeadSettings(loss=head.name)


def experiment() -> Experiment:
    """Trials that differ in the kinds of their trunks and branches, one head of either kind."""
    written: Mapping[str, Any] = {
        "name": "extended",
        "table": {"source": "counts.csv", "inputs": ["a", "b"]},
        "heads": {"level": {}, "count": {"loss": "poisson"}},
        "space": {
            "dimensions": {
                "trunk.layer": {"type": "choice", "choices": ["dense", "fixed_projection"]},
                "level.layer": {"type": "choice", "choices": ["dense", "fixed_projection"]},
                "learning_rate": {"type": "float", "low": 0.01, "high": 0.05},
            },
            "fixed": {"input_scaling": "second_order", "target_scaling": "none", "activation": "softsign", "batch_size": 16},
        },
        "search": {
            "driver": "random",
            "trials": 3,
            "batch": 3,
            "initial_trials": {"projected": {"trunk.layer": "fixed_projection", "learning_rate": 0.03}},
        },
        "fit": {"epochs": 12},
        "validation": {"method": "k_fold", "folds": 2},
        "promotion": {"model": "extended"},
    }
    return Experiment.model_validate(written)


def table() -> Dataset:
    random = np.random.default_rng(0)
    x = random.normal(size=(160, 2))
    y = np.stack([x[:, 0] * x[:, 1], np.exp(0.5 * x[:, 0])], axis=1)
    return Dataset("file", "counts.csv", ("a", "b"), ("level", "count"), x, y, digest="extended")


@pytest.fixture(scope="module")
def finished_sweep(_registered: None) -> tuple[SweepSummary, MemoryTracker, MemoryStore]:
    """The sweep's result, with its tracker and its store."""
    chosen, dataset, store = experiment(), table(), MemoryStore()
    split = split_rows(chosen, dataset)
    tracker = MemoryTracker.open(new_sweep_record(chosen, dataset, split), store)
    rows = training_rows(dataset, split)
    training = TrainingContext(PopulationTrainer(rows), rows, RecordingProgress())
    context = SweepContext(chosen, dataset, split, training, tracker.tracking)
    return run_sweep(context, open_driver(chosen), [Baseline("linear_regression")]), tracker, store


@pytest.fixture(scope="module")
def exported(finished_sweep: tuple[SweepSummary, MemoryTracker, MemoryStore], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the registered model, and `serving.py` beside it."""
    folder = tmp_path_factory.mktemp("model")
    for name, content in finished_sweep[2].files["extended", 1].items():
        (folder / name).write_bytes(content)
    shutil.copy(serving.__file__, folder / "serving.py")
    return folder


def test_a_sweep_trains_the_kinds_and_registers_the_best(
    finished_sweep: tuple[SweepSummary, MemoryTracker, MemoryStore],
) -> None:
    result, tracker, store = finished_sweep
    scores = {recorded.trial.known: recorded.score for recorded in tracker.recorded_results()}
    assert all(score.is_complete for score in scores.values())
    assert scores["projected"].by_head["count"] > 0.3
    assert [baseline.name for baseline in result.baselines] == ["linear regression"]
    assert ("extended", 1) in store.files


def test_a_layer_that_is_not_trained_keeps_its_initial_weights() -> None:
    chosen, dataset = experiment(), table()
    rows = training_rows(dataset, split_rows(chosen, dataset))
    (lane, *_) = search_lanes(Trial(0, chosen.search.initial_trials["projected"]), chosen)
    (population,) = packing.pack([lane], chosen)
    outcome = PopulationTrainer(rows).train_one(population, keep_weights=True).lanes[0]
    before = initial_weights(lane.recipe.architecture, lane.recipe.encoded_width([NUMERIC, NUMERIC]), lane.weight_seed)
    assert outcome.weights is not None
    unchanged = [np.array_equal(weight, initial) for weight, initial in zip(outcome.weights, before, strict=True)]
    assert unchanged[:4] == [True] * 4  # the kernels and biases of the trunk
    assert not any(unchanged[4:])


def test_the_exported_model_is_served_where_branchsweep_is_not(exported: Path) -> None:
    x = table().x[:5]
    served = predict_alone(exported, pd.DataFrame(x, columns=["a", "b"])).to_numpy()
    np.testing.assert_allclose(served, export.predict_exported(exported, x), rtol=1e-5)
    assert (served[:, 1] > 0).all()


def test_a_network_of_added_kinds_is_drawn() -> None:
    recipe = recipe_for(experiment(), experiment().search.initial_trials["projected"])
    *lines, caption = draw_network(recipe.architecture, ["a", "b"], width=recipe.encoded_width([NUMERIC, NUMERIC]))
    assert "P10 ── P10" in "\n".join(lines)
    inputs = 5  # two columns and three products
    by_hand = (inputs + 1) * 10 + 11 * 10 + 2 * (11 * 10 + 11)
    assert caption.split() == ["softsign,", f"{by_hand}", "parameters"]


def test_the_exported_script_trains_the_same_network(exported: Path, tmp_path: Path) -> None:
    manifest = json.loads((exported / "serving.json").read_text(encoding="utf-8"))
    (tmp_path / "model.py").write_text(script_from_manifest("extended", manifest), encoding="utf-8")
    dataset = table()
    pd.DataFrame(np.hstack([dataset.x, dataset.y]), columns=["a", "b", "level", "count"]).to_csv(
        tmp_path / "t.csv", index=False
    )
    done = subprocess.run([sys.executable, "model.py", "t.csv"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = dict(re.findall(r"(\w+): R2 (-?[0-9.]+)", done.stdout))
    assert set(scores) == {"level", "count"}
    assert 'activation="exponential"' in (tmp_path / "model.py").read_text(encoding="utf-8")
    trained = keras.saving.load_model(exported / "model.keras")
    assert f"Total params: {trained.count_params()}" in done.stdout
