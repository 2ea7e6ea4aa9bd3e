"""Constraints on the network itself, such as `parameters <= 5000`: whether a point of the space meets them.

They are known before anything is trained, so points that violate them are never asked, except as initial trials.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import LATENCY, NETWORK_METRICS, ObjectiveMetric
from branchsweep.config.sections.dimensions import Choice, Dimension
from branchsweep.errors import ConfigError
from branchsweep.models.recipe import recipe_for
from branchsweep.search.sampling import random_point
from branchsweep.trial import Params, ParamValue

MADE_SMALLER = 100
"""Random points that are made small enough for one trial."""


@dataclass(frozen=True, slots=True)
class NetworkBound:
    """One constraint.

    Args:
        index: Its position among the constraints of the objective.
        metric: One of `NETWORK_METRICS`.
        most: The largest value that it allows.
    """

    index: int
    metric: str
    most: float


class NetworkBounds:
    """The constraints of an experiment on the network.

    Args:
        experiment: With its input columns as the table has them.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._bounds = list(self._read(experiment))

    def _read(self, experiment: Experiment) -> Iterator[NetworkBound]:
        for index, constraint in enumerate(experiment.objective.parsed_constraints):
            metric = constraint.metric
            if not ObjectiveMetric.parsed(metric).is_of_network or metric == LATENCY:
                continue
            reference = 1.0
            if constraint.reference:
                reference = self._metrics(experiment.search.initial_trials[constraint.reference])[metric]
            yield NetworkBound(index, metric, constraint.factor * reference)

    def __bool__(self) -> bool:
        return bool(self._bounds)

    def allows(self, params: Params) -> bool:
        """Whether the network of these params meets all constraints."""
        return not self._bounds or self._excess(params) <= 0

    def check(self) -> None:
        """Checks that the space has a network that meets the constraints.

        Raises:
            ConfigError: The smallest that was found does not.
        """
        if not self._bounds or self.allows(self._smallest):
            return
        metrics = self._metrics(self._smallest)
        for bound in self._bounds:
            if metrics[bound.metric] > bound.most:
                smallest = f"the smallest network of the search space has {metrics[bound.metric]:,.0f}"
                message = (
                    f"got {bound.metric} <= {bound.most:,.6g}, but {smallest}: allow more, or lower the bounds of the space"
                )
                raise ConfigError(message, f"objective.constraints[{bound.index}]")

    def within(self, points: Iterable[Params], rng: np.random.Generator) -> Iterator[Params]:
        """Those of the points that meet the constraints; then random ones that are made small enough.

        What is made smaller has the values of the smallest network in as many dimensions, one after the other in random order,
        as it takes.
        """
        yield from filter(self.allows, points)
        space = self._experiment.space
        names = list(space.dimensions)
        for _ in range(MADE_SMALLER):
            values = {**self._smallest_values, **random_point(space, rng)}
            for position in rng.permutation(len(names)):
                values[names[position]] = self._smallest_values[names[position]]
                if self.allows(point := _point(self._experiment, values)):
                    yield point
                    break

    def _metrics(self, params: Params) -> Mapping[str, float]:
        """Infinite where a builder fails for these values: no network is no small network."""
        metrics = recipe_for(self._experiment, params).network_metrics(self._experiment.table.inputs.values())
        return {name: metrics.get(name, math.inf) for name in NETWORK_METRICS}

    def _excess(self, params: Params) -> float:
        """By how much the worst violated constraint is exceeded, as a share of its bound; at most 0 where all are met."""
        metrics = self._metrics(params)
        return max(metrics[bound.metric] / bound.most - 1 if bound.most > 0 else math.inf for bound in self._bounds)

    @cached_property
    def _smallest(self) -> Params:
        return _point(self._experiment, self._smallest_values)

    @cached_property
    def _smallest_values(self) -> Mapping[str, ParamValue]:
        """A value of every dimension, by coordinate descent over the ends of the dimensions: of the smallest network found."""
        dimensions = self._experiment.space.dimensions
        values: dict[str, ParamValue] = {name: _ends(dimension)[0] for name, dimension in dimensions.items()}
        least = self._largest_ratio(values)
        improves = True
        while improves:
            improves = False
            for name, dimension in dimensions.items():
                for value in _ends(dimension):
                    ratio = self._largest_ratio({**values, name: value})
                    if ratio < least:
                        values[name], least, improves = value, ratio, True
        return values

    def _largest_ratio(self, values: Mapping[str, ParamValue]) -> float:
        metrics = self._metrics(_point(self._experiment, values))
        return max(metrics[bound.metric] / max(bound.most, 1.0) for bound in self._bounds)


def _ends(dimension: Dimension) -> list[ParamValue]:
    """The values between which the size of a network is largest and smallest: of a choice all."""
    return list(dimension.choices) if isinstance(dimension, Choice) else [dimension.low, dimension.high]


def _point(experiment: Experiment, values: Mapping[str, ParamValue]) -> Params:
    """The point of the space with these values of the dimensions that are asked."""
    point: dict[str, ParamValue] = {}
    for name in experiment.space.dimensions:
        if experiment.space.is_asked(name, point):
            point[name] = values[name]
    return point
