"""The latency of networks, where the objective or a constraint names it.

It is measured, not predicted: it depends on the machine, and on the calls from layer to layer that the number of
multiplications does not count. A measurement is noisy and belongs to this machine. It is taken while nothing trains.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from branchsweep.config.codec import to_data
from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import LATENCY
from branchsweep.data.columns import count_noun
from branchsweep.metrics.comparison_result import LATENCY_ROWS
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.runtime import temporary_folder
from branchsweep.trial import Result, Trial
from branchsweep.workflows.context import TrainingContext


def measure_latency(recipe: Recipe, experiment: Experiment, training: TrainingContext) -> float:
    """Seconds to predict a thousand rows, by a network of this shape as an exported model. Its weights make no difference."""
    x = training.rows.x
    weights = initial_weights(recipe.architecture, recipe.encoded_width(experiment.table.inputs.values()), (0,))
    model = ExportedModel.of(experiment, [ModelMember(recipe, weights)])
    with temporary_folder() as folder:
        training.trainer.export(folder, model)
        return training.trainer.measure_latency(folder, np.resize(x, (LATENCY_ROWS, x.shape[1])))


@dataclass(frozen=True, slots=True, eq=False)
class SearchLatencies:
    """The latencies of a search whose objective names latency: one measurement for each shape of network.

    Networks that differ in hyperparameters of training alone have the same one, also after a sweep was resumed.

    Args:
        experiment: Says whether anything is measured.
        training: Exports and measures.
    """

    experiment: Experiment
    training: TrainingContext
    _by_shape: dict[str, float] = field(default_factory=dict)

    def add_recorded(self, results: Iterable[Result]) -> None:
        """Takes what was measured before the sweep was resumed."""
        for result in results:
            if LATENCY in result.score.network:
                self._by_shape.setdefault(_shape(recipe_for(self.experiment, result.params)), result.score.network[LATENCY])

    def of(self, trials: Sequence[Trial]) -> Mapping[int, float]:
        """The latencies by the trials' numbers, measured where the shape is a new one; empty if the objective names none."""
        if not self.experiment.objective.optimizes_latency:
            return {}
        recipes = {trial.number: recipe_for(self.experiment, trial.params) for trial in trials}
        missing = {shape: recipe for recipe in recipes.values() if (shape := _shape(recipe)) not in self._by_shape}
        if missing:
            self.training.progress.on_message(f"measuring the latency of {count_noun(len(missing), 'kind')} of networks")
        for shape, recipe in missing.items():
            self._by_shape[shape] = measure_latency(recipe, self.experiment, self.training)
        return {number: self._by_shape[_shape(recipe)] for number, recipe in recipes.items()}


def _shape(recipe: Recipe) -> str:
    """What the time of a prediction depends on: the network, without dropout, which acts in training alone, and encodings."""
    factors = float(recipe.architecture.input_factor_rate > 0)
    network = replace(recipe.architecture, trunk_dropout=0.0, branch_dropouts={}, input_factor_rate=factors)
    return json.dumps([to_data(network), to_data(recipe.encoding), recipe.target_scaling, recipe.clips_outputs])
