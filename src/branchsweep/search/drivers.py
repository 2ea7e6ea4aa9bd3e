"""Drivers: the samplers that suggest trials. Each is imported only when an experiment names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from branchsweep.config.experiment import Experiment
from branchsweep.search.batching import BatchDriver
from branchsweep.search.protocols import Driver, Sampler
from branchsweep.trial import Result, Trial


def open_driver(experiment: Experiment, prior: Sequence[Result] = ()) -> Driver:
    """The driver that `experiment.search` names, with nothing asked and nothing told yet.

    Args:
        experiment: The space and the means.
        prior: Results of earlier sweeps over the same space, to learn from.
    """

    def sampler() -> Sampler:
        # An sampler is imported here and not above, because some cost seconds and an experiment needs one of them.
        match experiment.search.driver:
            case "random":
                from branchsweep.search.random import RandomSampler  # noqa: PLC0415  # only the sampler that is asked for

                return RandomSampler(experiment)
            case "optuna":
                from branchsweep.search.optuna import OptunaSampler  # noqa: PLC0415  # only the sampler that is asked for

                return OptunaSampler(experiment)
            case "keras_tuner":
                from branchsweep.search.keras_tuner import KerasTunerSampler  # noqa: PLC0415  # only the one asked for

                return KerasTunerSampler(experiment, experiment.search.options)

    return BatchDriver(experiment, sampler, prior)


def random_trials(experiment: Experiment, count: int) -> list[Trial]:
    """So many trials of random search, in one round: the known configurations, then points of the space."""
    search: dict[str, Any] = {"driver": "random", "algorithm": None, "options": {}, "batch": max(1, count)}
    random = experiment.model_copy(update={"search": experiment.search.model_copy(update=search)})
    return open_driver(random).ask(count)
