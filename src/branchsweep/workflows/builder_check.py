"""Checks a user's function that builds networks, before anything is trained or recorded."""

from __future__ import annotations

from collections.abc import Callable

from branchsweep.config.experiment import Experiment
from branchsweep.errors import BackendError, UserError, first_line
from branchsweep.models.built_network import WHERE, build, quiet_keras
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import open_driver

TRIED = 3
"""So many trials are built: a function may fail for the values of some trials, which fail then."""


def check_builder(experiment: Experiment, on_message: Callable[[str], None]) -> None:
    """Build the networks of the first trials, if the experiment's space has a builder, and say how these train.

    Args:
        experiment: Its inputs and the classes of its heads are known.
        on_message: Called with a sentence for the user.

    Raises:
        BuildError: The function cannot be imported, or returns something else than is expected.
        BackendError: It fails for each of these trials.
    """
    if experiment.space.builder is None:
        return
    failures: list[str] = []
    trials = open_driver(experiment).ask(min(TRIED, experiment.batch, experiment.search.trials))
    with quiet_keras():
        for trial in trials:
            recipe = recipe_for(experiment, trial.params)
            inputs, network = recipe.encoded_width(experiment.table.inputs.values()), recipe.architecture
            assert network.built is not None, "the space has a builder"
            try:
                build(network.built, inputs, network.units)
            except UserError:
                raise
            except Exception as error:  # noqa: BLE001  # a user's function may raise anything
                failures.append(f"{type(error).__name__}: {first_line(error)} for {dict(trial.params)}")
    if failures and len(failures) == len(trials):
        raise BackendError(f"{experiment.space.builder} fails ({failures[0]})", WHERE)
    on_message(
        f"{experiment.space.builder} builds the networks: they train one at a time by Keras's fit, each after some seconds of "
        "preparation. A sweep of as many built-in networks, which train all at once, takes a fraction of the time"
    )
