"""What an experiment says once its rows are known: what its columns are, how many epochs its steps are, its default trial."""

from __future__ import annotations

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.search import DEFAULT_TRIAL, MAX_INITIAL_TRIALS
from branchsweep.data.dataset import Dataset, Split
from branchsweep.search.nearest_point import nearest_point
from branchsweep.search.search_points import to_search_point
from branchsweep.workflows.starting_point import budget_for, default_recipe


def resolved_by_split(experiment: Experiment, dataset: Dataset, split: Split) -> Experiment:
    """The same experiment with what its table and its rows say, as it is run and recorded.

    Raises:
        ConfigError: As of `Experiment.with_classes` and `Experiment.with_epochs`.
    """
    return resolved_by_rows(experiment, dataset, len(split.train), split.fewest_trained_on)


def resolved_by_rows(experiment: Experiment, dataset: Dataset, training: int, in_fold: int) -> Experiment:
    """As `resolved_by_split`, with numbers of rows.

    Args:
        experiment: As written.
        dataset: Its table.
        training: The number of training rows.
        in_fold: The number of those that the networks of the search train on, at least.
    """
    resolved = experiment.resolved_by(dataset.input_columns, dataset.classes).with_epochs(in_fold)
    return with_default_trial(resolved, training)


def with_default_trial(experiment: Experiment, training: int) -> Experiment:
    """The same experiment with its default trial as the last of its initial trials, where it asks for one.

    None is added where an initial trial is the same point of the space, or nothing is varied.

    Args:
        experiment: Says whether there is a default trial, and over which space.
        training: The number of training rows, on which the default recipe depends.
    """
    search, heads = experiment.search, list(experiment.heads)
    if not search.default_trial:
        return experiment
    budget = budget_for(training, test_fraction=0.0)
    point = nearest_point(experiment.space, {**default_recipe(heads, budget), "epochs": budget.epochs}, heads)
    given = dict(search.initial_trials)
    is_given = any(to_search_point(experiment, params) == point for params in given.values())
    if point and not is_given and len(given) < MAX_INITIAL_TRIALS:
        given[DEFAULT_TRIAL] = point
    resolved = search.model_copy(update={"default_trial": False, "initial_trials": given})
    return experiment.model_copy(update={"search": resolved})
