"""Checks that recorded trials can be trained: that this version knows their hyperparameters."""

from __future__ import annotations

from collections.abc import Iterable

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import value_problem
from branchsweep.errors import UnreadableRecordError, shortened
from branchsweep.trial import Result

LONGEST_PROBLEM = 300
"""The most letters of what a message says about a hyperparameter."""


def check_recorded_params(experiment: Experiment, results: Iterable[Result], where: str) -> None:
    """Raise UnreadableRecordError unless the params of recorded trials are hyperparameters with values that they can have.

    Args:
        experiment: The recorded experiment.
        results: The trials.
        where: What messages call the sweep.
    """
    heads = list(experiment.heads)
    known: set[tuple[str, type, object]] = set()  # most values occur many times, and 1 is not True
    for result in results:
        for name, value in result.trial.params.items():
            if (name, type(value), value) in known:
                continue
            is_own = experiment.space.own_hyperparameter(name, heads) is not None
            problem = "" if is_own else value_problem(name, value, heads)
            if problem:
                raise UnreadableRecordError(
                    f"trial {result.trial.number} of {where} cannot be trained by this version: its param {name} has "
                    f"{shortened(problem, LONGEST_PROBLEM)}. Was it edited, or recorded by a newer version? Restore the tag "
                    "branchsweep.params, install that version, or delete the run of the trial in MLflow"
                )
            known.add((name, type(value), value))
