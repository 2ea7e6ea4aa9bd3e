"""KerasTuner's oracles as samplers of trials."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

from branchsweep.config.experiment import Experiment
from branchsweep.models.recipe import recipe_for
from branchsweep.runtime import silence_stderr
from branchsweep.search.keras_tuner.oracles import EPOCHS, Oracle, Values, make_oracle
from branchsweep.search.keras_tuner.space import encoded, point_of
from branchsweep.search.protocols import Observation
from branchsweep.search.sampling import RandomStream, seed_sequence
from branchsweep.trial import Params

with silence_stderr():  # it imports TensorFlow
    from keras_tuner.engine.trial import Trial, TrialStatus

BOUND = 1e100
"""Scores are clipped to [-BOUND, BOUND]: beyond, the squares in a Gaussian process overflow."""


class KerasTunerSampler:
    """A `Sampler` that asks one of KerasTuner's oracles.

    - `random`: every point is equally likely.
    - `bayesian`: a Gaussian process with an upper confidence bound, after `num_initial_points` random points (three for each
      dimension). Every dimension, also one without an order, is one axis. With 11 dimensions a suggestion takes 0.1 s after 100
      observations and 0.2 s after 300 (KerasTuner's own: 2.9 and 6.1 s), and the first one of a round 0.2 and 1.8 s more.
    - `hyperband`: brackets of random points with few epochs, of which the better ones are trained longer. The number of epochs
      is the hyperparameter `epochs`, which its params name besides the space's dimensions; at most `fit.epochs`. A network is
      trained anew for every rung of a bracket. The first bracket is large: with 100 epochs it begins with 98 networks of 2
      epochs each, so Hyperband is for searches of several hundred trials. It prunes by itself: rungs within a round (`pruning`)
      prune once more and are best left out.
    - `grid`: the points of the grid in order, with ten values of a continuous dimension (and its lowest).

    Made by `open`.

    Args:
        experiment: Determines the space and the seed.
        oracle: What is asked.
    """

    def __init__(self, experiment: Experiment, oracle: Oracle) -> None:
        self._experiment = experiment
        self._oracle = oracle
        self._suggestion: Params | None = None
        self._pending: list[Trial | None] = []
        self._recipes: set[str] = set()

    @classmethod
    def open(cls, experiment: Experiment, options: Mapping[str, Any] | None = None) -> Self:
        """A new sampler.

        Args:
            experiment: Determines the space, the algorithm, the seed, and the epochs of Hyperband.
            options: Options of the oracle, see `oracles.options_of`.

        Raises:
            ConfigError: The oracle rejects an option, or Hyperband is used in a space with `epochs`.
        """
        return cls(experiment, make_oracle(experiment, options or {}))

    @property
    def is_stateful(self) -> bool:
        """Whether the oracle's values depend on the values it gave before."""
        return self._oracle.is_stateful

    @property
    def has_initial_design(self) -> bool:
        """False: the oracles have initial points of their own."""
        return False

    @property
    def is_exhaustive(self) -> bool:
        """Whether the oracle enumerates the space: a grid."""
        return self._oracle.is_exhaustive

    def suggest(self, number: int, attempt: int) -> Params | None:
        """Suggest a point; None if the oracle has no further one, or waits for scores."""
        if self._suggestion is not None and self._oracle.is_stateful:
            self._oracle.end(self._oracle.begin(self._encoded(self._suggestion)), None)  # it was rejected
        self._oracle.prepare(seed_sequence(self._experiment, RandomStream.ORACLE, number), attempt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's, that a Gaussian process did not converge
            response = self._oracle.populate_space(self._oracle.next_id)
        self._suggestion = None
        if response["status"] == TrialStatus.RUNNING:
            self._suggestion = self._decoded(response["values"])
        return self._suggestion

    def mark_pending(self, params: Params) -> None:
        """Add a running trial with this point (with or without `epochs`)."""
        suggestion, self._suggestion = self._suggestion, None
        self._pending.append(self._begin(suggestion, params))

    def observe(self, observations: Sequence[Observation | None]) -> None:
        """Learn the scores of the points that have been pending longest."""
        observed, self._pending = self._pending[: len(observations)], self._pending[len(observations) :]
        for trial, observation in zip(observed, observations, strict=True):
            if trial is not None:
                self._oracle.end(trial, _score(observation))

    def _begin(self, suggestion: Params | None, params: Params) -> Trial | None:
        """The oracle's trial of a point; None if the oracle does not record it."""
        if self._oracle.is_exhaustive:
            return self._oracle.begin(self._encoded(suggestion)) if suggestion is not None else None
        recipe = repr(recipe_for(self._experiment, params))
        if recipe in self._recipes and not self._oracle.is_stateful:
            return None  # a repeated recipe is recorded once
        self._recipes.add(recipe)
        return self._oracle.begin(self._encoded(params))

    def _encoded(self, params: Params) -> Values:
        """The values of the hyperparameters at a point."""
        dimensions = self._experiment.space.dimensions
        return {
            parameter.name: encoded(parameter, dimensions[parameter.name], params[parameter.name])
            for parameter in self._oracle.hyperparameters.space
            if parameter.name in params
        }

    def _decoded(self, values: Values) -> Params:
        """The point of hyperparameters, with the epochs if Hyperband determines them."""
        point = point_of(self._experiment.space, values)
        return {**point, EPOCHS: values["tuner/epochs"]} if "tuner/epochs" in values else point


def _score(observation: Observation | None) -> float | None:
    """The score that an oracle is given, clipped to `BOUND`; None if the trial failed."""
    if observation is None or not observation.expected or not math.isfinite(observation.expected[0]):
        return None
    return min(max(observation.expected[0], -BOUND), BOUND)
