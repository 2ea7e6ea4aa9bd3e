"""What was asked and what was answered: questions and answers of one sweep by number, and who asked what first."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

from branchsweep.config.experiment import Experiment
from branchsweep.models.recipe import epochs_of, recipe_for
from branchsweep.trial import Params, Result, Trial


class AskedTrials:
    """The questions and answers of one sweep by number.

    The next number is the lowest that was neither asked nor told. So a sweep that was killed while some trials of a round were
    recorded and others not goes on with exactly those that are missing.

    Two params that spell out the same recipe are the same question (a branch of depth 0 has no width).

    Args:
        experiment: Gives the recipe of params.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._trials: dict[int, Trial] = {}
        self._results: dict[int, Result] = {}
        self._first: dict[bytes, int] = {}
        self._next = 0

    def note(self, trial: Trial) -> None:
        """A question is asked, here or in another process earlier."""
        self._trials[trial.number] = trial
        recipe = self._recipe(trial.params)
        self._first[recipe] = min(trial.number, self._first.get(recipe, trial.number))

    def tell(self, result: Result) -> None:
        """A question was answered."""
        self.note(result.trial)
        self._results[result.trial.number] = result

    @property
    def next_number(self) -> int:
        """The lowest number that was neither asked nor told."""
        while self._next in self._trials:
            self._next += 1
        return self._next

    def trial(self, number: int) -> Trial:
        """The question of this number; it must have been asked or told."""
        return self._trials[number]

    def asked_before(self, params: Params, number: int) -> int | None:
        """The first trial of a lower number than this that had the recipe of `params`."""
        first = self._first.get(self._recipe(params), number)
        return first if first < number else None

    def answer(self, number: int) -> Result | None:
        """The answer to the question of this number, if it has one."""
        return self._results.get(number)

    def answers(self, start: int, before: int) -> list[Result]:
        """The answers to questions of numbers from `start` to below `before`, in order of the numbers."""
        return [self._results[number] for number in range(start, before) if number in self._results]

    def _recipe(self, params: Params) -> bytes:
        # Recipes hold dicts, so they have no hash; their texts are equal exactly where they are, and a dict finds them at once.
        # Of a text, a kilobyte long, a digest is kept: a sweep may have a hundred thousand of them.
        recipe = recipe_for(self._experiment, params)
        return blake2b(repr(replace(recipe, epochs=epochs_of(recipe, self._experiment))).encode(), digest_size=16).digest()
