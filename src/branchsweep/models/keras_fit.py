"""One network after the other by Keras's own `compile` and `fit`: what a lane is compared with, what a hypermodel builds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.data.encoders import scalers
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models import keras_network, serving
from branchsweep.models.recipe import Recipe, epochs_of

Targets = dict[str, NDArray[np.float32]]
"""The column of each head."""


class FitArrays(NamedTuple):
    """What `fit` is given, scaled."""

    x: NDArray[np.float32]
    y: Targets
    validation_data: tuple[NDArray[np.float32], Targets]
    target_scaler: serving.Scaler


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
    _scaled: dict[tuple[str, str], FitArrays] = field(default_factory=dict)

    def arrays(self, recipe: Recipe) -> FitArrays:
        """The fold's rows as the recipe scales them; each scaling is computed once."""
        key = (recipe.input_scaling, recipe.target_scaling)
        if key not in self._scaled:
            train, validation = self.rows.fold_rows(self.fold)
            inputs = scalers.fit_scaler(recipe.input_scaling, self.rows.x[train])
            targets = scalers.fit_scaler(recipe.target_scaling, self.rows.y[train])
            x = serving.transform(inputs, self.rows.x).astype(np.float32)
            y = serving.transform(targets, self.rows.y).astype(np.float32)

            def heads(rows: NDArray[np.int64]) -> Targets:
                return {head: y[rows, h] for h, head in enumerate(self.experiment.heads)}

            self._scaled[key] = FitArrays(x[train], heads(train), (x[validation], heads(validation)), targets)
        return self._scaled[key]

    def steps(self, recipe: Recipe) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows.fold_rows(self.fold)[0]) // recipe.batch_size)

    def model(self, recipe: Recipe, **compile_words: Any) -> keras.Model:
        """The recipe as a compiled Keras model, with Keras's own initial weights.

        Args:
            recipe: The network, its losses and its optimizer, whose schedule is laid out for the recipe's epochs.
            compile_words: More words for `compile`.
        """
        model = keras_network.build_network(recipe.architecture, self.rows.x.shape[1])
        model.compile(
            self._optimizer(recipe),
            loss={name: head.loss for name, head in self.experiment.heads.items()},
            loss_weights=dict(recipe.loss_weights),
            **compile_words,
        )
        return model

    def r2(self) -> dict[str, list[keras.metrics.Metric]]:
        """Metrics for `compile`: R² of every head on its scaled target, called `PE_r2` in a history where there are several."""
        return {head: [keras.metrics.R2Score(name="r2")] for head in self.experiment.heads}

    def _optimizer(self, recipe: Recipe) -> keras.optimizers.Optimizer:
        rate: Any = recipe.learning_rate
        if recipe.learning_rate_schedule == "cosine":
            epochs = epochs_of(recipe, self.experiment)
            rate = keras.optimizers.schedules.CosineDecay(rate, self.steps(recipe) * epochs)
        decay = recipe.weight_decay or None
        if recipe.optimizer == "sgd":
            return keras.optimizers.SGD(rate, momentum=recipe.momentum, weight_decay=decay)
        return keras.optimizers.Adam(rate, weight_decay=decay)

    def fit(self, model: keras.Model, recipe: Recipe, **words: Any) -> keras.callbacks.History:
        """`model.fit` on the fold's rows, with validation after every epoch.

        Args:
            model: Of the recipe.
            recipe: Gives scalings, batch size and, where nobody says, the epochs.
            words: More words for `fit`.
        """
        rows = self.arrays(recipe)
        said = {
            "batch_size": recipe.batch_size,
            "epochs": epochs_of(recipe, self.experiment),
            "validation_data": rows.validation_data,
            **words,
        }
        return model.fit(rows.x, rows.y, **said)
