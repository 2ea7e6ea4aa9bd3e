"""An experiment as a hypermodel, for those who have code for KerasTuner: its tuners sweep the same space of the same networks.

    hypermodel = BranchedHyperModel.from_yaml("experiments/branched.yaml")
    tuner = keras_tuner.RandomSearch(hypermodel, objective="val_loss", max_trials=20)
    tuner.search(epochs=50)

Networks train one after the other there, as KerasTuner trains them. Its `search` imports tensorboard, which it does not ask
for: `pip install tensorboard` where that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import keras_tuner

from branchsweep.config.experiment import Experiment
from branchsweep.config.loading import load_experiment
from branchsweep.data.loading import load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import TrainingRows, training_rows
from branchsweep.models.keras_fit import FitArrays, KerasFit
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.search.keras_tuner import declared, point_of


class BranchedHyperModel(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner carries no types
    """The networks of an experiment, built from KerasTuner's hyperparameters.

    A hyperparameter has the name of its dimension. Objectives that a tuner may be given are `val_loss`, the sum of the heads'
    losses as weighted by the trial, so that trials of unlike weights do not compare; and with several heads R² on the scaled
    validation rows, head by head: `keras_tuner.Objective("val_PE_r2", "max")`.

    Args:
        experiment: Gives the space, the heads, and what a trial's values mean.
        rows: The training rows with their folds.
        fold: Which of the folds validates, from 0.
        r2: Whether R² of every head is computed after every epoch, which costs time.
    """

    def __init__(self, experiment: Experiment, rows: TrainingRows, fold: int = 0, r2: bool = True) -> None:
        super().__init__(name=experiment.name)
        self.experiment = experiment
        self._plain = KerasFit(experiment, rows, fold)
        self._r2 = r2

    @classmethod
    def from_yaml(
        cls, path: Path | str, data: Path | str | None = None, overrides: Sequence[str] = (), fold: int = 0, r2: bool = True
    ) -> Self:
        """The hypermodel of an experiment's file. The test rows are left aside, as in a sweep.

        Args:
            path: The experiment.
            data: A table to read instead of the one that the experiment names.
            overrides: `key=value` each, written over what the file says.
            fold: See the class.
            r2: See the class.

        Raises:
            ConfigError: The experiment is not what it should be.
            DataError: The table is not.
        """
        experiment = load_experiment(Path(path), overrides)
        dataset = load_dataset(experiment, Path(data) if data is not None else None)
        return cls(experiment, training_rows(dataset, split_rows(experiment, dataset)), fold, r2)

    @property
    def rows(self) -> TrainingRows:
        """The training rows with their folds."""
        return self._plain.rows

    def recipe(self, hp: Any) -> Recipe:
        """What KerasTuner's values spell out.

        Args:
            hp: Hyperparameters; what they lack of the space is declared in them, with its conditions.
        """
        # Nested `conditional_scope`s refuse a parent that does not stand in the same scope itself, so conditions are declared.
        hp.merge(declared(self.experiment.space), overwrite=False)
        return recipe_for(self.experiment, point_of(self.experiment.space, hp.values))

    def arrays(self, hp: Any) -> FitArrays:
        """The rows that a trial trains and validates on, scaled as its values say."""
        return self._plain.arrays(self.recipe(hp))

    def build(self, hp: Any) -> Any:
        """The compiled Keras model: inputs scaled `(rows, inputs)`, outputs a dict head → `(rows, 1)`."""
        return self._plain.model(self.recipe(hp), metrics=self._plain.r2() if self._r2 else None)

    def fit(self, hp: Any, model: Any, *rows: Any, **words: Any) -> Any:
        """Trains a model; returns Keras's history.

        Args:
            hp: Hyperparameters.
            model: Built from them.
            rows: `x` and `y` by position or name, already scaled. Absent: the experiment's training rows, with validation rows.
            words: Words for Keras's `fit`. Where they do not say, batch size and epochs are the recipe's.
        """
        recipe = self.recipe(hp)
        if rows or "x" in words:
            return model.fit(*rows, **{"batch_size": recipe.batch_size, **words})
        return self._plain.fit(model, recipe, **words)
