"""Drivers: the engines that suggest trials. Each is imported only when an experiment names it."""

from __future__ import annotations

from branchsweep.experiment import Experiment
from branchsweep.roles import Driver


def open_driver(experiment: Experiment) -> Driver:
    """The driver that `experiment.search.driver` names, with nothing asked and nothing told yet.

    An engine is imported here and not above, because some cost seconds and an experiment needs one of them.
    """
    match experiment.search.driver:
        case "random":
            from branchsweep.drivers.random import RandomDriver  # noqa: PLC0415  # only the engine that is asked for

            return RandomDriver(experiment)
        case "optuna":
            from branchsweep.drivers.optuna import OptunaDriver  # noqa: PLC0415  # only the engine that is asked for

            return OptunaDriver(experiment)
