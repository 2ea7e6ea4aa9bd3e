"""A summary of a search space: its dimensions, its size, and a few of its networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.config.codec import Inline, to_public_json
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import Hyperparameter
from branchsweep.config.sections.dimensions import Dimension
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.models.architecture import Architecture
from branchsweep.models.drawing import COLUMNS, draw_network
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import random_trials
from branchsweep.trial import Params, ParamValue, Trial


@dataclass(frozen=True, slots=True)
class DimensionSummary:
    """A dimension and the hyperparameter that it varies.

    Args:
        name: The dimension's name.
        dimension: Its values.
        hyperparameter: The hyperparameter, with its meaning and binding.
    """

    name: str
    dimension: Dimension
    hyperparameter: Hyperparameter


@dataclass(frozen=True, slots=True)
class SampledNetwork:
    """The network of a random point of the space, or of an initial trial.

    Args:
        known: The initial trial's name; empty for a random point, and for the fixed params alone.
        params: The params.
        architecture: The architecture that they describe.
        parameters: The number of weights and biases.
        picture: A drawing of the network as lines of text.
    """

    known: str
    params: Params
    architecture: Architecture
    parameters: int
    picture: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DimensionJson:
    """A dimension as JSON.

    Args:
        name: The dimension's name.
        dimension: Its kind and its values, as in YAML.
        size: How many values it has; None if it is continuous.
        acts: The hyperparameter's binding.
        meaning: The hyperparameter's meaning.
    """

    name: str
    dimension: Inline[Mapping[str, Any]]
    size: int | None
    acts: str
    meaning: str


@dataclass(frozen=True, slots=True)
class SearchSpaceJson:
    """The summary of a search space as `branchsweep space --json` prints it. See `SearchSpaceSummary` for its fields.

    Args:
        points: The number of distinct points; None if they are infinitely many.
    """

    space: str
    inputs: Sequence[str]
    heads: Sequence[str]
    dimensions: Sequence[DimensionJson]
    fixed: Mapping[str, ParamValue]
    points: int | None
    discrete_points: int
    samples: Sequence[SampledNetwork]


@dataclass(frozen=True, slots=True)
class SearchSpaceSummary:
    """The summary of a search space.

    Args:
        space: The experiment's name, or the file's.
        inputs: The names of the inputs.
        heads: The names of the heads.
        dimensions: The dimensions in the order of the space.
        fixed: The hyperparameters that are fixed, with their values.
        points: The number of distinct points under the conditions; infinite if a dimension is continuous.
        discrete_points: The same without continuous dimensions.
        unconditional: What `points` (or, if that is infinite, `discrete_points`) would be without the conditions.
        continuous: The number of continuous dimensions.
        samples: The initial trials, then random points, each another network.
    """

    space: str
    inputs: tuple[str, ...]
    heads: tuple[str, ...]
    dimensions: tuple[DimensionSummary, ...]
    fixed: Mapping[str, ParamValue]
    points: float
    discrete_points: int
    unconditional: int
    continuous: int
    samples: tuple[SampledNetwork, ...]

    def to_json(self) -> str:
        """The summary as a JSON object; `points` is null if they are infinitely many."""
        return to_public_json(
            SearchSpaceJson(
                space=self.space,
                inputs=self.inputs,
                heads=self.heads,
                dimensions=[_dimension_json(dimension) for dimension in self.dimensions],
                fixed=self.fixed,
                points=_finite_count(self.points),
                discrete_points=self.discrete_points,
                samples=self.samples,
            )
        )


def summarize_space(name: str, experiment: Experiment, samples: int, columns: int = COLUMNS) -> SearchSpaceSummary:
    """Summarize the search space of an experiment.

    Args:
        name: The name in the summary.
        experiment: Determines the space, heads, inputs and initial trials, and the seed of the samples.
        samples: The number of random points; fewer if the space has fewer networks.
        columns: The most characters in a line of a drawing.
    """
    space, heads = experiment.space, tuple(experiment.heads)
    trials = random_trials(experiment, len(experiment.search.initial_trials) + samples)
    sizes = [dimension.size for dimension in space.dimensions.values()]
    return SearchSpaceSummary(
        space=name,
        inputs=tuple(experiment.table.inputs),
        heads=heads,
        dimensions=tuple(_dimension_summaries(experiment)),
        fixed=space.fixed,
        points=space.points,
        discrete_points=space.discrete_points,
        unconditional=math.prod(int(size) for size in sizes if size != math.inf),
        continuous=sizes.count(math.inf),
        samples=tuple(_sample(trial, experiment, columns) for trial in trials),
    )


def known_networks(experiment: Experiment, known: str = "", columns: int = COLUMNS) -> tuple[SampledNetwork, ...]:
    """The networks of an experiment's initial trials, or of one of them.

    An experiment without initial trials has one network without a name, of the fixed params and the defaults.

    Args:
        experiment: Determines the initial trials, the heads and the inputs.
        known: The name of an initial trial; all if empty.
        columns: The most characters in a line of a drawing.

    Raises:
        ConfigError: The experiment has no such initial trial.
    """
    configurations = experiment.search.initial_trials
    if known and known not in configurations:
        expected = f"expected one of {', '.join(configurations)}" if configurations else f"{experiment.name} has none"
        message = f"got '{known}', {expected} (search.initial_trials){did_you_mean(known, configurations)}"
        raise ConfigError(message, where="--initial-trial")
    chosen = {known: configurations[known]} if known else configurations or {"": {}}
    return tuple(_sample(Trial(n, params, name), experiment, columns) for n, (name, params) in enumerate(chosen.items()))


def _dimension_summaries(experiment: Experiment) -> Iterator[DimensionSummary]:
    for name, dimension in experiment.space.dimensions.items():
        hyperparameter = experiment.hyperparameter(name)
        assert hyperparameter is not None  # the experiment was validated
        yield DimensionSummary(name, dimension, hyperparameter)


def _sample(trial: Trial, experiment: Experiment, columns: int) -> SampledNetwork:
    recipe, inputs = recipe_for(experiment, trial.params), experiment.table.inputs
    picture = tuple(draw_network(recipe.architecture, list(inputs), columns, recipe.encoded_width(inputs.values())))
    return SampledNetwork(trial.known, trial.params, recipe.architecture, recipe.parameters(inputs.values()), picture)


def _dimension_json(summary: DimensionSummary) -> DimensionJson:
    return DimensionJson(
        name=summary.name,
        dimension=summary.dimension.model_dump(exclude_none=True),
        size=_finite_count(summary.dimension.size),
        acts=summary.hyperparameter.binding.value,
        meaning=summary.hyperparameter.meaning,
    )


def _finite_count(count: float) -> int | None:
    """A count as JSON knows it: None if it is infinite."""
    return None if count == math.inf else int(count)
