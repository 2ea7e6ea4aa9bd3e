"""What a new search asks first, before its store is open: workers compile or load the programs of it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.search.drivers import open_driver
from branchsweep.training.population import Population
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.resources import Resources
from branchsweep.trial import Result
from branchsweep.workflows.train_lanes import LaneBatch
from branchsweep.workflows.trial_runner import SuccessiveHalving, TrialGroup


def first_populations(
    experiment: Experiment, prior: Sequence[Result], rows: TrainingRows, resources: Resources
) -> list[Population]:
    """The populations of the first round, and of one that is asked beside it, to their first rungs, in the order of training.

    They are those of a search that begins. Of one that is resumed they need not be; nothing depends on it.

    Args:
        experiment: Of the sweep.
        prior: Results of earlier sweeps that its driver learns from.
        rows: The training rows.
        resources: The workers.
    """
    driver, queue, total = open_driver(experiment, prior), PopulationQueue(), experiment.search.trials
    for _ in range(2 if experiment.first_batch < experiment.batch else 1):
        trials = driver.ask(min(experiment.batch, total))  # at most to the end of a round
        total -= len(trials)
        batch = LaneBatch(queue, resources, lambda *_: None, len(rows.x))
        SuccessiveHalving([TrialGroup(trials, range(experiment.folds))], experiment, rows, batch).start()
    return [population for _, population in queue.next] if queue else []
