"""The equalities that make a population trustworthy.

One lane is `keras.Model.fit`, or plain steps in Keras where its losses are balanced; a lane alone is the lane in company, bit
for bit; an exported model predicts what the lane did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS
from branchsweep.config.sections.dimensions import Choice
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.training import EarlyStopping, Fit
from branchsweep.data.encoders.encoder import FittedEncoder
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.data.training_rows import ALL_ROWS, TrainingRows
from branchsweep.models import keras_network
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.training import packing
from branchsweep.training.lanes import Lane, search_lane, search_lanes
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.program.batches import row_order
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Params, Trial
from branchsweep.types import Weights

Floats32 = NDArray[np.float32]

SEED = 7
ROWS = 300
BATCH = 32  # 200 training rows a fold: six whole batches and one of eight rows

SPACE: Mapping[str, Any] = {
    "trunk.depth": {"type": "int", "low": 1, "high": 3},
    "branch.depth": {"type": "int", "low": 0, "high": 2},
    "activation": {"type": "choice", "choices": ["relu", "silu", "tanh", "gelu"]},
}


def experiment(heads: Mapping[str, Any], epochs: int = 10, **fit: Any) -> Experiment:
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


def balancing(of: Experiment) -> Experiment:
    """The same experiment, with the schemes of loss balancing as one dimension more."""
    schemes = Choice.model_validate({"type": "choice", "choices": SCHEMES})
    space = of.space.model_copy(update={"dimensions": {**of.space.dimensions, "loss_balancing": schemes}})
    return of.model_copy(update={"space": space})


SCHEMES = list(HYPERPARAMETERS["loss_balancing"].choices)

TWO = experiment({"PE": {}, "V": {}})


def table(heads: int = 2) -> TrainingRows:
    """A small smooth table: targets of unlike size that share a hidden cause."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 3)) * [7.0, 6.0, 15.0] + [20.0, 1013.0, 70.0]
    z = (x - x.mean(0)) / x.std(0)
    cause = np.tanh(z @ [0.8, -0.5, 0.3])
    y = np.stack([450.0 + 17.0 * (cause + 0.1 * h * z[:, 1] ** 2) / (1 + h) for h in range(heads)], axis=1)
    y += random.normal(size=y.shape) * 0.3
    positions = random.permutation(ROWS)
    parts = np.array_split(positions, 3)
    folds = tuple((np.concatenate([p for p in parts if p is not part]), part) for part in parts)
    return TrainingRows(x, y, folds)


def lane(params: Params, trial: int = 0, fold: int = 0, seed: int = 0, of: Experiment = TWO, stop: int = 0) -> Lane:
    recipe = recipe_for(of, {"batch_size": BATCH, **params})
    whole = search_lane(trial, recipe, of, fold, seed)
    return replace(whole, stop=stop or whole.epochs)


def train(
    lanes: list[Lane], of: Experiment = TWO, rows: TrainingRows | None = None, keep_weights: bool = True
) -> PopulationOutcome:
    """All lanes as one population."""
    (population,) = packing.pack(lanes, of)
    assert [packed.key for packed in population.lanes] == [one.key for one in as_packed(lanes)]
    return PopulationTrainer(rows or table(len(of.heads))).train_one(population, keep_weights)


def as_packed(lanes: list[Lane]) -> list[Lane]:
    """The lanes in the order that the packer gives them."""
    return sorted(lanes, key=lambda one: one.key)


def keras_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    rate: Any = recipe.learning_rate
    if recipe.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    decay = recipe.weight_decay or None
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=recipe.momentum, weight_decay=decay)
    return keras.optimizers.Adam(rate, weight_decay=decay)


def begun(one: Lane, rows: TrainingRows) -> tuple[keras.Model, keras.optimizers.Optimizer, FittedEncoder, Floats32, Floats32]:
    """A lane in Keras before its first step: network, optimizer, encoder of the targets, and all rows encoded."""
    recipe = one.recipe
    training, _ = rows.fold_rows(one.key.fold)
    x_encoder = encoder_kind(recipe.input_scaling).fit(rows.x[training], rows.y[training])
    y_encoder = encoder_kind(recipe.target_scaling).fit(rows.y[training], rows.y[training])
    x = x_encoder.transform(rows.x).astype(np.float32)
    y = y_encoder.transform(rows.y).astype(np.float32)
    weights = keras_network.initial_weights(recipe.architecture, 3, one.weight_seed)
    model = keras_network.build_network(recipe.architecture, 3, weights)
    steps = -(-len(training) // recipe.batch_size)
    return model, keras_optimizer(recipe, steps * one.epochs), y_encoder, x, y


def fit_with_keras(one: Lane, of: Experiment, rows: TrainingRows) -> tuple[Weights, NDArray[np.float64], list[float]]:
    """The lane by `keras.Model.fit`: its weights, its predictions on the validation rows, R² of the first head by epoch."""
    recipe, heads = one.recipe, list(of.heads)
    training, validation = rows.fold_rows(one.key.fold)
    model, optimizer, y_encoder, x, y = begun(one, rows)
    model.compile(
        optimizer,
        loss={head: spec.loss for head, spec in of.heads.items()},
        loss_weights=dict(recipe.loss_weights),
    )
    curve = []

    def batches() -> Iterator[tuple[Floats32, dict[str, Floats32]]]:
        for epoch in range(one.stop):
            order = row_order(SEED, one.key.fold, one.key.seed, epoch, training)
            for begin in range(0, len(order), recipe.batch_size):
                batch = order[begin : begin + recipe.batch_size]
                yield x[batch], {head: y[batch, h] for h, head in enumerate(heads)}

    def measure(epoch: int, logs: object) -> None:
        if len(validation):
            scaled = model(x[validation])[heads[0]].numpy()
            curve.append(float(r2_score(y[validation, 0], scaled[:, 0])))

    steps, progress = -(-len(training) // recipe.batch_size), keras.callbacks.LambdaCallback(on_epoch_end=measure)
    model.fit(batches(), steps_per_epoch=steps, epochs=one.stop, callbacks=[progress], shuffle=False, verbose=0)
    predicted = model.predict(x[validation] if len(validation) else x, verbose=0)
    natural = y_encoder.inverse(np.concatenate([predicted[head] for head in heads], axis=1).astype(np.float64))
    return keras_network.network_weights(model, recipe.architecture), natural, curve


ARTICLE: Params = {"trunk.depth": 2, "PE.depth": 0, "V.depth": 1, "input_scaling": "min_max", "target_scaling": "none"}
LAST = experiment({"PE": {}, "V": {}}, epochs=9, keep="last")
THREE = experiment({"PE": {"loss": "mae"}, "V": {"loss": "huber"}, "Q": {}}, epochs=9, keep="last")


@pytest.mark.parametrize(
    ("params", "of"),
    [
        pytest.param({"activation": "silu", "trunk.width": 12, "branch.width": 9, "learning_rate": 0.01}, LAST, id="adam"),
        pytest.param({**ARTICLE, "learning_rate": 0.01}, LAST, id="article"),
        pytest.param(
            {"optimizer": "sgd", "momentum": 0.9, "activation": "tanh", "learning_rate": 0.01, "PE.loss_weight": 3.0},
            LAST,
            id="sgd with momentum",
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
            LAST,
            id="decay, cosine, gelu, quantile",
        ),
        pytest.param(
            {"trunk.depth": 1, "V.depth": 2, "Q.depth": 0, "learning_rate": 0.005}, THREE, id="three heads, other losses"
        ),
        pytest.param(
            {"trunk.depth": 3, "trunk.width": 40, "branch.width": 7, "PE.depth": 0, "V.depth": 2, "activation": "silu"},
            LAST,
            id="a trunk wider than the branches",
        ),
        pytest.param(
            {"trunk.width": 5, "PE.width": 41, "PE.depth": 2, "V.width": 35, "activation": "tanh", "learning_rate": 0.01},
            LAST,
            id="branches wider than the trunk",
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
            LAST,
            id="layers that taper and widen",
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
            LAST,
            id="a wide trunk that tapers to less than the branches",
        ),
    ],
)
def test_a_lane_is_keras_fit(params: Params, of: Experiment) -> None:
    """Over 63 steps, partial batches included: weights, predictions and the curve of R² follow `fit`."""
    rows, one = table(len(of.heads)), lane(params, trial=5, fold=1, of=of)
    outcome = train([one], of, rows).lanes[0]
    weights, predictions, curve = fit_with_keras(one, of, rows)
    assert outcome.weights is not None
    for ours, theirs in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)
    # Raw targets are in the hundreds and the weights small: there float32 itself leaves a few parts in 100,000.
    np.testing.assert_allclose(outcome.predictions, predictions, rtol=5e-5, atol=0)
    np.testing.assert_allclose(outcome.curve[:, 0], curve, rtol=1e-5, atol=1e-4)


def fit_by_steps(one: Lane, of: Experiment, rows: TrainingRows) -> Weights:
    """The weights of a lane whose losses are balanced, by plain training steps in Keras: the formulas of `recipe`."""
    recipe, heads = one.recipe, list(of.heads)
    model, optimizer, _, x, y = begun(one, rows)
    last = f"trunk_{len(recipe.architecture.trunk)}"
    network_and_features = keras.Model(model.inputs, {**model.output, "Z": model.get_layer(last).output})
    of_trunk = [weight for layer in model.layers if layer.name.startswith("trunk") for weight in layer.trainable_weights]
    of_branches = [weight for weight in model.trainable_weights if all(weight is not other for other in of_trunk)]
    log_variances = [keras.Variable(0.0, name=f"log_variance_{head}") for head in heads]
    optimizer.exclude_from_weight_decay(var_list=log_variances)
    learning = [*of_trunk, *of_branches, *(log_variances if recipe.loss_balancing == "uncertainty" else [])]
    optimizer.build(learning)
    p = [recipe.loss_weights[head] for head in heads]
    losses = [keras.losses.get(of.heads[head].loss) for head in heads]

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape(persistent=True) as tape:
            said = network_and_features(x)
            L = [
                tf.reduce_mean(loss(y[:, h : h + 1], said[head]))
                for h, (head, loss) in enumerate(zip(heads, losses, strict=True))
            ]
            weighted = [p_h * L_h for p_h, L_h in zip(p, L, strict=True)]
            static = sum(weighted)
            uncertainty = sum(p_h * (tf.exp(-s_h) * L_h + s_h) for p_h, L_h, s_h in zip(p, L, log_variances, strict=True))
        if recipe.loss_balancing == "uncertainty":
            gradients = tape.gradient(uncertainty, learning)
        else:
            g = [tape.gradient(of_head, said["Z"]) for of_head in weighted]
            norms = [tf.norm(g_h) for g_h in g]
            pull = sum(p_h / sum(p) * sum(norms) / norm * g_h for p_h, g_h, norm in zip(p, g, norms, strict=True))
            gradients = tape.gradient(said["Z"], of_trunk, output_gradients=pull) + tape.gradient(static, of_branches)
        optimizer.apply_gradients(zip(gradients, learning, strict=True))

    compiled = tf.function(step)
    for epoch in range(one.stop):
        order = row_order(SEED, one.key.fold, one.key.seed, epoch, rows.fold_rows(one.key.fold)[0])
        for begin in range(0, len(order), recipe.batch_size):
            batch = order[begin : begin + recipe.batch_size]
            compiled(tf.constant(x[batch]), tf.constant(y[batch]))
    return keras_network.network_weights(model, recipe.architecture)


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "static"])
@pytest.mark.parametrize(
    ("params", "of"),
    [
        pytest.param(
            {"PE.depth": 0, "trunk.width": 12, "trunk.depth": 3, "weight_decay": 0.02, "learning_rate_schedule": "cosine"},
            LAST,
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
            LAST,
            id="sgd with momentum",
        ),
        pytest.param(
            {"trunk.depth": 1, "V.depth": 2, "Q.depth": 0, "learning_rate": 0.005}, THREE, id="three heads, other losses"
        ),
        pytest.param(
            {"trunk.width": 40, "branch.width": 7, "PE.depth": 0, "V.depth": 2}, LAST, id="a trunk wider than the branches"
        ),
    ],
)
def test_a_lane_that_balances_is_plain_steps_in_keras(params: Params, of: Experiment, scheme: str) -> None:
    """Over 63 steps, partial batches included: the weights follow, and they are not those of static losses."""
    of, rows = balancing(of), table(len(of.heads))
    said: Params = {"learning_rate": 0.01, "activation": "silu", "PE.loss_weight": 3.0, "V.loss_weight": 0.7, **params}
    one = lane({**said, "loss_balancing": scheme}, of=of)
    outcome = train([one], of, rows).lanes[0]
    weights = fit_by_steps(one, of, rows)
    static = train([lane(said, of=of)], of, rows).lanes[0].weights
    assert outcome.weights is not None and static is not None
    for ours, theirs in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)
    assert max(np.abs(ours - other).max() for ours, other in zip(outcome.weights, static, strict=True)) > 1e-3


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_lane_is_keras_fit_over_600_steps(optimizer: str) -> None:
    of = experiment({"PE": {}, "V": {}}, epochs=90, keep="last")
    params: Params = {"optimizer": optimizer, "momentum": 0.8 if optimizer == "sgd" else 0.0, "activation": "silu"}
    rows, one = table(), lane({**params, "learning_rate": 0.003}, of=of)
    outcome = train([one], of, rows).lanes[0]
    weights, _, curve = fit_with_keras(one, of, rows)
    assert outcome.weights is not None
    assert len(curve) * 7 >= 600
    for ours, theirs in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-4)
    np.testing.assert_allclose(outcome.curve[:, 0], curve, rtol=0, atol=1e-4)


NARROW = ((11, 13), (2, 13))
WIDE_TRUNK = ((45, 49), (2, 33))
WIDE_BRANCHES = ((2, 33), (45, 49))
"""Ranges of trunk and branch widths that one program holds: with layers of one shape, and of three."""

Widths = tuple[tuple[int, int], tuple[int, int]]


def mixed_company(count: int = 14, widths: Widths = NARROW) -> list[Lane]:
    """Lanes that differ in everything a population may mix; with a branch layer somewhere, so that branches have a width."""
    random = np.random.default_rng(3)
    kinds = ["relu", "silu", "tanh", "gelu"]
    return [
        lane(
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


def of_all_schemes(lanes: list[Lane]) -> list[Lane]:
    """The same lanes, which balance their losses by one scheme after the other."""
    return [
        replace(one, recipe=replace(one.recipe, loss_balancing=SCHEMES[number % len(SCHEMES)]))
        for number, one in enumerate(lanes)
    ]


def assert_equal_bits(outcome: PopulationOutcome, lanes: list[Lane], other: PopulationOutcome, other_lanes: list[Lane]) -> int:
    """Lanes of the same trial and fold are equal to the last bit; returns how many were compared."""
    theirs = {b.key: found for b, found in zip(as_packed(other_lanes), other.lanes, strict=True)}
    compared = 0
    for one, mine in zip(as_packed(lanes), outcome.lanes, strict=True):
        if one.key not in theirs:
            continue
        twin = theirs[one.key]
        assert mine.weights is not None and twin.weights is not None
        for a, b in zip(mine.weights, twin.weights, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(mine.predictions, twin.predictions)
        np.testing.assert_array_equal(mine.curve, twin.curve)
        assert mine.epochs == twin.epochs
        compared += 1
    return compared


@pytest.mark.parametrize("widths", [NARROW, WIDE_TRUNK])
def test_a_tapered_lane_in_company_is_keras_fit(widths: Widths) -> None:
    """Layers of unequal widths in one stack, among lanes of other widths and depths."""
    company = [replace(one, epochs=9, stop=9) for one in mixed_company(8, widths)]
    rows, outcome = table(), train(company, LAST)
    tapered = [
        (one, found)
        for one, found in zip(as_packed(company), outcome.lanes, strict=True)
        if len(set(one.recipe.architecture.trunk)) > 1
    ]
    assert len(tapered) > 2
    for one, found in tapered[:2]:
        weights, _, _ = fit_with_keras(one, LAST, rows)
        assert found.weights is not None
        for ours, theirs in zip(found.weights, weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)


@pytest.mark.parametrize("widths", [NARROW, WIDE_TRUNK, WIDE_BRANCHES])
def test_alone_is_in_company_bit_for_bit(widths: Widths) -> None:
    company = mixed_company(widths=widths)
    together = train(company)
    for one in company[::3]:
        assert assert_equal_bits(train([one]), [one], together, company) == 1


@pytest.mark.parametrize("widths", [NARROW, WIDE_TRUNK])
def test_lanes_of_all_schemes_are_what_they_are_alone_bit_for_bit(widths: Widths) -> None:
    """And the static ones among them are what they are in a program that balances nothing."""
    of, company = balancing(TWO), of_all_schemes(mixed_company(10, widths))
    together = train(company, of)
    for one in company[4:9:2]:
        assert assert_equal_bits(train([one], of), [one], together, company) == 1
    static = company[:: len(SCHEMES)]
    assert assert_equal_bits(train(static), static, together, company) == len(static) == 4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_head_without_weight_leaves_the_network_to_the_other(scheme: str) -> None:
    """There is nothing to balance: no number is lost, and gradients of one head alone are left as they are."""
    of, params = balancing(TWO), {"V.loss_weight": 0.0, "trunk.width": 12, "learning_rate": 0.01}
    static, outcome = (train([lane({**params, "loss_balancing": word}, of=of)], of).lanes[0] for word in ("static", scheme))
    assert not outcome.failed_at
    if scheme != "uncertainty":
        np.testing.assert_allclose(outcome.predictions, static.predictions, rtol=5e-5, atol=0)


def test_permuted_is_permuted_bit_for_bit() -> None:
    """The packer orders lanes by trial, so other numbers would be other trials: the lanes are permuted by hand."""
    (population,) = packing.pack(mixed_company(), TWO)
    order = np.random.default_rng(1).permutation(len(population.lanes))
    permuted = replace(population, lanes=tuple(population.lanes[i] for i in order))
    trainer = PopulationTrainer(table())
    straight, shuffled = trainer.train_one(population, True), trainer.train_one(permuted, True)
    for position, i in enumerate(order):
        mine, twin = straight.lanes[i], shuffled.lanes[position]
        assert mine.weights is not None and twin.weights is not None
        for a, b in zip(mine.weights, twin.weights, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(mine.predictions, twin.predictions)
        np.testing.assert_array_equal(mine.curve, twin.curve)


def renumbered(one: Lane) -> Lane:
    """The lane of another trial with the same recipe, which has other initial weights."""
    return search_lane(100 + int(one.key.candidate), one.recipe, TWO, one.key.fold, one.key.seed)


def test_every_second_lane_another_leaves_the_rest_equal_bit_for_bit() -> None:
    company = mixed_company()
    others = [renumbered(one) if i % 2 else one for i, one in enumerate(company)]
    assert assert_equal_bits(train(company), company, train(others), others) == len(company) // 2


def test_a_diverged_lane_is_named_and_the_others_do_not_notice() -> None:
    company = mixed_company(6)
    mad = lane({"learning_rate": 100.0, "optimizer": "adam", "target_scaling": "none", "trunk.width": 12}, trial=50)
    mad = replace(mad, recipe=replace(mad.recipe, learning_rate=1e38))
    outcome = train([*company, mad])
    ordered = as_packed([*company, mad])
    failed = [one.key.candidate for one, found in zip(ordered, outcome.lanes, strict=True) if found.failed_at]
    assert failed == [50]
    assert outcome.lanes[ordered.index(mad)].failed_at == 1
    assert assert_equal_bits(train(company), company, outcome, [*company, mad]) == len(company)


def test_early_stopping_and_keep_the_best_are_those_of_keras() -> None:
    """A restless lane: the epoch that is kept, the epoch it stops at, and the kept weights follow from its full curve."""
    params: Params = {"learning_rate": 0.05, "activation": "tanh", "trunk.width": 12}
    full = experiment({"PE": {}, "V": {}}, epochs=40)
    stopped = full.model_copy(update={"fit": Fit(epochs=40, early_stopping=EarlyStopping(patience=4))})
    free = train([lane(params, of=full)], full).lanes[0]
    early = train([lane(params, of=stopped)], stopped).lanes[0]
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
    rows = table()
    validation = rows.folds[0][1]
    again = r2_score(rows.y[validation], early.predictions, multioutput="raw_values")
    np.testing.assert_allclose(again, early.curve[last - 1], atol=1e-5)


def resumed(outcome: PopulationOutcome, lanes: list[Lane], of: Experiment) -> tuple[list[Lane], PopulationOutcome]:
    """The lanes train on to their last epoch from where they stand, in the other order."""
    rest = [
        replace(one, state=found.state, stop=of.fit.epochs)
        for one, found in zip(as_packed(lanes), outcome.lanes, strict=True)
        if found.state
    ]
    (population,) = packing.pack(rest, of)
    order = list(reversed(range(len(rest))))
    turned = population.only(order, [population.states[place] for place in order])
    trained = PopulationTrainer(table()).train_one(turned, keep_weights=True)
    return rest, replace(trained, lanes=[trained.lanes[place] for place in order])


@pytest.mark.parametrize(
    ("objective", "rank"),
    [
        pytest.param({}, lambda curve: curve.mean(1), id="mean of the heads, the default"),
        pytest.param({"maximize": ["min_r2"]}, lambda curve: curve.min(1), id="lowest head"),
        pytest.param({"maximize": ["r2/V"]}, lambda curve: curve[:, 1], id="one head"),
        pytest.param(
            {"maximize": ["weighted"], "weights": {"V": 4.0}}, lambda curve: curve @ [0.2, 0.8], id="weighted mean of the heads"
        ),
        pytest.param(
            {"maximize": ["r2/PE", "r2/V"], "choose": "min_r2"}, lambda curve: curve.min(1), id="rule that chooses from a front"
        ),
    ],
)
def test_the_best_epoch_is_that_of_the_objective(objective: Mapping[str, Any], rank: Any) -> None:
    full = experiment({"PE": {}, "V": {}}, epochs=40)
    of = full.model_copy(update={"objective": Objective.model_validate(objective), "fit": Fit(epochs=40)})
    stopped = of.model_copy(update={"fit": Fit(epochs=40, early_stopping=EarlyStopping(patience=3))})
    params: Params = {"learning_rate": 0.05, "activation": "silu", "V.loss_weight": 0.3}
    outcome = train([lane(params, of=of)], of).lanes[0]
    scores = rank(outcome.curve)
    assert outcome.epochs == 1 + int(np.argmax(scores))
    early = train([lane(params, of=stopped)], stopped).lanes[0]
    best = 1 + int(np.argmax(scores[: len(early.curve)]))
    assert early.epochs == best
    assert len(early.curve) in (best + 3, 40)


def test_a_lane_fails_when_a_head_fails_that_the_objective_does_not_rank_by() -> None:
    full = experiment({"PE": {}, "V": {}}, epochs=12)
    for metric in ("r2/V", "min_r2"):
        of = full.model_copy(update={"objective": Objective(maximize=[metric])})
        diverging: Params = {"optimizer": "sgd", "learning_rate": 100.0, "V.loss_weight": 0.0, "target_scaling": "none"}
        assert train([lane(diverging, of=of)], of).lanes[0].failed_at > 0


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize(("widths", "optimizer"), [(NARROW, "adam"), (WIDE_TRUNK, "sgd")])
@pytest.mark.parametrize("balances", [False, True])
def test_a_lane_that_pauses_and_goes_on_is_one_that_did_not_bit_for_bit(
    widths: Widths, optimizer: str, keep: str, balances: bool
) -> None:
    of, members = experiment({"PE": {}, "V": {}}, epochs=13, keep=keep), mixed_company(6, widths)
    if balances:
        of, members = balancing(of), of_all_schemes(members)
    company = [
        replace(one, recipe=replace(one.recipe, momentum=0.5, optimizer=optimizer), epochs=13, stop=13) for one in members
    ]
    straight = train(company, of)
    (population,) = packing.pack([replace(one, stop=4, pauses=True) for one in company], of)
    paused = PopulationTrainer(table()).train_one(population)
    assert [found.state.epoch for found in paused.lanes if found.state] == [4] * 6
    rest, outcome = resumed(paused, company, of)
    assert assert_equal_bits(outcome, rest, straight, company) == 6


def test_lanes_that_end_early_make_room_and_nobody_notices() -> None:
    """Eight lanes of which each stops at another epoch: together they are what each is alone."""
    stopped = experiment({"PE": {}, "V": {}}, epochs=60, early_stopping=EarlyStopping(patience=3))
    company = [replace(one, epochs=60, stop=60) for one in mixed_company(8)]
    told: list[float] = []
    (population,) = packing.pack(company, stopped)
    together = PopulationTrainer(table(), told.append).train_one(population, keep_weights=True)
    ends = {len(found.curve) for found in together.lanes}
    assert len(ends) > 3 and min(ends) < 30, "lanes should end at different times for this test to mean anything"
    assert sum(told) == 8 * 60
    for one in company[::2]:
        assert assert_equal_bits(train([one], stopped), [one], together, company) == 1


def test_an_exported_model_predicts_what_the_lane_predicted() -> None:
    rows, one = table(), lane({"activation": "silu", "trunk.width": 11, "trunk.taper": 0.5, "V.depth": 2, "V.taper": 1.5})
    outcome = train([one], rows=rows).lanes[0]
    training, validation = rows.fold_rows(one.key.fold)
    model = keras_network.build_network(one.recipe.architecture, 3, outcome.weights)
    x = encoder_kind("standard").fit(rows.x[training], rows.y[training]).transform(rows.x[validation])
    scaled = model.predict(x, verbose=0)
    of_targets = encoder_kind("standard").fit(rows.y[training], rows.y[training])
    natural = of_targets.inverse(np.concatenate([scaled["PE"], scaled["V"]], axis=1).astype(np.float64))
    np.testing.assert_allclose(natural / rows.y.std(0), outcome.predictions / rows.y.std(0), rtol=0, atol=2e-5)


def test_a_refit_sees_all_rows_and_stops_where_it_is_told() -> None:
    rows = table()
    one = lane({"activation": "silu", "learning_rate": 0.01, "learning_rate_schedule": "cosine"}, fold=ALL_ROWS, stop=6)
    outcome = train([one], rows=rows).lanes[0]
    weights, _, _ = fit_with_keras(one, TWO, rows)
    assert outcome.weights is not None
    assert (outcome.epochs, len(outcome.predictions)) == (6, 0)
    for ours, theirs in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)


def test_a_trial_of_fewer_epochs_trains_as_in_an_experiment_of_fewer_epochs_bit_for_bit() -> None:
    params: Params = {"batch_size": BATCH, "learning_rate": 0.01, "learning_rate_schedule": "cosine"}
    trials = (Trial(0, {**params, "epochs": 4}), Trial(1, params))
    short, long = train([search_lanes(trial, TWO)[0] for trial in trials]).lanes
    of_four = experiment({"PE": {}, "V": {}}, epochs=4)
    (alone,) = train([lane(params, of=of_four)], of_four).lanes
    assert (len(short.curve), len(long.curve)) == (4, 10)
    np.testing.assert_array_equal(short.curve, alone.curve)
    np.testing.assert_array_equal(short.predictions, alone.predictions)


def test_seeds_are_of_the_trial_not_of_the_place() -> None:
    assert lane({}, 2).weight_seed != lane({}, 2, fold=1).weight_seed != lane({}, 3).weight_seed
    rows = np.arange(50)
    np.testing.assert_array_equal(row_order(1, 0, 0, 3, rows), row_order(1, 0, 0, 3, rows))
    assert (row_order(1, 0, 0, 3, rows) != row_order(1, 0, 0, 4, rows)).any()


def test_a_lane_for_one_head_of_a_wider_table_is_that_over_a_table_with_this_head_alone_bit_for_bit() -> None:
    both = table(2)
    wide, narrow = replace(both, heads=("PE", "V")), replace(both, y=both.y[:, 1:])
    of = experiment({"V": {}})
    lanes = [lane({"trunk.depth": 2}, trial=3, of=of)]
    found, expected = (train(lanes, of, rows).lanes[0] for rows in (wide, narrow))
    assert found.weights is not None
    assert expected.weights is not None
    assert np.array_equal(found.predictions, expected.predictions)
    assert all(np.array_equal(*pair) for pair in zip(found.weights, expected.weights, strict=True))
    trainer = PopulationTrainer(wide)  # and one for both heads beside it is not disturbed
    (alone,), (mixed,) = packing.pack(lanes, of), packing.pack([lane({"trunk.depth": 2})], TWO)
    assert np.array_equal(trainer.train_one(alone).lanes[0].predictions, expected.predictions)
    assert np.array_equal(trainer.train_one(mixed).lanes[0].predictions, train([lane({"trunk.depth": 2})]).lanes[0].predictions)
