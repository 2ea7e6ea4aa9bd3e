"""Drivers: the engines that suggest trials. Each is imported only when an experiment names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from branchsweep.drivers.engine import Engine
from branchsweep.drivers.rounds import RoundDriver
from branchsweep.experiment import Experiment
from branchsweep.roles import Driver
from branchsweep.trial import Result, Trial


def open_driver(experiment: Experiment, prior: Sequence[Result] = ()) -> Driver:
    """The driver that `experiment.search` names, with nothing asked and nothing told yet.

    Args:
        experiment: The space and the means.
        prior: Results of earlier sweeps over the same space, to learn from.
    """

    def engine() -> Engine:
        # An engine is imported here and not above, because some cost seconds and an experiment needs one of them.
        match experiment.search.driver:
            case "random":
                from branchsweep.drivers.random import RandomEngine  # noqa: PLC0415  # only the engine that is asked for

                return RandomEngine(experiment)
            case "optuna":
                from branchsweep.drivers.optuna import OptunaEngine  # noqa: PLC0415  # only the engine that is asked for

                return OptunaEngine(experiment)
            case "keras_tuner":
                from branchsweep.drivers.keras_tuner import KerasTunerEngine  # noqa: PLC0415  # only the one asked for

                return KerasTunerEngine(experiment, experiment.search.options)

    return RoundDriver(experiment, engine, prior)


def drawn(experiment: Experiment, count: int) -> list[Trial]:
    """So many trials of random search, in one round: the known configurations, then points of the space."""
    search: dict[str, Any] = {"driver": "random", "algorithm": None, "options": {}, "batch": max(1, count)}
    random = experiment.model_copy(update={"search": experiment.search.model_copy(update=search)})
    return open_driver(random).ask(count)
