"""Drivers by their names in YAML. A sampler's library is imported only if the experiment names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from branchsweep.config.experiment import Experiment
from branchsweep.search.batching import BatchDriver
from branchsweep.search.package_sampler import PackageSampler
from branchsweep.search.protocols import Driver, Sampler
from branchsweep.trial import Result, Trial


def open_driver(experiment: Experiment, prior: Sequence[Result] = ()) -> Driver:
    """A new driver of the kind that `experiment.search` names.

    Args:
        experiment: Determines the space, the driver and its options.
        prior: Results of earlier sweeps over the same space, which the sampler observes before the first trial.
    """

    def open_sampler() -> Sampler:
        # Imported here and not above: some samplers take seconds to import, and an experiment needs only its own.
        match experiment.search.driver:
            case "random":
                from branchsweep.search.random import RandomSampler  # noqa: PLC0415  # only the sampler that is used

                return RandomSampler(experiment)
            case "optuna":
                from branchsweep.search.optuna.sampler import OptunaSampler  # noqa: PLC0415  # likewise

                return OptunaSampler.open(experiment)
            case "keras_tuner":
                from branchsweep.search.keras_tuner.sampler import KerasTunerSampler  # noqa: PLC0415  # likewise

                return KerasTunerSampler.open(experiment, experiment.search.options)
            case _:
                return PackageSampler.open(experiment)

    return BatchDriver.open(experiment, open_sampler, prior)


def random_trials(experiment: Experiment, count: int) -> list[Trial]:
    """The first `count` trials of random search: the initial trials, then random points."""
    search: dict[str, Any] = {"driver": "random", "algorithm": None, "options": {}, "batch": max(1, count)}
    random_search = experiment.model_copy(update={"search": experiment.search.model_copy(update=search)})
    return open_driver(random_search).ask(count)
