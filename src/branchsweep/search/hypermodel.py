"""An experiment as a hypermodel for KerasTuner: its tuners search the same space of the same networks.

    hypermodel = BranchedHyperModel.from_yaml("experiments/branched.yaml")
    tuner = keras_tuner.RandomSearch(hypermodel, objective="val_loss", max_trials=20)
    tuner.search(epochs=50)

KerasTuner trains the networks one after the other. Its `search` imports tensorboard without requiring it: `pip install
tensorboard` if it is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import keras_tuner

from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data.loading import completed_by_table, load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import TrainingRows, training_rows
from branchsweep.models.keras_fit import FitArrays, KerasFit, fitted
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.search.keras_tuner.space import declared, point_of


class BranchedHyperModel(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner carries no types
    """The networks of an experiment, built from KerasTuner's hyperparameters.

    A hyperparameter has the name of its dimension. A tuner's objective may be `val_loss`, the sum of the heads' losses with the
    trial's loss weights, so that trials of different weights cannot be compared; or with several heads the score of one head on
    the scaled validation rows: `keras_tuner.Objective("val_PE_r2", "max")`.

    Args:
        experiment: Determines the space, the heads, and the recipe of a trial's values.
        rows: The training rows with their folds.
        fold: The fold that validates, from 0.
        metrics: Whether the score of every head is computed after every epoch, which takes time.
    """

    def __init__(self, experiment: Experiment, rows: TrainingRows, fold: int = 0, metrics: bool = True) -> None:
        super().__init__(name=experiment.name)
        self.experiment = experiment
        self._keras_fit = KerasFit(experiment, rows, fold)
        self._metrics = metrics

    @classmethod
    def from_yaml(
        cls,
        path: Path | str,
        data: Path | str | None = None,
        overrides: Sequence[str] = (),
        fold: int = 0,
        metrics: bool = True,
    ) -> Self:
        """The hypermodel of an experiment's file. The test rows are left out, as in a sweep.

        Args:
            path: The experiment.
            data: A table to read instead of the one that the experiment names.
            overrides: `key=value` each, in place of what the file says.
            fold: See the class.
            metrics: See the class.

        Raises:
            ConfigError: The experiment is not valid.
            DataError: The table is not valid.
        """
        table = Path(data) if data is not None else None
        experiment = completed_by_table(load_experiment(Path(path), overrides), table)
        dataset = load_dataset(experiment, table)
        experiment = experiment.resolved_by(dataset.input_columns, dataset.classes)
        split = split_rows(experiment, dataset)
        return cls(experiment.with_epochs(split.fewest_trained_on), training_rows(dataset, split), fold, metrics)

    @property
    def rows(self) -> TrainingRows:
        """The training rows with their folds."""
        return self._keras_fit.rows

    def recipe(self, hp: Any) -> Recipe:
        """The recipe of KerasTuner's hyperparameters.

        Args:
            hp: Hyperparameters; dimensions of the space that they lack are declared in them, with their conditions.
        """
        # Nested `conditional_scope`s reject a parent outside of the same scope, so conditions are declared.
        hp.merge(declared(self.experiment.space), overwrite=False)
        return recipe_for(self.experiment, point_of(self.experiment.space, hp.values))

    def arrays(self, hp: Any) -> FitArrays:
        """The rows that a trial trains and validates on, scaled by its recipe."""
        return self._keras_fit.arrays(self.recipe(hp))

    def build(self, hp: Any) -> Any:
        """The compiled Keras model: inputs scaled `(rows, inputs)`, outputs a dict head → `(rows, 1)`."""
        metrics = self._keras_fit.score_metrics() if self._metrics else None
        name = "metrics" if self.rows.count_alike else "weighted_metrics"
        return self._keras_fit.model(self.recipe(hp), **{name: metrics})

    def fit(self, hp: Any, model: Any, *rows: Any, **arguments: Any) -> Any:
        """Train a model and return Keras's history.

        Args:
            hp: Hyperparameters.
            model: Built from them.
            rows: `x` and `y`, scaled; by default the experiment's training and validation rows.
            arguments: Of Keras's `fit`; batch size and epochs are by default the recipe's.
        """
        recipe = self.recipe(hp)
        if rows or "x" in arguments:
            return fitted(model, recipe, *rows, **{"batch_size": recipe.batch_size, **arguments})
        return self._keras_fit.fit(model, recipe, **arguments)
