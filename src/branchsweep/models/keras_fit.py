"""Trains one network after the other by Keras's own `compile` and `fit`: what a lane must equal, what a hypermodel builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.data.encoders.encoder import FittedEncoder
from branchsweep.data.encoders.inputs import InputEncoder, InputEncoding
from branchsweep.data.encoders.registry import fit_target_encoder
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models import keras_network
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.layers.input_factors import LAYER_NAME
from branchsweep.models.learning_rates import schedule_factor
from branchsweep.models.output_clipping import is_linear, output_range, ranges_by_head
from branchsweep.models.recipe import Recipe, epochs_of


@keras.saving.register_keras_serializable(package="branchsweep")
class RecipeSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras is untyped
    """The learning rate of a recipe at each step. A model that is saved with it is loaded where this module is imported.

    Args:
        learning_rate: Of the recipe.
        schedule: The name of its schedule.
        warmup: The share of all steps that its warm-up takes.
        steps: Of the whole training.
    """

    def __init__(self, learning_rate: float, schedule: str, warmup: float, steps: int) -> None:
        super().__init__()
        self._learning_rate, self._schedule, self._warmup, self._steps = learning_rate, schedule, warmup, steps

    def __call__(self, step: Any) -> Any:
        """The learning rate at a step, counted from 0."""
        progress = keras.ops.cast(step, "float32") / self._steps
        return self._learning_rate * schedule_factor(keras.ops, self._schedule, self._warmup, progress)

    def get_config(self) -> dict[str, Any]:
        """The arguments, with which Keras saves a model."""
        return {
            "learning_rate": self._learning_rate,
            "schedule": self._schedule,
            "warmup": self._warmup,
            "steps": self._steps,
        }


class _InputFactorRate:
    """Lets the factors of the inputs learn at a rate of their own, beside one of Keras's optimizers.

    Args:
        arguments: Of the optimizer.
        input_factor_rate: The multiple of its learning rate.
        options: Of the optimizer.
    """

    def __init__(self, *arguments: Any, input_factor_rate: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._input_factor_rate = input_factor_rate

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        path = getattr(variable, "path", variable.name)  # a variable of TensorFlow's has the layer in its name
        rate = self._input_factor_rate if LAYER_NAME in path else 1.0
        super().update_step(gradient, variable, learning_rate * rate)  # type: ignore[misc]  # the optimizer's

    def get_config(self) -> dict[str, Any]:
        """The arguments, with which Keras saves a model."""
        return {**super().get_config(), "input_factor_rate": self._input_factor_rate}  # type: ignore[misc]  # likewise


@keras.saving.register_keras_serializable(package="branchsweep")
class AdamWithInputFactors(_InputFactorRate, keras.optimizers.Adam):  # type: ignore[misc]  # Keras is untyped
    """Adam for networks with factors of their inputs. A model that is saved with it is loaded where this module is imported."""


@keras.saving.register_keras_serializable(package="branchsweep")
class SGDWithInputFactors(_InputFactorRate, keras.optimizers.SGD):  # type: ignore[misc]  # Keras is untyped
    """SGD, likewise."""


@keras.saving.register_keras_serializable(package="branchsweep")
class OutputClipping(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Clips what a network predicts, not what it learns from. A model with it is loaded where this module is imported.

    Args:
        low: The least output.
        high: The greatest output.
        arguments: Of every Keras layer.
    """

    def __init__(self, low: float, high: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._range = low, high

    def call(self, outputs: Any, training: bool = False) -> Any:
        """The outputs, clipped unless a training step asks."""
        return outputs if training else keras.ops.clip(outputs, *self._range)

    def get_config(self) -> dict[str, Any]:
        """The arguments, with which Keras saves a model."""
        low, high = self._range
        return {**super().get_config(), "low": low, "high": high}


class AveragedWeights(keras.callbacks.SwapEMAWeights):  # type: ignore[misc]  # Keras is untyped
    """Has the moving average of the weights validate, and be saved, after every epoch, as in the compiled program.

    Keras leaves the average in the model where training ends after its last epoch. Here it does so, too, where a later callback
    has ended it before.
    """

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)
        self._averaged: list[NDArray[np.float32]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the average into the model, where callbacks after this one find it."""
        super().on_epoch_end(epoch, logs)
        self._averaged = self.model.get_weights()

    def on_train_end(self, _: dict[str, Any] | None = None) -> None:
        """Leave the average in the model."""
        if self._averaged:
            self.model.set_weights(self._averaged)


def keras_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe, in Keras.

    Args:
        recipe: The recipe.
        steps: Of the whole training, over which its schedule is laid out.
    """
    schedule = (recipe.learning_rate_schedule, recipe.warmup)
    rate: Any = recipe.learning_rate
    if schedule == ("cosine", 0.0):
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    elif schedule != ("constant", 0.0):
        rate = RecipeSchedule(recipe.learning_rate, *schedule, steps)
    options: dict[str, Any] = {"weight_decay": recipe.weight_decay or None, "clipnorm": recipe.clipnorm or None}
    if recipe.ema_momentum:
        options |= {"use_ema": True, "ema_momentum": recipe.ema_momentum}
    adam, sgd = keras.optimizers.Adam, keras.optimizers.SGD
    if recipe.architecture.input_factor_rate:
        adam, sgd = AdamWithInputFactors, SGDWithInputFactors
        options["input_factor_rate"] = recipe.architecture.input_factor_rate
    if recipe.optimizer == "sgd":
        return sgd(rate, momentum=recipe.momentum, **options)
    return adam(rate, beta_2=recipe.beta_2, **options)


Targets = dict[str, NDArray[np.float32]]
"""The column of each head."""


class FitArrays(NamedTuple):
    """What `fit` is given, encoded."""

    x: NDArray[np.float32]
    y: Targets
    validation_data: tuple[NDArray[np.float32], Targets] | tuple[NDArray[np.float32], Targets, Targets]
    target_encoder: FittedEncoder
    output_ranges: Mapping[str, tuple[float, float]]  # by head, that of the encoded targets to train on
    sample_weight: Targets | None = None  # by head, 0 where a target is not known; None where all are known and count alike


@dataclass
class KerasFit:
    """Keras's `compile` and `fit` for the recipes of an experiment, on one fold.

    Args:
        experiment: Gives heads, losses and epochs.
        rows: Gives the folds.
        fold: Which of them.
    """

    experiment: Experiment
    rows: TrainingRows
    fold: int = 0
    _encoded: dict[tuple[InputEncoding, str], FitArrays] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, Head]:
        """The kind of each head."""
        return kinds_by_head(self.experiment)

    def arrays(self, recipe: Recipe) -> FitArrays:
        """The fold's rows as the recipe encodes them; each pair of encodings is computed once."""
        key = (recipe.encoding, recipe.target_scaling)
        if key not in self._encoded:
            train, validation = self.rows.fold_rows(self.fold)
            inputs = InputEncoder(self.rows.input_columns, recipe.encoding).fit(self.rows.x[train], self.rows.y[train])
            names = [kind.target_encoder(recipe.target_scaling) for kind in self.kinds.values()]
            targets = fit_target_encoder(names, self.rows.y[train])
            x = inputs.transform(self.rows.x).astype(np.float32)
            y = np.nan_to_num(targets.transform(self.rows.y).astype(np.float32))

            def by_head(values: NDArray[np.float32]) -> Targets:
                return {head: values[:, column] for column, head in enumerate(self.experiment.heads)}

            ends = output_range(list(self.kinds.values()), y[train], self.rows.actual.masks[train])
            ranges = ranges_by_head(self.experiment.heads, ends)
            encoded = FitArrays(x[train], by_head(y[train]), (x[validation], by_head(y[validation])), targets, ranges)
            if not self.rows.count_alike:
                weights = self.rows.loss_weights(train).astype(np.float32)
                with_weights = (*encoded.validation_data[:2], by_head(weights[validation]))
                encoded = encoded._replace(sample_weight=by_head(weights[train]), validation_data=with_weights)
            self._encoded[key] = encoded
        return self._encoded[key]

    def steps(self, recipe: Recipe) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows.fold_rows(self.fold)[0]) // recipe.batch_size)

    def model(self, recipe: Recipe, **compile_arguments: Any) -> keras.Model:
        """The recipe as a compiled Keras model, with Keras's own initial weights.

        Args:
            recipe: The network, its losses and its optimizer, whose schedule is laid out for the recipe's epochs.
            compile_arguments: Further arguments of `compile`.
        """
        losses = {name: head.kind for name, head in self.experiment.heads.items()}
        model = keras_network.build_network(recipe.architecture, recipe.encoded_width(self.rows.input_columns), losses=losses)
        outputs = dict(model.output)
        if recipe.target_noise:
            # A loss of errors takes noise of the prediction as noise of the target.
            for head in (name for name, kind in self.kinds.items() if is_linear(kind)):
                outputs[head] = keras.layers.GaussianNoise(recipe.target_noise, name=f"{head}.noise")(outputs[head])
        if recipe.clips_outputs:
            for head, (low, high) in self.arrays(recipe).output_ranges.items():
                outputs[head] = OutputClipping(low, high, name=f"{head}.range")(outputs[head])
        if recipe.target_noise or recipe.clips_outputs:
            model = keras.Model(model.input, outputs)
        model.compile(
            self._optimizer(recipe),
            loss={name: kind.keras_loss() for name, kind in self.kinds.items()},
            loss_weights=dict(recipe.loss_weights),
            **compile_arguments,
        )
        return model

    def score_metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """Metrics for `compile`: the score of every head on its encoded target, where Keras has such a metric.

        In the history of a model with several heads it is called by head and metric (`PE_r2`).
        """
        metrics = {name: kind.keras_score() for name, kind in self.kinds.items()}
        return {name: [metric] for name, metric in metrics.items() if metric is not None}

    def _optimizer(self, recipe: Recipe) -> keras.optimizers.Optimizer:
        return keras_optimizer(recipe, self.steps(recipe) * epochs_of(recipe, self.experiment))

    def fit(self, model: keras.Model, recipe: Recipe, **fit_arguments: Any) -> keras.callbacks.History:
        """`model.fit` on the fold's rows, with validation after every epoch.

        Args:
            model: Of the recipe.
            recipe: Gives encodings, batch size and, if absent, the epochs.
            fit_arguments: Further arguments of `fit`.
        """
        rows = self.arrays(recipe)
        arguments = {
            "batch_size": recipe.batch_size,
            "epochs": epochs_of(recipe, self.experiment),
            "validation_data": rows.validation_data,
            "sample_weight": rows.sample_weight,
            **fit_arguments,
        }
        return fitted(model, recipe, rows.x, rows.y, **arguments)


def fitted(model: keras.Model, recipe: Recipe, *rows: Any, **arguments: Any) -> keras.callbacks.History:
    """`model.fit`, where a recipe with a moving average of its weights is validated with the average.

    Args:
        model: Of the recipe.
        recipe: What is trained.
        rows: `x` and `y`, where they are not among the arguments.
        arguments: Of `fit`.
    """
    if recipe.ema_momentum:
        arguments["callbacks"] = [AveragedWeights(), *(arguments.get("callbacks") or [])]
    return model.fit(*rows, **arguments)
