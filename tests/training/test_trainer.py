"""Lanes of a population against Keras, and against each other.

One lane equals `keras.Model.fit`, or plain steps in Keras where its losses are balanced; to the last bit, a lane does not
depend on the lanes that train with it; an exported model predicts what the lane did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS
from branchsweep.config.sections.columns import Column
from branchsweep.config.sections.dimensions import Choice, Float
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.training import EarlyStopping, Fit
from branchsweep.data.encoders.encoder import FittedEncoder
from branchsweep.data.encoders.inputs import InputEncoder
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.data.training_rows import ALL_ROWS, TrainingRows
from branchsweep.models import keras_network
from branchsweep.models.architecture import branch_points
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.keras_fit import keras_optimizer
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.training import packing
from branchsweep.training import trainer as trainer_module
from branchsweep.training.lanes import Lane, LaneOutcome, search_lane, search_lanes
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.program import batches, shapes
from branchsweep.training.program.batches import row_order
from branchsweep.training.program.dropout import kept_share, step_keys
from branchsweep.training.program.program_arrays import Plan
from branchsweep.training.program.target_noise import FIRST_NUMBER, noisy_targets
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Params, Trial
from branchsweep.types import Weights
from properties import quick
from tiny_training import assert_same_outcome

Floats32 = NDArray[np.float32]

SEED = 7
ROWS = 300
BATCH = 32  # 200 training rows a fold: six whole batches and one of eight rows

SPACE: Mapping[str, Any] = {
    "trunk.depth": {"type": "int", "low": 1, "high": 3},
    "branch.depth": {"type": "int", "low": 0, "high": 2},
    "activation": {"type": "choice", "choices": ["relu", "silu", "tanh", "gelu"]},
}


def make_experiment(heads: Mapping[str, Any], epochs: int = 10, **fit: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "tiny",
            "seed": SEED,
            "table": {"source": "tiny.csv", "inputs": ["a", "b", "c"]},
            "heads": heads,
            "space": {"dimensions": SPACE},
            "fit": {"epochs": epochs, **fit},
            "validation": {"method": "k_fold", "folds": 3, "seeds": 50},  # so many that widths are padded apart
        }
    )


def with_loss_balancing(experiment: Experiment) -> Experiment:
    """The same experiment, with the schemes of loss balancing as one dimension more."""
    schemes = Choice.model_validate({"type": "choice", "choices": SCHEMES})
    space = experiment.space.model_copy(update={"dimensions": {**experiment.space.dimensions, "loss_balancing": schemes}})
    return experiment.model_copy(update={"space": space})


def with_branches_anywhere(experiment: Experiment) -> Experiment:
    """The same experiment, where in addition branches may leave the trunk early, or begin at that of PE."""
    exits = Choice.model_validate({"type": "choice", "choices": [0, 1, 2]})
    reads = Choice.model_validate({"type": "choice", "choices": ["trunk", "PE"]})
    dimensions = {**experiment.space.dimensions, "branch.exit": exits, "V.reads": reads}
    return experiment.model_copy(update={"space": experiment.space.model_copy(update={"dimensions": dimensions})})


SCHEMES = list(HYPERPARAMETERS["loss_balancing"].choices)

TWO_HEADS = make_experiment({"PE": {}, "V": {}})


def make_rows(heads: int = 2) -> TrainingRows:
    """A small smooth table: targets of different sizes that depend on one hidden variable."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 3)) * [7.0, 6.0, 15.0] + [20.0, 1013.0, 70.0]
    z = (x - x.mean(0)) / x.std(0)
    hidden = np.tanh(z @ [0.8, -0.5, 0.3])
    y = np.stack([450.0 + 17.0 * (hidden + 0.1 * h * z[:, 1] ** 2) / (1 + h) for h in range(heads)], axis=1)
    y += random.normal(size=y.shape) * 0.3
    positions = random.permutation(ROWS)
    parts = np.array_split(positions, 3)
    folds = tuple((np.concatenate([other for other in parts if other is not part]), part) for part in parts)
    return TrainingRows(x, y, folds)


def make_lane(
    params: Params, trial: int = 0, fold: int = 0, seed: int = 0, experiment: Experiment = TWO_HEADS, stop: int = 0
) -> Lane:
    recipe = recipe_for(experiment, {"batch_size": BATCH, **params})
    lane = search_lane(trial, recipe, experiment, fold, seed)
    return replace(lane, stop=stop or lane.epochs)


def train(
    lanes: list[Lane], experiment: Experiment = TWO_HEADS, rows: TrainingRows | None = None, keep_weights: bool = True
) -> PopulationOutcome:
    """All lanes as one population."""
    (population,) = packing.pack(lanes, experiment)
    assert [packed.key for packed in population.lanes] == [lane.key for lane in as_packed(lanes)]
    return PopulationTrainer(rows or make_rows(len(experiment.heads))).train_one(population, keep_weights)


def as_packed(lanes: list[Lane]) -> list[Lane]:
    """The lanes in the order that the packer gives them."""
    return sorted(lanes, key=lambda lane: lane.key)


def keras_lane_before_training(
    lane: Lane, rows: TrainingRows
) -> tuple[keras.Model, keras.optimizers.Optimizer, FittedEncoder, Floats32, Floats32]:
    """A lane in Keras before its first step: network, optimizer, encoder of the targets, and all rows encoded."""
    recipe = lane.recipe
    training, _ = rows.fold_rows(lane.key.fold)
    x_encoder = InputEncoder(rows.input_columns, recipe.encoding).fit(rows.x[training], rows.y[training])
    y_encoder = encoder_kind(recipe.target_scaling).fit(rows.y[training], rows.y[training])
    x = x_encoder.transform(rows.x).astype(np.float32)
    y = np.nan_to_num(y_encoder.transform(rows.y).astype(np.float32))
    width = x.shape[1]
    weights = initial_weights(recipe.architecture, width, lane.weight_seed)
    model = keras_network.build_network(recipe.architecture, width, weights)
    steps = -(-len(training) // recipe.batch_size)
    return model, keras_optimizer(recipe, steps * lane.epochs), y_encoder, x, y


def fit_with_keras(lane: Lane, experiment: Experiment, rows: TrainingRows) -> tuple[Weights, NDArray[np.float64], list[float]]:
    """The lane by `keras.Model.fit`: its weights, its predictions on the validation rows, R² of the first head by epoch."""
    recipe, heads = lane.recipe, list(experiment.heads)
    training, validation = rows.fold_rows(lane.key.fold)
    model, optimizer, y_encoder, x, y = keras_lane_before_training(lane, rows)
    masks = rows.actual.masks.astype(np.float32)
    model.compile(
        optimizer,
        loss={head: spec.loss for head, spec in experiment.heads.items()},
        loss_weights=dict(recipe.loss_weights),
    )
    curve = []
    known = np.where(masks[training] > 0, y[training], np.nan)
    ends = np.nanmin(known, axis=0), np.nanmax(known, axis=0)

    def predicted(outputs: Mapping[str, Any]) -> Floats32:
        scaled = np.concatenate([np.asarray(outputs[head]) for head in heads], axis=1)
        return np.clip(scaled, *ends) if recipe.clips_outputs else scaled

    def batches() -> Iterator[tuple[Any, ...]]:
        for epoch in range(lane.stop):
            order = row_order(SEED, lane.key.fold, lane.key.seed, epoch, training)
            for begin in range(0, len(order), recipe.batch_size):
                batch = order[begin : begin + recipe.batch_size]
                weights = {"sample_weight": of_heads(masks[batch])} if rows.actual.masks.min() < 1 else {}
                yield x[batch], of_heads(y[batch]), *weights.values()

    def of_heads(columns: Floats32) -> dict[str, Floats32]:
        return {head: columns[:, h] for h, head in enumerate(heads)}

    def measure(epoch: int, logs: object) -> None:
        if len(validation):
            swapped = keras.callbacks.SwapEMAWeights()
            swapped.set_model(model)
            if recipe.ema_momentum:
                swapped.on_test_begin()
            scaled = predicted(model(x[validation]))
            if recipe.ema_momentum:
                swapped.on_test_end()
            curve.append(float(r2_score(y[validation, 0], scaled[:, 0], sample_weight=masks[validation, 0])))

    steps, progress = -(-len(training) // recipe.batch_size), keras.callbacks.LambdaCallback(on_epoch_end=measure)
    model.fit(batches(), steps_per_epoch=steps, epochs=lane.stop, callbacks=[progress], shuffle=False, verbose=0)
    scaled = predicted(model.predict(x[validation] if len(validation) else x, verbose=0))
    natural = y_encoder.inverse(scaled.astype(np.float64))
    return keras_network.network_weights(model, recipe.architecture), natural, curve


def assert_is_keras_fit(lane: Lane, experiment: Experiment, rows: TrainingRows) -> None:
    """Assert that the lane, trained alone, has the weights, predictions and curve of R² of `keras.Model.fit`."""
    outcome = train([lane], experiment, rows).lanes[0]
    weights, predictions, curve = fit_with_keras(lane, experiment, rows)
    assert outcome.weights is not None
    for trained, expected in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(trained, expected, rtol=0, atol=2e-5)
    # Raw targets are in the hundreds and the weights small: there float32 itself leaves a few parts in 100,000.
    np.testing.assert_allclose(outcome.predictions, predictions, rtol=5e-5, atol=0)
    np.testing.assert_allclose(outcome.curve[:, 0], curve, rtol=1e-5, atol=1e-4)


ARTICLE: Params = {"trunk.depth": 2, "PE.depth": 0, "V.depth": 1, "input_scaling": "min_max", "target_scaling": "none"}
LAST_EPOCH = make_experiment({"PE": {}, "V": {}}, epochs=9, keep="last")
THREE_HEADS = make_experiment({"PE": {"loss": "mae"}, "V": {"loss": "huber"}, "Q": {}}, epochs=9, keep="last")


@pytest.mark.parametrize(
    ("params", "experiment"),
    [
        pytest.param(
            {"activation": "silu", "trunk.width": 12, "branch.width": 9, "learning_rate": 0.01}, LAST_EPOCH, id="adam"
        ),
        pytest.param({**ARTICLE, "learning_rate": 0.01}, LAST_EPOCH, id="article"),
        pytest.param(
            {"optimizer": "sgd", "momentum": 0.9, "activation": "tanh", "learning_rate": 0.01, "PE.loss_weight": 3.0},
            LAST_EPOCH,
            id="sgd with momentum",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "weight_decay": 0.02,
                "learning_rate_schedule": "cosine",
                "activation": "gelu",
                "input_scaling": "quantile",
                "trunk.depth": 3,
                "branch.depth": 2,
                "learning_rate": 0.01,
            },
            LAST_EPOCH,
            id="decay, cosine, gelu, quantile",
        ),
        pytest.param(
            {"trunk.depth": 1, "V.depth": 2, "Q.depth": 0, "learning_rate": 0.005},
            THREE_HEADS,
            id="three heads, other losses",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"trunk.depth": 3, "trunk.width": 40, "branch.width": 7, "PE.depth": 0, "V.depth": 2, "activation": "silu"},
            LAST_EPOCH,
            id="a trunk wider than the branches",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"trunk.width": 5, "PE.width": 41, "PE.depth": 2, "V.width": 35, "activation": "tanh", "learning_rate": 0.01},
            LAST_EPOCH,
            id="branches wider than the trunk",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "trunk.depth": 3,
                "trunk.width": 11,
                "trunk.taper": 0.6,
                "branch.depth": 2,
                "branch.width": 5,
                "branch.taper": 2.0,
                "V.taper": 0.25,
                "activation": "silu",
                "learning_rate": 0.01,
            },
            LAST_EPOCH,
            id="layers that taper and widen",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "trunk.depth": 3,
                "trunk.width": 45,
                "trunk.taper": 0.4,
                "branch.depth": 2,
                "branch.width": 8,
                "PE.taper": 1.7,
                "activation": "tanh",
                "learning_rate": 0.01,
            },
            LAST_EPOCH,
            id="a wide trunk that tapers to less than the branches",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "trunk.depth": 3,
                "PE.depth": 0,
                "PE.exit": 2,
                "V.exit": 1,
                "Q.depth": 2,
                "activation": "silu",  # under relu a head's absolute errors of about 0 change their sign with the last bit
                "learning_rate": 0.003,
            },
            THREE_HEADS,
            id="three exits",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "trunk.depth": 2,
                "trunk.width": 40,
                "branch.width": 7,
                "branch.taper": 0.6,
                "PE.exit": 1,
                "V.reads": "PE",
                "V.depth": 2,
                "Q.depth": 0,
                "learning_rate": 0.005,
            },
            THREE_HEADS,
            id="a branch on a branch, narrower than the trunk",
        ),
        pytest.param(
            {"trunk.width": 5, "branch.width": 41, "V.reads": "PE", "Q.reads": "V", "Q.depth": 0, "learning_rate": 0.005},
            THREE_HEADS,
            id="a chain of branches, wider than the trunk",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"activation": "mish", "learning_rate_schedule": "coslog4", "beta_2": 0.95, "learning_rate": 0.01},
            LAST_EPOCH,
            id="mish, coslog4, beta_2",
        ),
        pytest.param(
            {"activation": "leaky_relu", "trunk.depth": 3, "learning_rate": 0.01},
            LAST_EPOCH,
            id="leaky_relu",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"activation": "silu", "learning_rate_schedule": "flat_cosine", "warmup": 0.2, "learning_rate": 0.01},
            LAST_EPOCH,
            id="flat_cosine after a warm-up",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"warmup": 0.1, "ema_momentum": 0.9, "learning_rate": 0.01, "weight_decay": 0.01, "V.depth": 2},
            LAST_EPOCH,
            id="moving average of the weights",
        ),
        pytest.param(
            {"optimizer": "sgd", "ema_momentum": 0.98, "learning_rate": 0.01, "trunk.width": 40},
            LAST_EPOCH,
            id="moving average of the weights of sgd",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"clipnorm": 0.05, "output_clipping": "training_range", "activation": "silu", "learning_rate": 0.01, "V.depth": 2},
            LAST_EPOCH,
            id="clipped gradients and predictions",
        ),
        pytest.param(
            {"clipnorm": 0.2, "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05, "trunk.width": 40, "branch.width": 7},
            LAST_EPOCH,
            id="clipped gradients of sgd",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"residual": "equal_widths", "activation": "silu", "learning_rate": 0.01, "trunk.depth": 3, "V.depth": 2},
            LAST_EPOCH,
            id="residual connections",
        ),
        pytest.param(
            {
                "residual": "equal_widths",
                "trunk.depth": 3,
                "trunk.width": 40,
                "trunk.taper": 0.5,
                "PE.exit": 2,
                "PE.width": 20,
                "branch.width": 10,
                "V.depth": 2,
                "activation": "tanh",
                "learning_rate": 0.01,
            },
            LAST_EPOCH,
            id="residual connections of a branch as wide as a layer of a tapered trunk",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"input_factor_rate": 6.0, "learning_rate": 0.01, "weight_decay": 0.02, "ema_momentum": 0.9, "clipnorm": 0.05},
            LAST_EPOCH,
            id="learned factors of the inputs",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "input_factor_rate": 1.0,
                "optimizer": "sgd",
                "momentum": 0.9,
                "trunk.width": 40,
                "branch.width": 7,
                "PE.depth": 0,
            },
            LAST_EPOCH,
            id="learned factors of the inputs under sgd",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "trunk.layer": "layer_normalization",
                "V.layer": "layer_normalization",
                "trunk.width": 11,
                "branch.width": 7,
                "trunk.depth": 3,
                "V.depth": 2,
                "activation": "silu",
                "weight_decay": 0.02,
                "clipnorm": 0.5,
                "learning_rate": 0.003,
            },
            LAST_EPOCH,
            id="layer normalisation over fewer units than the program has, before dense layers",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "branch.layer": "layer_normalization",
                "trunk.width": 40,
                "branch.width": 7,
                "branch.depth": 2,
                "residual": "equal_widths",
                "learning_rate": 0.01,
            },
            LAST_EPOCH,
            id="layer normalisation of branches, with residual connections",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_lane_is_keras_fit(params: Params, experiment: Experiment) -> None:
    """Over 63 steps, partial batches included: weights, predictions and the curve of R² follow `fit`."""
    rows, lane = make_rows(len(experiment.heads)), make_lane(params, trial=5, fold=1, experiment=experiment)
    assert_is_keras_fit(lane, experiment, rows)


COLUMNS_OF_ALL_KINDS = (
    Column(kind="numeric", missing="indicator"),
    Column(kind="categorical", categories=["a", "b", "c"], has_gaps=True),
    Column(kind="date", parts=["month", "year"]),
)


@pytest.mark.parametrize(
    "scaling", ["standard", "piecewise_linear", pytest.param("piecewise_linear_tree", marks=pytest.mark.slow)]
)
def test_a_lane_over_columns_of_all_kinds_is_keras_fit_on_the_encoded_rows(scaling: str) -> None:
    rows, random = make_rows(), np.random.default_rng(2)
    gaps = np.where(random.random(ROWS) < 0.2, np.nan, rows.x[:, 0])
    categories = np.where(random.random(ROWS) < 0.1, np.nan, random.integers(0, 3, ROWS))
    x = np.stack([gaps, categories, random.uniform(0.0, 1e9, ROWS)], axis=1)
    rows = replace(rows, x=x, columns=COLUMNS_OF_ALL_KINDS)
    experiment = LAST_EPOCH.with_inputs(dict(zip("abc", COLUMNS_OF_ALL_KINDS, strict=True)))
    lane = make_lane({"input_scaling": scaling, "bins": 6, "learning_rate": 0.01}, trial=5, fold=1, experiment=experiment)
    assert_is_keras_fit(lane, experiment, rows)


def make_partial_rows(heads: int = 2, weighted: bool = False) -> TrainingRows:
    """The same table where a third of each head's targets is not known, some rows having none; maybe with weights."""
    rows, random = make_rows(heads), np.random.default_rng(5)
    y = np.where(random.random(rows.y.shape) < 1 / 3, np.nan, rows.y)
    return replace(rows, y=y, weights=random.choice([0.0, 0.5, 1.0, 3.0], y.shape) if weighted else None)


@pytest.mark.parametrize("weighted", [pytest.param(False, marks=pytest.mark.slow), True], ids=["masks", "weights"])
@pytest.mark.parametrize(
    ("params", "experiment"),
    [
        pytest.param({"activation": "silu", "trunk.width": 12, "branch.width": 9}, LAST_EPOCH, id="adam"),
        pytest.param(
            {"optimizer": "sgd", "momentum": 0.9, "PE.loss_weight": 3.0},
            LAST_EPOCH,
            id="sgd with momentum",
            marks=pytest.mark.slow,
        ),
        pytest.param({"trunk.depth": 1, "V.depth": 2, "Q.depth": 0}, THREE_HEADS, id="three heads, other losses"),
    ],
)
def test_a_lane_with_partial_targets_is_keras_fit_with_sample_weights(
    params: Params, experiment: Experiment, weighted: bool
) -> None:
    rows = make_partial_rows(len(experiment.heads), weighted)
    lane = make_lane({"learning_rate": 0.01, **params}, trial=5, fold=1, experiment=experiment)
    assert_is_keras_fit(lane, experiment, rows)


def test_lanes_with_partial_targets_do_not_depend_on_their_company_to_the_last_bit() -> None:
    lanes, rows = mixed_lanes(6), make_partial_rows(weighted=True)
    together = train(lanes, rows=rows)
    assert assert_equal_bits(train(lanes[2:3], rows=rows), lanes[2:3], together, lanes) == 1


def test_a_target_of_weight_0_counts_as_one_that_is_not_known_to_the_last_bit() -> None:
    rows = make_rows()
    unknown = np.random.default_rng(6).random(rows.y.shape) < 0.3
    lane = [make_lane({"target_scaling": "none", "learning_rate": 0.001})]
    without = train(lane, rows=replace(rows, weights=np.where(unknown, 0.0, 1.0))).lanes[0]
    masked = train(lane, rows=replace(rows, y=np.where(unknown, np.nan, rows.y))).lanes[0]
    assert_equal_lanes(without, masked)


@pytest.mark.parametrize("weighted_first", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_weights_of_1_are_no_weights(weighted_first: bool) -> None:
    """In one process, which compiles either program first."""
    rows, lane = make_rows(), [make_lane({"activation": "silu", "batch_size": 40 + weighted_first})]
    found = {}
    for weighted in (weighted_first, not weighted_first):
        found[weighted] = train(lane, rows=replace(rows, weights=np.ones_like(rows.y) if weighted else None)).lanes[0]
    plain, weighted_lane = found[False].weights, found[True].weights
    assert plain is not None and weighted_lane is not None
    for expected, trained in zip(plain, weighted_lane, strict=True):
        np.testing.assert_allclose(trained, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[True].curve, found[False].curve, rtol=0, atol=1e-6)


def fit_by_steps(lane: Lane, experiment: Experiment, rows: TrainingRows) -> Weights:
    """The weights of a lane whose losses are balanced, by plain training steps in Keras: the formulas of `recipe`."""
    recipe, heads = lane.recipe, list(experiment.heads)
    model, optimizer, _, x, y = keras_lane_before_training(lane, rows)
    last = f"trunk_{len(recipe.architecture.trunk)}"
    network_and_features = keras.Model(model.inputs, {**model.output, "Z": model.get_layer(last).output})
    trunk_weights = [weight for layer in model.layers if layer.name.startswith("trunk") for weight in layer.trainable_weights]
    branch_weights = [weight for weight in model.trainable_weights if all(weight is not other for other in trunk_weights)]
    log_variances = [keras.Variable(0.0, name=f"log_variance_{head}") for head in heads]
    optimizer.exclude_from_weight_decay(var_list=log_variances)
    learning = [*trunk_weights, *branch_weights, *(log_variances if recipe.loss_balancing == "uncertainty" else [])]
    optimizer.build(learning)
    p = [recipe.loss_weights[head] for head in heads]
    losses = [keras.losses.get(experiment.heads[head].loss) for head in heads]
    masks = rows.actual.masks.astype(np.float32)

    def step(x: Any, y: Any, w: Any) -> None:
        with tf.GradientTape(persistent=True) as tape:
            outputs = network_and_features(x)
            L = [
                tf.reduce_mean(w[:, h] * loss(y[:, h : h + 1], outputs[head]))
                for h, (head, loss) in enumerate(zip(heads, losses, strict=True))
            ]
            weighted = [p_h * L_h for p_h, L_h in zip(p, L, strict=True)]
            static = sum(weighted)
            uncertainty = sum(p_h * (tf.exp(-s_h) * L_h + s_h) for p_h, L_h, s_h in zip(p, L, log_variances, strict=True))
        if recipe.loss_balancing == "uncertainty":
            gradients = tape.gradient(uncertainty, learning)
        else:
            g = [tape.gradient(head_loss, outputs["Z"]) for head_loss in weighted]
            norms = [tf.norm(g_h) for g_h in g]
            balanced = sum(p_h / sum(p) * sum(norms) / norm * g_h for p_h, g_h, norm in zip(p, g, norms, strict=True))
            trunk_gradients = tape.gradient(outputs["Z"], trunk_weights, output_gradients=balanced)
            gradients = trunk_gradients + tape.gradient(static, branch_weights)
        optimizer.apply_gradients(zip(gradients, learning, strict=True))

    run_steps(step, lane, rows, (x, y, masks))
    return keras_network.network_weights(model, recipe.architecture)


def run_steps(step: Callable[..., None], lane: Lane, rows: TrainingRows, columns: Sequence[Floats32]) -> None:
    """Call `step` on these columns of every batch that the lane is trained on."""
    compiled = tf.function(step)
    for epoch in range(lane.stop):
        order = row_order(SEED, lane.key.fold, lane.key.seed, epoch, rows.fold_rows(lane.key.fold)[0])
        for begin in range(0, len(order), lane.recipe.batch_size):
            batch = order[begin : begin + lane.recipe.batch_size]
            compiled(*(tf.constant(column[batch]) for column in columns))


def outputs_with_balanced_forks(model: keras.Model, recipe: Recipe, x: Any) -> dict[str, Any]:
    """The outputs of a network in which each layer that several others read divides the gradient that comes back from them."""
    architecture = recipe.architecture
    trunk = [f"trunk_{layer}" for layer in range(1, 1 + len(architecture.trunk))]
    readers: dict[str, list[str]] = {name: [] for name in trunk}
    for before, after in pairwise(trunk):
        readers[before].append(after)
    ends: dict[str, str] = {}
    for head, branch in architecture.branches.items():
        stack = [f"{head}_{layer}" for layer in range(1, 1 + len(branch))]
        origin = ends[architecture.reads[head]] if head in architecture.reads else trunk[architecture.exits.get(head, 0) - 1]
        ends[head] = [origin, *stack][-1]
        for before, after in pairwise([origin, *stack, head]):
            readers.setdefault(before, []).append(after)

    def weight(name: str) -> float:
        """The sum of the loss weights of the heads behind a layer."""
        return sum(map(weight, readers[name])) if name in readers else recipe.loss_weights[name]

    def forked(shares: list[float], z: Any) -> Any:
        def divided(*gradients: Any) -> Any:
            norms = [tf.norm(gradient) for gradient in gradients]
            factors = [share * sum(norms) / norm for share, norm in zip(shares, norms, strict=True)]
            return sum(factor * gradient for factor, gradient in zip(factors, gradients, strict=True))

        return tf.custom_gradient(lambda z: (tuple(tf.identity(z) for _ in shares), divided))(z)

    outputs: dict[str, Any] = {}

    def compute(name: str, read: Any) -> None:
        z, after = model.get_layer(name)(read), readers.get(name, [])
        if not after:
            outputs[name] = z
            return
        copies = forked([weight(other) / weight(name) for other in after], z) if len(after) > 1 else (z,)
        for other, copy in zip(after, copies, strict=True):
            compute(other, copy)

    compute("trunk_1", x)
    return outputs


def test_gradient_norm_balances_every_layer_that_several_layers_read() -> None:
    """Two of them: the trunk layer after which a head leaves, and the end of that head's branch, which another head reads."""
    experiment, rows = with_loss_balancing(with_branches_anywhere(THREE_HEADS)), make_rows(3)
    params: Params = {
        "trunk.depth": 2,
        "PE.exit": 1,
        "V.reads": "PE",
        "Q.depth": 2,
        "PE.loss_weight": 3.0,
        "V.loss_weight": 0.7,
    }
    own: Params = {"learning_rate": 0.003, "activation": "silu", "loss_balancing": "gradient_norm"}
    lane = make_lane({**params, **own}, experiment=experiment)
    model, optimizer, _, x, y = keras_lane_before_training(lane, rows)
    optimizer.build(model.trainable_weights)

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            outputs = outputs_with_balanced_forks(model, lane.recipe, x)
            loss = sum(
                lane.recipe.loss_weights[head] * tf.reduce_mean(keras.losses.get(spec.loss)(y[:, h : h + 1], outputs[head]))
                for h, (head, spec) in enumerate(experiment.heads.items())
            )
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))

    run_steps(step, lane, rows, (x, y))
    trained = train([lane], experiment, rows).lanes[0].weights
    assert trained is not None
    for found, expected in zip(trained, keras_network.network_weights(model, lane.recipe.architecture), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "static"])
@pytest.mark.parametrize(
    ("params", "experiment"),
    [
        pytest.param(
            {"PE.depth": 0, "trunk.width": 12, "trunk.depth": 3, "weight_decay": 0.02, "learning_rate_schedule": "cosine"},
            LAST_EPOCH,
            id="adam, decay, cosine",
        ),
        pytest.param(
            {
                "PE.depth": 2,
                "V.depth": 0,
                "trunk.width": 40,
                "optimizer": "sgd",
                "momentum": 0.9,
                "weight_decay": 0.02,
                "learning_rate": 0.003,  # at 0.01 it outgrows what is stable under `uncertainty`, and last bits with it
            },
            LAST_EPOCH,
            id="sgd with momentum",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"trunk.depth": 1, "V.depth": 2, "Q.depth": 0, "learning_rate": 0.005},
            THREE_HEADS,
            id="three heads, other losses",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"trunk.width": 40, "branch.width": 7, "PE.depth": 0, "V.depth": 2},
            LAST_EPOCH,
            id="a trunk wider than the branches",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_lane_with_balanced_losses_equals_plain_steps_in_keras(params: Params, experiment: Experiment, scheme: str) -> None:
    """Over 63 steps, partial batches included: the weights follow, and they are not those of static losses."""
    experiment, rows = with_loss_balancing(experiment), make_rows(len(experiment.heads))
    params = {"learning_rate": 0.01, "activation": "silu", "PE.loss_weight": 3.0, "V.loss_weight": 0.7, **params}
    lane = make_lane({**params, "loss_balancing": scheme}, experiment=experiment)
    outcome = train([lane], experiment, rows).lanes[0]
    weights = fit_by_steps(lane, experiment, rows)
    static = train([make_lane(params, experiment=experiment)], experiment, rows).lanes[0].weights
    assert outcome.weights is not None and static is not None
    for trained, expected in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(trained, expected, rtol=0, atol=2e-5)
    assert max(np.abs(balanced - plain).max() for balanced, plain in zip(outcome.weights, static, strict=True)) > 1e-3


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "static"])
def test_losses_are_balanced_over_the_known_targets(scheme: str) -> None:
    experiment, rows = with_loss_balancing(LAST_EPOCH), make_partial_rows(weighted=True)
    lane = make_lane({"learning_rate": 0.01, "activation": "silu", "loss_balancing": scheme}, experiment=experiment)
    outcome = train([lane], experiment, rows).lanes[0]
    assert outcome.weights is not None
    for trained, expected in zip(outcome.weights, fit_by_steps(lane, experiment, rows), strict=True):
        np.testing.assert_allclose(trained, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("sgd", marks=pytest.mark.slow)])
def test_a_lane_is_keras_fit_over_600_steps(optimizer: str) -> None:
    experiment = make_experiment({"PE": {}, "V": {}}, epochs=90, keep="last")
    params: Params = {"optimizer": optimizer, "momentum": 0.8 if optimizer == "sgd" else 0.0, "activation": "silu"}
    rows, lane = make_rows(), make_lane({**params, "learning_rate": 0.003}, experiment=experiment)
    outcome = train([lane], experiment, rows).lanes[0]
    weights, _, curve = fit_with_keras(lane, experiment, rows)
    assert outcome.weights is not None
    assert len(curve) * 7 >= 600
    for trained, expected in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(trained, expected, rtol=0, atol=2e-4)
    np.testing.assert_allclose(outcome.curve[:, 0], curve, rtol=0, atol=1e-4)


NARROW = ((11, 13), (2, 13))
WIDE_TRUNK = ((45, 49), (2, 33))
WIDE_BRANCHES = ((2, 33), (45, 49))
"""Ranges of trunk and branch widths that one program holds: with layers of one shape, and of three."""

Widths = tuple[tuple[int, int], tuple[int, int]]


def mixed_lanes(count: int = 14, widths: Widths = NARROW) -> list[Lane]:
    """Lanes that differ in everything a population may mix; with a branch layer somewhere, so that branches have a width."""
    random = np.random.default_rng(3)
    kinds = ["relu", "silu", "tanh", "gelu"]
    return [
        make_lane(
            {
                "trunk.depth": int(random.integers(1, 4)),
                "PE.depth": int(random.integers(0, 3)),
                "V.depth": int(random.integers(0 if widths == NARROW else 1, 3)),
                "trunk.width": int(random.integers(*widths[0])),
                "branch.width": int(random.integers(*widths[1])),
                "trunk.taper": (1.0, 0.7, 0.3)[number % 3],
                "branch.taper": (1.0, 0.5)[number % 2],
                "activation": kinds[number % 4],
                "learning_rate": float(random.uniform(1e-3, 2e-2)),
                "weight_decay": float(random.choice([0.0, 0.01])),
                "V.loss_weight": float(random.uniform(0.5, 2.0)),
                "input_scaling": str(random.choice(["standard", "min_max"])),
                "learning_rate_schedule": str(random.choice(["constant", "cosine"])),
            },
            trial=number,
            fold=int(random.integers(0, 3)),
        )
        for number in range(count)
    ]


def with_all_schemes(lanes: list[Lane]) -> list[Lane]:
    """The same lanes, which balance their losses by one scheme after the other."""
    return [
        replace(lane, recipe=replace(lane.recipe, loss_balancing=SCHEMES[number % len(SCHEMES)]))
        for number, lane in enumerate(lanes)
    ]


def assert_equal_bits(outcome: PopulationOutcome, lanes: list[Lane], other: PopulationOutcome, other_lanes: list[Lane]) -> int:
    """Lanes of the same trial and fold are equal to the last bit; returns how many were compared."""
    other_by_key = {lane.key: result for lane, result in zip(as_packed(other_lanes), other.lanes, strict=True)}
    compared = 0
    for lane, result in zip(as_packed(lanes), outcome.lanes, strict=True):
        if lane.key in other_by_key:
            assert_equal_lanes(result, other_by_key[lane.key])
            compared += 1
    return compared


def assert_equal_lanes(first: LaneOutcome, second: LaneOutcome) -> None:
    """Both have the same weights, predictions, curve and epochs, to the last bit."""
    assert first.weights is not None and second.weights is not None
    for first_weights, second_weights in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(first_weights, second_weights)
    np.testing.assert_array_equal(first.predictions, second.predictions)
    np.testing.assert_array_equal(first.curve, second.curve)
    assert first.epochs == second.epochs


def uniform_draws(lane: Lane, epoch: int, step: int, number: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """`(rows, units)` the draws of a step for a number: the definition in `dropout.py`, in NumPy."""

    def hashed(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
        return x ^ (x >> np.uint32(16))

    key = step_keys(lane.weight_seed, epoch, step + 1).view(np.uint32)[step]
    rows, units = shape
    layer = hashed(np.array([(int(key) + number * 0x9E3779B9) % 2**32], np.uint32))
    outputs = np.arange(units)[None, :] * BATCH + np.arange(rows)[:, None]
    drawn: NDArray[np.float64] = (hashed(outputs.astype(np.uint32) ^ layer) >> np.uint32(8)) / 2**24
    return drawn


def dropout_factors(lane: Lane, epoch: int, step: int, units: Sequence[int], rows: int) -> list[Floats32]:
    """`(rows, units)` by hidden layer, what dropout multiplies its outputs by."""
    factors = []
    for number, (width, rate) in enumerate(zip(units, lane.recipe.architecture.dropout_rates, strict=True)):
        uniform = uniform_draws(lane, epoch, step, number, (rows, width))
        factors.append(np.where(uniform >= rate, 1 / (1 - rate), 0.0).astype(np.float32))
    return factors


def target_noise(lane: Lane, epoch: int, step: int, heads: int, rows: int) -> Floats32:
    """`(rows, heads)` what is added to the targets: the definition in `target_noise.py`, in NumPy."""
    columns = []
    for head in range(heads):
        first, second = uniform_draws(lane, epoch, step, FIRST_NUMBER + head, (rows, 2)).T
        columns.append(np.sqrt(-2 * np.log(1 - first)) * np.cos(2 * np.pi * second))
    return (lane.recipe.target_noise * np.stack(columns, axis=1)).astype(np.float32)


def fit_with_draws(lane: Lane, rows: TrainingRows) -> Weights:
    """The weights of a lane by plain steps in Keras, where the draws of dropout and noise are those of the lane."""
    recipe, architecture = lane.recipe, lane.recipe.architecture
    without = replace(lane, recipe=replace(recipe, architecture=replace(architecture, trunk_dropout=0.0, branch_dropouts={})))
    model, optimizer, _, x, y = keras_lane_before_training(without, rows)
    units = [*architecture.trunk, *(width for branch in architecture.branches.values() for width in branch)]

    def train_step(x: Any, y: Any, *factors: Any) -> None:
        left = list(factors)

        def hidden(name: str, read: Any) -> Any:
            return model.get_layer(name)(read) * left.pop(0)

        with tf.GradientTape() as tape:
            trunk = x
            for depth in range(1, len(architecture.trunk) + 1):
                trunk = hidden(f"trunk_{depth}", trunk)
            loss = 0.0
            for column, (head, branch) in enumerate(architecture.branches.items()):
                last = trunk
                for depth in range(1, len(branch) + 1):
                    last = hidden(f"{head}_{depth}", last)
                output = model.get_layer(head)(last)[:, 0]
                loss += recipe.loss_weights[head] * tf.reduce_mean((output - y[:, column]) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_weights), model.trainable_weights, strict=True))

    compiled = tf.function(train_step)
    for epoch in range(lane.stop):
        order = row_order(SEED, lane.key.fold, lane.key.seed, epoch, rows.fold_rows(lane.key.fold)[0])
        for step, begin in enumerate(range(0, len(order), BATCH)):
            batch = order[begin : begin + BATCH]
            factors = dropout_factors(lane, epoch, step, units, len(batch))
            noisy = y[batch] + target_noise(lane, epoch, step, len(architecture.branches), len(batch))
            compiled(tf.constant(x[batch]), tf.constant(noisy), *map(tf.constant, factors))
    return keras_network.network_weights(model, architecture)


@pytest.mark.parametrize(
    "params",
    [
        {"trunk.dropout": 0.3, "branch.dropout": 0.1, "activation": "silu", "trunk.depth": 3},
        pytest.param(
            {"V.dropout": 0.6, "V.depth": 2, "PE.depth": 0, "trunk.width": 40, "branch.width": 7, "activation": "tanh"},
            marks=pytest.mark.slow,
        ),
        {"target_noise": 0.3, "activation": "silu"},
        pytest.param({"target_noise": 0.1, "V.dropout": 0.2, "activation": "tanh"}, marks=pytest.mark.slow),
    ],
    ids=["dropout everywhere", "dropout in one branch", "noise", "noise and dropout"],
)
def test_a_lane_with_dropout_or_noise_equals_plain_steps_in_keras_with_the_same_draws(params: Params) -> None:
    rows, lane = make_rows(), make_lane({"learning_rate": 0.01, **params}, trial=5, fold=1, experiment=LAST_EPOCH)
    outcome = train([lane], LAST_EPOCH, rows).lanes[0]
    without = train([make_lane({**params, "learning_rate": 0.01, **NO_DROPOUT}, 5, 1, experiment=LAST_EPOCH)], LAST_EPOCH, rows)
    plain = without.lanes[0].weights
    assert outcome.weights is not None and plain is not None
    for trained, expected in zip(outcome.weights, fit_with_draws(lane, rows), strict=True):
        np.testing.assert_allclose(trained, expected, rtol=0, atol=2e-5)
    assert max(np.abs(dropped - other).max() for dropped, other in zip(outcome.weights, plain, strict=True)) > 1e-2


NO_DROPOUT: Params = {"trunk.dropout": 0.0, "branch.dropout": 0.0, "V.dropout": 0.0, "target_noise": 0.0}


def test_noise_is_standard_normal_and_other_numbers_for_each_head_and_lane() -> None:
    lanes, stds = tf.range(4), np.array([0.0, 1.0, 1.0, 3.0], np.float32)
    plan = cast("Plan", SimpleNamespace(target_noise=tf.constant(stds[:, None, None])))
    keys = tf.constant([1, 2, 3, 4])
    drawn = [noisy_targets(plan, keys, lanes, head, tf.zeros([4, 1, 1 << 16])).numpy()[:, 0] for head in (0, 1)]
    assert (drawn[0][0] == 0).all()
    for noise in (*drawn[0][1:3], drawn[1][1], drawn[0][3] / 3):
        np.testing.assert_allclose([noise.mean(), noise.std(), (noise**3).mean(), (noise**4).mean()], [0, 1, 0, 3], atol=0.07)
    assert np.abs(np.corrcoef([*drawn[0][1:], *drawn[1][1:]]) - np.eye(6)).max() < 0.02


def test_dropout_keeps_the_stated_share_of_outputs_and_their_mean() -> None:
    rates = np.array([0.0, 0.1, 0.5, 0.9], np.float32)
    keys, numbers = tf.constant([1, 2, 3, 4]), tf.constant([0, 1, 2, 3])
    factors = kept_share(tf.constant(rates), keys, numbers, 64, 512).numpy()
    np.testing.assert_allclose((factors > 0).mean((1, 2)), 1 - rates, atol=0.01)
    np.testing.assert_allclose(factors.mean((1, 2)), 1.0, atol=0.05)
    drawn = (factors[1:] > 0).reshape(3, -1)
    assert np.abs(np.corrcoef(drawn) - np.eye(3)).max() < 0.02  # layers draw independently
    neighbours = np.corrcoef(drawn[1, :-1], drawn[1, 1:])[0, 1]
    assert abs(neighbours) < 0.02


OPTIONS_SPACE: Mapping[str, Any] = {
    "trunk.dropout": Float(type="float", low=0.0, high=0.5),
    "ema_momentum": Float(type="float", low=0.0, high=0.99),
    "beta_2": Float(type="float", low=0.9, high=0.999),
    "clipnorm": Float(type="float", low=0.0, high=1.0),
    "input_factor_rate": Float(type="float", low=0.0, high=10.0),
    "target_noise": Float(type="float", low=0.0, high=0.5),
    "residual": Choice(type="choice", choices=["none", "equal_widths"]),
    "output_clipping": Choice(type="choice", choices=["none", "training_range"]),
    "trunk.layer": Choice(type="choice", choices=["dense", "layer_normalization"]),
    "V.layer": Choice(type="choice", choices=["dense", "layer_normalization"]),
}


def with_options_space(experiment: Experiment) -> Experiment:
    """The same experiment, where a trial may have any option of a program."""
    dimensions = {**experiment.space.dimensions, **OPTIONS_SPACE}
    return experiment.model_copy(update={"space": experiment.space.model_copy(update={"dimensions": dimensions})})


def with_options(lanes: list[Lane]) -> list[Lane]:
    """The same lanes; each has some of the options of a program (dropout, a moving average, clipping, …), or none."""
    return [
        replace(
            lane,
            recipe=replace(
                lane.recipe,
                architecture=replace(
                    lane.recipe.architecture,
                    trunk_dropout=0.2 * (number % 3 == 0),
                    branch_dropouts={"V": 0.4} if number % 3 == 0 else {},
                    input_factor_rate=6.0 * (number % 6 in (0, 1)),
                    residual=number % 6 in (0, 4),
                    trunk_layer="layer_normalization" if number % 6 in (0, 5) else "dense",
                    branch_layers={"V": "layer_normalization"} if number % 6 in (1, 5) else {},
                ),
                ema_momentum=0.9 * (number % 3 == 1),
                beta_2=0.95 if number % 2 else 0.999,
                clipnorm=0.03 * (number % 6 in (1, 3)),
                target_noise=0.2 * (number % 6 in (3, 4)),
                output_clipping="training_range" if number % 6 in (1, 4) else "none",
            ),
        )
        for number, lane in enumerate(lanes)
    ]


@pytest.mark.parametrize("widths", [pytest.param(NARROW, marks=pytest.mark.slow), WIDE_TRUNK])
def test_lanes_with_and_without_options_do_not_depend_on_each_other_to_the_last_bit(widths: Widths) -> None:
    """And those that have none of them equal those of a program that has no such options."""
    experiment = with_options_space(TWO_HEADS)
    lanes = with_options(mixed_lanes(10, widths))
    together = train(lanes, experiment)
    for lane in lanes[:4]:
        assert assert_equal_bits(train([lane], experiment), [lane], together, lanes) == 1
    plain = [lane for number, lane in enumerate(lanes) if number % 3 == 2 and number % 2 == 0]
    assert assert_equal_bits(train(plain), plain, together, lanes) == len(plain) == 2


def test_predictions_are_clipped_to_the_range_of_the_targets_that_a_lane_learns_from() -> None:
    """And training is what it is without: outputs near 0, clipped to targets of some hundreds, would have no gradient."""
    params: Params = {"target_scaling": "none", "learning_rate": 1e-4, "trunk.width": 12}
    rows, clipping = make_rows(), {**params, "output_clipping": "training_range"}
    free, clipped = (
        train([make_lane(given, 3, 1, experiment=LAST_EPOCH)], LAST_EPOCH).lanes[0] for given in (params, clipping)
    )
    lowest = rows.y[rows.fold_rows(1)[0]].min(axis=0)
    assert (free.predictions < lowest).all() and free.weights is not None and clipped.weights is not None
    np.testing.assert_allclose(clipped.predictions, np.broadcast_to(lowest, clipped.predictions.shape), rtol=1e-6)
    assert all(np.array_equal(*pair) for pair in zip(free.weights, clipped.weights, strict=True))
    of_fold = rows.y[rows.fold_rows(1)[1]]
    np.testing.assert_allclose(clipped.curve[-1], r2_score(of_fold, clipped.predictions, multioutput="raw_values"), atol=1e-4)


@pytest.mark.parametrize("widths", [pytest.param(NARROW, marks=pytest.mark.slow), WIDE_TRUNK])
def test_a_tapered_lane_among_other_lanes_is_keras_fit(widths: Widths) -> None:
    """Layers of unequal widths in one stack, among lanes of other widths and depths."""
    lanes = [replace(lane, epochs=9, stop=9) for lane in mixed_lanes(8, widths)]
    rows, outcome = make_rows(), train(lanes, LAST_EPOCH)
    tapered = [
        (lane, result)
        for lane, result in zip(as_packed(lanes), outcome.lanes, strict=True)
        if len(set(lane.recipe.architecture.trunk)) > 1
    ]
    assert len(tapered) > 2
    for lane, result in tapered[:2]:
        weights, _, _ = fit_with_keras(lane, LAST_EPOCH, rows)
        assert result.weights is not None
        for trained, expected in zip(result.weights, weights, strict=True):
            np.testing.assert_allclose(trained, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("widths", [NARROW, WIDE_TRUNK, pytest.param(WIDE_BRANCHES, marks=pytest.mark.slow)])
def test_a_lane_does_not_depend_on_the_lanes_that_train_with_it_to_the_last_bit(widths: Widths) -> None:
    lanes = mixed_lanes(widths=widths)
    together = train(lanes)
    for lane in lanes[::3]:
        assert assert_equal_bits(train([lane]), [lane], together, lanes) == 1


def with_branches_elsewhere(lanes: list[Lane]) -> list[Lane]:
    """The same lanes, of which two thirds have branches that leave the trunk early, or one that begins at the other one."""

    def moved(lane: Lane, number: int) -> Lane:
        architecture = lane.recipe.architecture
        points = branch_points(
            len(architecture.trunk),
            architecture.branches,
            {"PE": 1 + number % 2, "V": number % 3},
            {"V": "PE"} if number % 3 == 1 else {},
        )
        trunk = architecture.trunk[: points.depth]
        moved_architecture = replace(architecture, trunk=trunk, exits=points.exits, reads=points.reads)
        return replace(lane, recipe=replace(lane.recipe, architecture=moved_architecture))

    return [moved(lane, number) if number % 3 else lane for number, lane in enumerate(lanes)]


@pytest.mark.parametrize("widths", [NARROW, pytest.param(WIDE_TRUNK, marks=pytest.mark.slow)])
def test_lanes_with_branches_anywhere_do_not_depend_on_each_other_to_the_last_bit(widths: Widths) -> None:
    """And those with branches at the end of the trunk equal those of a program whose heads do not read each other."""
    experiment, lanes = with_branches_anywhere(TWO_HEADS), with_branches_elsewhere(mixed_lanes(13, widths))
    assert any(lane.recipe.architecture.exits for lane in lanes) and any(lane.recipe.architecture.reads for lane in lanes)
    together = train(lanes, experiment)
    for lane in lanes[1:3]:
        assert assert_equal_bits(train([lane], experiment), [lane], together, lanes) == 1
    ordinary = lanes[::3]
    assert assert_equal_bits(train(ordinary), ordinary, together, lanes) == len(ordinary) == 5


def any_network(heads: Sequence[str]) -> strategies.SearchStrategy[Params]:
    """Hyperparameters of networks of any depths and widths of one program, with branches that begin anywhere."""
    names = {"trunk.depth": strategies.integers(1, 3), "trunk.width": strategies.integers(11, 12)}
    for index, head in enumerate(heads):
        names |= {
            f"{head}.depth": strategies.integers(0, 2),
            f"{head}.width": strategies.integers(3, 12),
            f"{head}.exit": strategies.integers(0, 4),
            f"{head}.reads": strategies.sampled_from(["trunk", *heads[:index]]),
        }
    return strategies.fixed_dictionaries(names)


@settings(quick, max_examples=5)
@given(strategies.lists(any_network(list(THREE_HEADS.heads)), min_size=3, max_size=6))
def test_any_network_predicts_what_it_predicts_in_keras(networks: list[Params]) -> None:
    """After an epoch of training among others."""
    experiment, rows = with_branches_anywhere(THREE_HEADS), make_rows(3)
    lanes = [make_lane({"target_scaling": "none", **params}, n, 0, 0, experiment, stop=1) for n, params in enumerate(networks)]
    outcomes = train(lanes, experiment, rows).lanes
    training, validation = rows.fold_rows(0)
    x = encoder_kind("standard").fit(rows.x[training], rows.y[training]).transform(rows.x[validation])
    for lane, outcome in zip(lanes, outcomes, strict=True):
        outputs = keras_network.build_network(lane.recipe.architecture, 3, outcome.weights)(x.astype(np.float32))
        expected = np.concatenate([outputs[head] for head in experiment.heads], axis=1)
        np.testing.assert_allclose(outcome.predictions, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("widths", [NARROW, pytest.param(WIDE_TRUNK, marks=pytest.mark.slow)])
def test_lanes_of_all_loss_balancing_schemes_do_not_depend_on_each_other_to_the_last_bit(widths: Widths) -> None:
    """And the static ones among them equal those of a program that balances nothing."""
    experiment, lanes = with_loss_balancing(TWO_HEADS), with_all_schemes(mixed_lanes(10, widths))
    together = train(lanes, experiment)
    for lane in lanes[4:9:2]:
        assert assert_equal_bits(train([lane], experiment), [lane], together, lanes) == 1
    static = lanes[:: len(SCHEMES)]
    assert assert_equal_bits(train(static), static, together, lanes) == len(static) == 4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_head_without_weight_does_not_change_what_the_other_head_learns(scheme: str) -> None:
    """There is nothing to balance: no number is lost, and gradients of one head alone are left as they are."""
    experiment, params = with_loss_balancing(TWO_HEADS), {"V.loss_weight": 0.0, "trunk.width": 12, "learning_rate": 0.01}
    static, outcome = (
        train([make_lane({**params, "loss_balancing": balancing}, experiment=experiment)], experiment).lanes[0]
        for balancing in ("static", scheme)
    )
    assert not outcome.failed_at
    if scheme != "uncertainty":
        np.testing.assert_allclose(outcome.predictions, static.predictions, rtol=5e-5, atol=0)


def test_lanes_do_not_depend_on_their_order_to_the_last_bit() -> None:
    """The packer orders lanes by trial, so other numbers would be other trials: the lanes are permuted by hand."""
    (population,) = packing.pack(mixed_lanes(), TWO_HEADS)
    order = np.random.default_rng(1).permutation(len(population.lanes))
    permuted = replace(population, lanes=tuple(population.lanes[index] for index in order))
    trainer = PopulationTrainer(make_rows())
    in_order, shuffled = trainer.train_one(population, True), trainer.train_one(permuted, True)
    for position, index in enumerate(order):
        assert_equal_lanes(in_order.lanes[index], shuffled.lanes[position])


@pytest.mark.slow
@pytest.mark.parametrize("widths", [NARROW, ((25, 33), (17, 33))])
def test_lanes_do_not_depend_on_the_slots_of_a_wave_to_the_last_bit(widths: Widths) -> None:
    trainer = PopulationTrainer(make_rows())
    (population,) = packing.pack(mixed_lanes(6, widths), TWO_HEADS)
    expected = trainer.train_one(population, True)
    for slots in (2, population.program.slots // 2):
        fewer = replace(population, program=replace(population.program, slots=slots))
        assert_same_outcome(trainer.train_one(fewer, True), expected)


def renumbered(lane: Lane) -> Lane:
    """The lane of another trial with the same recipe, which has other initial weights."""
    return search_lane(100 + int(lane.key.candidate), lane.recipe, TWO_HEADS, lane.key.fold, lane.key.seed)


def test_other_lanes_in_every_second_position_leave_the_rest_unchanged_to_the_last_bit() -> None:
    lanes = mixed_lanes()
    others = [renumbered(lane) if index % 2 else lane for index, lane in enumerate(lanes)]
    assert assert_equal_bits(train(lanes), lanes, train(others), others) == len(lanes) // 2


def test_a_diverged_lane_has_its_epoch_and_leaves_the_others_unchanged() -> None:
    lanes = mixed_lanes(6)
    diverging = make_lane({"learning_rate": 100.0, "optimizer": "adam", "target_scaling": "none", "trunk.width": 12}, trial=50)
    diverging = replace(diverging, recipe=replace(diverging.recipe, learning_rate=1e38))
    outcome = train([*lanes, diverging])
    ordered = as_packed([*lanes, diverging])
    failed = [lane.key.candidate for lane, result in zip(ordered, outcome.lanes, strict=True) if result.failed_at]
    assert failed == [50]
    assert outcome.lanes[ordered.index(diverging)].failed_at == 1
    assert assert_equal_bits(train(lanes), lanes, outcome, [*lanes, diverging]) == len(lanes)


def test_early_stopping_and_keeping_the_best_epoch_follow_from_the_full_curve() -> None:
    """Of a lane whose scores go up and down: the epoch that is kept, the epoch it stops at, and the kept weights."""
    params: Params = {"learning_rate": 0.05, "activation": "tanh", "trunk.width": 12}
    full = make_experiment({"PE": {}, "V": {}}, epochs=40)
    stopped = full.model_copy(update={"fit": Fit(epochs=40, early_stopping=EarlyStopping(patience=4))})
    free = train([make_lane(params, experiment=full)], full).lanes[0]
    early = train([make_lane(params, experiment=stopped)], stopped).lanes[0]
    scores = free.curve.mean(1)
    best, waited, last = -np.inf, 0, 0
    for epoch, score in enumerate(scores, start=1):
        waited = 0 if score > best else waited + 1
        if score > best:
            best, last = score, epoch
        if waited >= 4:
            break
    assert 4 < epoch < 40, "the lane should stop in the middle for this test to mean anything"
    assert (early.epochs, len(early.curve)) == (last, epoch)
    np.testing.assert_array_equal(early.curve, free.curve[:epoch])
    rows = make_rows()
    validation = rows.folds[0][1]
    again = r2_score(rows.y[validation], early.predictions, multioutput="raw_values")
    np.testing.assert_allclose(again, early.curve[last - 1], atol=1e-5)


def resumed(outcome: PopulationOutcome, lanes: list[Lane], experiment: Experiment) -> tuple[list[Lane], PopulationOutcome]:
    """The lanes continue from their states to their last epoch, in reverse order."""
    rest = [
        replace(lane, state=result.state, stop=experiment.fit.epochs)
        for lane, result in zip(as_packed(lanes), outcome.lanes, strict=True)
        if result.state
    ]
    (population,) = packing.pack(rest, experiment)
    order = list(reversed(range(len(rest))))
    reversed_population = population.only(order, [population.states[index] for index in order])
    trained = PopulationTrainer(make_rows()).train_one(reversed_population, keep_weights=True)
    return rest, replace(trained, lanes=[trained.lanes[index] for index in order])


@pytest.mark.parametrize(
    ("objective", "rank"),
    [
        pytest.param({}, lambda curve: curve.mean(1), id="mean of the heads, the default"),
        pytest.param({"maximize": ["min_r2"]}, lambda curve: curve.min(1), id="lowest head"),
        pytest.param({"maximize": ["r2/V"]}, lambda curve: curve[:, 1], id="one head", marks=pytest.mark.slow),
        pytest.param(
            {"maximize": ["weighted"], "weights": {"V": 4.0}}, lambda curve: curve @ [0.2, 0.8], id="weighted mean of the heads"
        ),
        pytest.param(
            {"maximize": ["r2/PE", "r2/V"], "choose": "min_r2"},
            lambda curve: curve.min(1),
            id="rule that chooses from a front",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_best_epoch_is_that_of_the_objective(objective: Mapping[str, Any], rank: Any) -> None:
    full = make_experiment({"PE": {}, "V": {}}, epochs=40)
    experiment = full.model_copy(update={"objective": Objective.model_validate(objective), "fit": Fit(epochs=40)})
    stopped = experiment.model_copy(update={"fit": Fit(epochs=40, early_stopping=EarlyStopping(patience=3))})
    params: Params = {"learning_rate": 0.05, "activation": "silu", "V.loss_weight": 0.3}
    outcome = train([make_lane(params, experiment=experiment)], experiment).lanes[0]
    scores = rank(outcome.curve)
    assert outcome.epochs == 1 + int(np.argmax(scores))
    early = train([make_lane(params, experiment=stopped)], stopped).lanes[0]
    best = 1 + int(np.argmax(scores[: len(early.curve)]))
    assert early.epochs == best
    assert len(early.curve) in (best + 3, 40)


def test_a_lane_fails_when_a_head_fails_that_the_objective_does_not_rank_by() -> None:
    full = make_experiment({"PE": {}, "V": {}}, epochs=12)
    for metric in ("r2/V", "min_r2"):
        experiment = full.model_copy(update={"objective": Objective(maximize=[metric])})
        diverging: Params = {"optimizer": "sgd", "learning_rate": 100.0, "V.loss_weight": 0.0, "target_scaling": "none"}
        assert train([make_lane(diverging, experiment=experiment)], experiment).lanes[0].failed_at > 0


@pytest.mark.parametrize(
    ("widths", "optimizer", "keep", "balances"),
    [
        (NARROW, "adam", "best", True),
        (WIDE_TRUNK, "sgd", "last", False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (NARROW, "adam", "best", False),
                (NARROW, "adam", "last", True),
                (NARROW, "adam", "last", False),
                (WIDE_TRUNK, "sgd", "best", True),
                (WIDE_TRUNK, "sgd", "best", False),
                (WIDE_TRUNK, "sgd", "last", True),
            )
        ),
    ],
)
def test_a_lane_that_pauses_continues_as_if_it_had_not_to_the_last_bit(
    widths: Widths, optimizer: str, keep: str, balances: bool
) -> None:
    experiment, members = make_experiment({"PE": {}, "V": {}}, epochs=13, keep=keep), mixed_lanes(6, widths)
    if balances:
        experiment, members = with_loss_balancing(experiment), with_all_schemes(members)
    lanes = [
        replace(lane, recipe=replace(lane.recipe, momentum=0.5, optimizer=optimizer), epochs=13, stop=13) for lane in members
    ]
    uninterrupted = train(lanes, experiment)
    (population,) = packing.pack([replace(lane, stop=4, pauses=True) for lane in lanes], experiment)
    paused = PopulationTrainer(make_rows()).train_one(population)
    assert [result.state.epoch for result in paused.lanes if result.state] == [4] * 6
    rest, outcome = resumed(paused, lanes, experiment)
    assert assert_equal_bits(outcome, rest, uninterrupted, lanes) == 6


@pytest.mark.slow
def test_a_lane_with_dropout_factors_noise_or_averages_that_pauses_continues_as_if_it_had_not_to_the_last_bit() -> None:
    experiment = with_options_space(make_experiment({"PE": {}, "V": {}}, epochs=13, keep="last"))
    lanes = [replace(lane, epochs=13, stop=13) for lane in with_options(mixed_lanes(6))]
    uninterrupted = train(lanes, experiment)
    (population,) = packing.pack([replace(lane, stop=4, pauses=True) for lane in lanes], experiment)
    rest, outcome = resumed(PopulationTrainer(make_rows()).train_one(population), lanes, experiment)
    assert assert_equal_bits(outcome, rest, uninterrupted, lanes) == 6


def test_lanes_that_stop_early_leave_the_others_unchanged() -> None:
    """Eight lanes of which each stops at another epoch: each equals the lane that trains alone."""
    stopped = make_experiment({"PE": {}, "V": {}}, epochs=60, early_stopping=EarlyStopping(patience=3))
    lanes = [replace(lane, epochs=60, stop=60) for lane in mixed_lanes(8)]
    reported: list[float] = []
    (population,) = packing.pack(lanes, stopped)
    together = PopulationTrainer(make_rows(), reported.append).train_one(population, keep_weights=True)
    ends = {len(result.curve) for result in together.lanes}
    assert len(ends) > 3 and min(ends) < 30, "lanes should end at different times for this test to mean anything"
    assert sum(reported) == 8 * 60
    for lane in lanes[::2]:
        assert assert_equal_bits(train([lane], stopped), [lane], together, lanes) == 1


def test_an_exported_model_predicts_what_the_lane_predicted() -> None:
    rows, lane = (
        make_rows(),
        make_lane({"activation": "silu", "trunk.width": 11, "trunk.taper": 0.5, "V.depth": 2, "V.taper": 1.5}),
    )
    outcome = train([lane], rows=rows).lanes[0]
    training, validation = rows.fold_rows(lane.key.fold)
    model = keras_network.build_network(lane.recipe.architecture, 3, outcome.weights)
    x = encoder_kind("standard").fit(rows.x[training], rows.y[training]).transform(rows.x[validation])
    scaled = model.predict(x, verbose=0)
    target_encoder = encoder_kind("standard").fit(rows.y[training], rows.y[training])
    natural = target_encoder.inverse(np.concatenate([scaled["PE"], scaled["V"]], axis=1).astype(np.float64))
    np.testing.assert_allclose(natural / rows.y.std(0), outcome.predictions / rows.y.std(0), rtol=0, atol=2e-5)


def test_a_refit_trains_on_all_rows_up_to_the_given_epoch() -> None:
    rows = make_rows()
    lane = make_lane({"activation": "silu", "learning_rate": 0.01, "learning_rate_schedule": "cosine"}, fold=ALL_ROWS, stop=6)
    outcome = train([lane], rows=rows).lanes[0]
    weights, _, _ = fit_with_keras(lane, TWO_HEADS, rows)
    assert outcome.weights is not None
    assert (outcome.epochs, len(outcome.predictions)) == (6, 0)
    for trained, expected in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(trained, expected, rtol=0, atol=2e-5)


def test_a_refit_beside_lanes_of_folds_is_what_it_is_alone_to_the_last_bit() -> None:
    params: Params = {"activation": "silu", "learning_rate": 0.01}
    lanes = [make_lane(params, fold=fold) for fold in (0, 1, ALL_ROWS)]
    together = train(lanes)
    for chosen in (lanes[2:], lanes[:2]):
        assert assert_equal_bits(train(chosen), chosen, together, lanes) == len(chosen)


def test_a_trial_of_fewer_epochs_trains_as_in_an_experiment_of_fewer_epochs_to_the_last_bit() -> None:
    params: Params = {"batch_size": BATCH, "learning_rate": 0.01, "learning_rate_schedule": "cosine"}
    trials = (Trial(0, {**params, "epochs": 4}), Trial(1, params))
    short, long = train([search_lanes(trial, TWO_HEADS)[0] for trial in trials]).lanes
    four_epochs = make_experiment({"PE": {}, "V": {}}, epochs=4)
    (alone,) = train([make_lane(params, experiment=four_epochs)], four_epochs).lanes
    assert (len(short.curve), len(long.curve)) == (4, 10)
    np.testing.assert_array_equal(short.curve, alone.curve)
    np.testing.assert_array_equal(short.predictions, alone.predictions)


def test_weight_seeds_depend_on_trial_and_fold_and_row_orders_on_the_epoch() -> None:
    assert make_lane({}, 2).weight_seed != make_lane({}, 2, fold=1).weight_seed != make_lane({}, 3).weight_seed
    rows = np.arange(50)
    np.testing.assert_array_equal(row_order(1, 0, 0, 3, rows), row_order(1, 0, 0, 3, rows))
    assert (row_order(1, 0, 0, 3, rows) != row_order(1, 0, 0, 4, rows)).any()


def test_a_lane_for_one_head_equals_that_of_a_table_with_this_head_alone_to_the_last_bit() -> None:
    both = make_rows(2)
    wide, narrow = replace(both, heads=("PE", "V")), replace(both, y=both.y[:, 1:])
    experiment = make_experiment({"V": {}})
    lanes = [make_lane({"trunk.depth": 2}, trial=3, experiment=experiment)]
    found, expected = (train(lanes, experiment, rows).lanes[0] for rows in (wide, narrow))
    assert found.weights is not None
    assert expected.weights is not None
    assert np.array_equal(found.predictions, expected.predictions)
    assert all(np.array_equal(*pair) for pair in zip(found.weights, expected.weights, strict=True))
    trainer = PopulationTrainer(wide)  # and one for both heads beside it is not disturbed
    (alone,), (mixed,) = packing.pack(lanes, experiment), packing.pack([make_lane({"trunk.depth": 2})], TWO_HEADS)
    assert np.array_equal(trainer.train_one(alone).lanes[0].predictions, expected.predictions)
    assert np.array_equal(
        trainer.train_one(mixed).lanes[0].predictions, train([make_lane({"trunk.depth": 2})]).lanes[0].predictions
    )


def test_a_trainer_on_other_rows_equals_a_new_one_to_the_last_bit_also_with_room_for_more() -> None:
    (population,) = packing.pack([make_lane({}, fold=fold) for fold in range(3)], TWO_HEADS)
    rows = make_rows()
    others, room = replace(rows, y=rows.y[::-1].copy()), len(rows.x) + BATCH + 1  # so that there are more batches, too
    expected = PopulationTrainer(others).train_one(population, keep_weights=True)
    trainer = PopulationTrainer(replace(rows, room=room))
    trainer.train_one(population)
    trainer.use_rows(replace(others, room=room))
    assert_same_outcome(trainer.train_one(population, keep_weights=True), expected)


def test_the_memory_that_is_saved_with_a_large_table_changes_nothing_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    scalings = ("standard", "min_max", "quantile")
    lanes = [make_lane({"input_scaling": scaling}, fold=fold) for fold in range(3) for scaling in scalings]
    (population,) = packing.pack(lanes, TWO_HEADS)
    expected = PopulationTrainer(make_rows()).train_one(population, keep_weights=True)
    monkeypatch.setattr(shapes, "LARGE_BYTES", 0)
    monkeypatch.setattr(batches, "BLOCK_ROWS", 7)
    monkeypatch.setattr(trainer_module, "MOST_STREAM_BYTES", 0)
    trainer = PopulationTrainer(make_rows())
    assert_same_outcome(trainer.train_one(population, keep_weights=True), expected)
    assert len({id(stream.table.base) for stream in trainer._streams.values()}) == 1, "they are parts of one array"
    (alone,) = packing.pack(lanes[:1], TWO_HEADS)
    trainer.train_one(alone)
    assert len(trainer._streams) == 1, "those of other populations are forgotten"


LARGE = (1 << 20, 64)
"""Rows and columns of a table of 256 MB."""


@pytest.mark.parametrize(
    ("table", "in_use", "validation", "expected"),
    [
        ((1000, 20), 1, 0, (16, 10, 10, 10)),
        (LARGE, 1, 0, (1, 10486, 1311, 2)),
        (LARGE, 3, 131_100, (4, 10486, 1311, 2)),
        (LARGE, 9, 131_101, (16, 10486, 2622, 2)),
        (LARGE, 16, 1 << 20, (16, 10486, 10486, 2)),
    ],
)
def test_arrays_have_room_for_all_that_a_trial_may_need_unless_the_table_is_large(
    table: tuple[int, int], in_use: int, validation: int, expected: tuple[int, int, int, int]
) -> None:
    assert astuple(shapes.array_shapes(table, 100, in_use, validation)) == expected
