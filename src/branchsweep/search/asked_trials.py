"""The trials of one sweep by number, with their results, and which trial had which recipe first."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

from branchsweep.config.experiment import Experiment
from branchsweep.models.recipe import epochs_of, recipe_for
from branchsweep.trial import Params, Result, Trial


class AskedTrials:
    """The trials of one sweep by number, with their results.

    The next number is the lowest that has no trial. So a sweep that was killed when some trials of a round were recorded and
    others were not continues with exactly the missing ones.

    Params that describe the same recipe count as repeated: a branch of depth 0 has no width, so its width makes no difference.

    Args:
        experiment: Determines the recipe of params.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._trials: dict[int, Trial] = {}
        self._results: dict[int, Result] = {}
        self._first_by_recipe: dict[bytes, int] = {}
        self._next = 0

    def add_trial(self, trial: Trial) -> None:
        """Add a trial that is asked now, or was asked by another process earlier."""
        self._trials[trial.number] = trial
        recipe = self._recipe_digest(trial.params)
        self._first_by_recipe[recipe] = min(trial.number, self._first_by_recipe.get(recipe, trial.number))

    def add_result(self, result: Result) -> None:
        """Add the result of a trial, and the trial."""
        self.add_trial(result.trial)
        self._results[result.trial.number] = result

    @property
    def next_number(self) -> int:
        """The lowest number that has no trial yet."""
        while self._next in self._trials:
            self._next += 1
        return self._next

    def trial(self, number: int) -> Trial:
        """The trial of this number, which must have been added."""
        return self._trials[number]

    def asked_before(self, params: Params, number: int) -> int | None:
        """The number of the first trial with the recipe of `params`, if it is lower than `number`; else None."""
        first = self._first_by_recipe.get(self._recipe_digest(params), number)
        return first if first < number else None

    def result(self, number: int) -> Result | None:
        """The result of the trial of this number, if there is one."""
        return self._results.get(number)

    def results(self, start: int, stop: int) -> list[Result]:
        """The results of the trials from number `start` to below `stop`, in order of the numbers."""
        return [self._results[number] for number in range(start, stop) if number in self._results]

    def _recipe_digest(self, params: Params) -> bytes:
        # Recipes hold dicts and have no hash, but their texts are equal exactly where they are. A digest of the text, which is
        # a kilobyte long, is kept: a sweep may have a hundred thousand trials.
        recipe = recipe_for(self._experiment, params)
        return blake2b(repr(replace(recipe, epochs=epochs_of(recipe, self._experiment))).encode(), digest_size=16).digest()
