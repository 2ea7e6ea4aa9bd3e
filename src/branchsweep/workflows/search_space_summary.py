"""Says what a search space holds: its dimensions, its size, and what a few of its networks look like."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from branchsweep.config.dimensions import Dimension
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import Hyperparameter, find_hyperparameter
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.models.architecture import Architecture
from branchsweep.models.drawing import COLUMNS, draw_network
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import random_trials
from branchsweep.trial import Params, ParamValue, Trial


@dataclass(frozen=True, slots=True)
class DimensionSummary:
    """A dimension and the tunable that it varies.

    Args:
        name: As the space has it.
        dimension: Its values.
        tunable: The meaning, and where it acts.
    """

    name: str
    dimension: Dimension
    tunable: Hyperparameter

    def as_data(self) -> dict[str, Any]:
        """Plain data: what the space says of it, and what is known of the tunable."""
        said = {"size": _whole(self.dimension.size), "acts": self.tunable.binding.value, "meaning": self.tunable.meaning}
        return {"name": self.name, **self.dimension.model_dump(exclude_none=True), **said}


@dataclass(frozen=True, slots=True)
class SampledNetwork:
    """One point of the space, or a known configuration, as a network.

    Args:
        known: The configuration's name, empty for a point drawn at random and for what is fixed.
        params: What it says.
        architecture: What that comes to.
        parameters: Weights and biases.
        picture: The network as text, line by line.
    """

    known: str
    params: Params
    architecture: Architecture
    parameters: int
    picture: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchSpaceSummary:
    """What there is to see of a space.

    Args:
        space: The experiment's name, or the file's.
        inputs, heads: Of the networks.
        dimensions: In the order of asking.
        fixed: Tunables held at a value.
        points: Distinct points under the conditions; infinite where a dimension is continuous.
        discrete_points: The same with continuous dimensions held still.
        unconditional: What `points` (or, where that is infinite, `discrete_points`) would be without the conditions.
        continuous: How many dimensions are continuous.
        samples: The known configurations, then points drawn at random, each another network.
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
        """One JSON object; `points` is null where they are infinitely many."""
        said = {name: getattr(self, name) for name in ("space", "inputs", "heads")}
        said |= {"dimensions": [varied.as_data() for varied in self.dimensions], "fixed": dict(self.fixed)}
        said |= {"points": _whole(self.points), "discrete_points": self.discrete_points}
        return json.dumps({**said, "samples": [asdict(sample) for sample in self.samples]})


def summarize_space(name: str, experiment: Experiment, samples: int, columns: int = COLUMNS) -> SearchSpaceSummary:
    """Looks at the space of an experiment.

    Args:
        name: What to call it.
        experiment: Gives the space, the heads and the inputs, the known configurations, and the seed of the samples.
        samples: How many points to draw at random; there are fewer where the space has fewer networks.
        columns: Letters of a picture's line, at most.
    """
    space, heads = experiment.space, tuple(experiment.heads)
    trials = random_trials(experiment, len(experiment.search.initial_trials) + samples)
    sizes = [dimension.size for dimension in space.dimensions.values()]
    return SearchSpaceSummary(
        space=name,
        inputs=tuple(experiment.table.inputs),
        heads=heads,
        dimensions=tuple(_varied(experiment)),
        fixed=space.fixed,
        points=space.points,
        discrete_points=space.discrete_points,
        unconditional=math.prod(int(size) for size in sizes if size != math.inf),
        continuous=sizes.count(math.inf),
        samples=tuple(_sample(trial, experiment, columns) for trial in trials),
    )


def known_networks(experiment: Experiment, known: str = "", columns: int = COLUMNS) -> tuple[SampledNetwork, ...]:
    """The networks that an experiment names: its known configurations, or one of them.

    Where it has none, there is one network without a name: of the values that the space fixes, and defaults.

    Args:
        experiment: Gives the configurations, the heads and the inputs.
        known: The one configuration to look at; all if empty.
        columns: Letters of a picture's line, at most.

    Raises:
        ConfigError: The experiment has no such configuration.
    """
    configurations = experiment.search.initial_trials
    if known and known not in configurations:
        expected = f"expected one of {', '.join(configurations)}" if configurations else f"{experiment.name} has none"
        message = f"got '{known}', {expected} (search.initial_trials){did_you_mean(known, configurations)}"
        raise ConfigError(message, where="--initial-trial")
    chosen = {known: configurations[known]} if known else configurations or {"": {}}
    return tuple(_sample(Trial(n, params, name), experiment, columns) for n, (name, params) in enumerate(chosen.items()))


def _varied(experiment: Experiment) -> Iterator[DimensionSummary]:
    for name, dimension in experiment.space.dimensions.items():
        tunable = find_hyperparameter(name, experiment.heads)
        assert tunable is not None  # the experiment was checked when it was made
        yield DimensionSummary(name, dimension, tunable)


def _sample(trial: Trial, experiment: Experiment, columns: int) -> SampledNetwork:
    recipe, inputs = recipe_for(experiment, trial.params), experiment.table.inputs
    picture = tuple(draw_network(recipe.architecture, inputs, columns, recipe.encoded_width(len(inputs))))
    return SampledNetwork(trial.known, trial.params, recipe.architecture, recipe.parameters(len(inputs)), picture)


def _whole(count: float) -> int | None:
    """A count for JSON, which has no infinity."""
    return None if count == math.inf else int(count)
