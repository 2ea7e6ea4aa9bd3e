"""What was asked and what was answered: the part that all drivers have in common.

Drivers differ in what they would like to ask. Numbering, asking the known configurations first, and never asking the same
thing twice are the same for all of them, and stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from branchsweep.experiment import Experiment
from branchsweep.trial import Params, Result, Trial

Candidates = Callable[[int], Iterable[Params]]
"""What a driver would like to ask as the trial of a number: its first wish, then what to try if that was asked before.

Where the candidates end, there is nothing new to ask.
"""


class History:
    """The questions and answers of one sweep by number.

    The next number is the lowest that was neither asked nor told. So a sweep that was killed while some trials of a round were
    recorded and others not goes on with exactly those that are missing.

    Two params that spell out the same recipe are the same question (a branch of depth 0 has no width), and no question is asked
    twice. The known configurations are asked as they were written, whatever they have in common.

    Args:
        experiment: Gives the known configurations, and the recipe of params.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._known = list(experiment.search.known.items())
        self._trials: dict[int, Trial] = {}
        self._results: dict[int, Result] = {}
        self._recipes: set[str] = set()
        self._next = 0

    def ask(self, count: int, candidates: Candidates, before: int | None = None) -> list[Trial]:
        """The next trials: what is left of the known configurations, then the first new candidate for each number.

        Args:
            count: How many trials, at most.
            candidates: Called with each number in turn, when all lower numbers were asked or told.
            before: Only trials of a lower number than this.

        Returns:
            The trials in order of their numbers; fewer than `count` where `before` is reached or the candidates have run dry.
        """
        trials: list[Trial] = []
        while len(trials) < count and (before is None or self.next_number < before):
            trial = self._question(self.next_number, candidates)
            if trial is None:
                break
            self._note(trial)
            trials.append(trial)
        return trials

    def tell(self, result: Result) -> None:
        """Note an answer, to a question that was asked here or that another process asked earlier."""
        self._note(result.trial)
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

    def answers(self, before: int) -> dict[int, Result]:
        """The answers to questions of lower numbers than `before`, in order of the numbers."""
        return {number: self._results[number] for number in sorted(self._results) if number < before}

    def _question(self, number: int, candidates: Candidates) -> Trial | None:
        if number < len(self._known):
            name, params = self._known[number]
            return Trial(number, dict(params), known=name)
        new = (params for params in candidates(number) if self._recipe(params) not in self._recipes)
        return next((Trial(number, params) for params in new), None)

    def _note(self, trial: Trial) -> None:
        self._trials[trial.number] = trial
        self._recipes.add(self._recipe(trial.params))

    def _recipe(self, params: Params) -> str:
        # Recipes hold dicts, so they have no hash; their texts are equal exactly where they are, and a set finds them at once.
        return repr(self._experiment.recipe(params))
