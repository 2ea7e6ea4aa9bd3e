"""Any sampler as a driver: trials come in rounds, nothing is asked twice, and a resumed sweep asks what it would have asked.

Round r holds the numbers from r * batch to (r + 1) * batch - 1. What is asked as trial n is a function of

- the answers to all trials before round r - a, where a (`search.pending_rounds`) is how many rounds are asked ahead,
- the questions (not the answers) of all other trials before n,
- the experiment's seed and n,

and of nothing else: not of how many trials were asked at once, of the process that asked, or of which round was over first.
That is why a resumed sweep asks what an uninterrupted one would have asked, wherever in a round it was killed, and why it does
not matter who trains, and how fast. The questions still open are "constant liars" for samplers that know such a thing
(Ginsbourger, Le Riche, Carraro 2010, Kriging is well-suited to parallelize optimization): they repel the next.

Nothing of a sampler is persisted. One whose suggestions follow from questions and answers is told them; one with a state of
its own is asked all that it was asked once more, which brings it to the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, count

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.objectives import ObjectiveEvaluator, make_evaluator
from branchsweep.search.asked_trials import AskedTrials
from branchsweep.search.observations import Observations
from branchsweep.search.protocols import Observation, Sampler
from branchsweep.search.sampling import RandomStream, point_at, random_points, seed_sequence, to_search_point
from branchsweep.trial import Params, Result, Trial

STARTUP = 16
"""Trials that are spread evenly before an sampler that wants that is asked; the first round in any case."""

TRIES = 8
"""Suggestions for one trial; when all were asked before, an evenly spread or random point is asked instead."""


class BatchDriver:
    """Plays `roles.Driver` over an sampler.

    Args:
        experiment: Gives the space, the objective, the seed, the size of a round and the known configurations.
        open_sampler: Makes an sampler that was asked nothing and told nothing.
        prior: Results of earlier sweeps over the same space, which the sampler learns from before the first trial.
    """

    def __init__(self, experiment: Experiment, open_sampler: Callable[[], Sampler], prior: Sequence[Result] = ()) -> None:
        self._experiment, self._open_sampler, self._prior = experiment, open_sampler, prior
        self._known = list(experiment.search.initial_trials.items())
        self._history = AskedTrials(experiment)
        self._begin()

    def ask(self, count: int) -> list[Trial]:
        """The next trials of the present round; fewer than `count` where the round ends or nothing new is left to ask."""
        trials: list[Trial] = []
        end = self._round(self._history.next_number) + self._batch
        while len(trials) < count and self._history.next_number < end:
            trial = self._question(self._history.next_number)
            if trial is None:
                break
            self._history.note(trial)
            trials.append(trial)
        return trials

    def tell(self, result: Result) -> None:
        """Learn one result; it is made use of from the round after its own, or as many later as are asked ahead."""
        self._history.tell(result)
        if result.trial.number < self._settled:
            self._begin()

    @property
    def _batch(self) -> int:
        return self._experiment.batch

    def _round(self, number: int) -> int:
        """The first number of the round that `number` stands in."""
        return number - number % self._batch

    def _begin(self) -> None:
        """An sampler that knows nothing but what was before the sweep."""
        self._sampler = self._open_sampler()
        self._at, self._settled = 0, 0  # the number it would be asked next; the first of those whose answers it waits for
        self._open: list[tuple[int, int]] = []  # in the order of keeping: since which trial, and whose answer it waits for
        self._lesson = Observations(self._experiment.objective)
        if self._prior:
            self._learn_prior()

    def _learn_prior(self) -> None:
        lesson, unbound = Observations(self._experiment.objective), ObjectiveEvaluator.unbound(self._experiment.objective)
        lesson.take(0, self._prior)
        told: list[Observation | None] = []
        for result in self._prior:
            point = to_search_point(self._experiment, result.trial.params)
            if point is not None:
                self._sampler.mark_pending(point)
                told.append(lesson.answer(0, result.score, unbound))
        self._sampler.observe(told)

    def _question(self, number: int) -> Trial | None:
        if self._at > number:
            self._begin()
        while self._at < number:
            self._pass()
        self._settle_before(number)
        if number < len(self._known):
            name, known = self._known[number]
            trial = Trial(number, dict(known), known=name)
        else:
            params = self._choose(number)
            if params is None:
                return None
            trial = Trial(number, params)
        self._keep(trial)
        return trial

    def _pass(self) -> None:
        """Winds the sampler past a question that was asked before."""
        number = self._at
        self._settle_before(number)
        if self._sampler.is_stateful and number >= len(self._known):
            self._choose(number)
        self._keep(self._history.trial(number))

    def _keep(self, trial: Trial) -> None:
        point = to_search_point(self._experiment, trial.params)
        if point is not None:  # a known configuration may be no point of the space
            self._sampler.mark_pending(point)
            self._open.append((trial.number, trial.number))
        self._at = trial.number + 1

    def _settle_before(self, number: int) -> None:
        """Where a round begins, the sampler learns what has come of the one before it, or of one so many rounds earlier."""
        before = self._round(number) - self._experiment.pending_rounds * self._batch
        if before <= self._settled:
            return
        judged = make_evaluator(self._experiment.objective, self._history.answers(0, min(before, len(self._known))))
        self._lesson.take(self._settled, self._history.answers(self._settled, before))
        due = sum(since < before for since, _ in self._open)
        results = [self._history.answer(whose) for _, whose in self._open[:due]]
        answers = [
            self._lesson.answer(self._round(result.trial.number), result.score, judged) if result else None
            for result in results
        ]
        self._sampler.observe(answers)
        self._open, self._settled = self._open[due:], before

    def _choose(self, number: int) -> Params | None:
        """The first suggestion that is new, else the first other point that is; None where there is nothing new to ask.

        An sampler with a state of its own learns of a repeat what has come of the first trial of that recipe.
        """
        experiment, history, sampler = self._experiment, self._history, self._sampler
        anew = experiment.search.repeats == "reseed"
        waits = sampler.has_initial_design and number < max(STARTUP, self._batch * (1 + experiment.pending_rounds))
        for attempt in count() if sampler.is_exhaustive else range(0 if waits else TRIES):
            suggested = sampler.suggest(number, attempt)
            if suggested is None:
                break
            earlier = history.asked_before(suggested, number)
            if earlier is None or (anew and not sampler.is_exhaustive):
                return suggested
            if sampler.is_stateful:
                sampler.mark_pending(suggested)
                self._open.append((number, earlier))
        if sampler.is_exhaustive:
            return None
        others = random_points(experiment.space, seed_sequence(experiment, RandomStream.FILL, number))
        if sampler.has_initial_design:
            others = chain([point_at(experiment.space, _sobol(experiment, number))], others)
        return next((point for point in others if anew or history.asked_before(point, number) is None), None)


def _sobol(experiment: Experiment, number: int) -> list[float]:
    """Point `number` of a scrambled Sobol sequence (Owen 1998) with one coordinate in [0, 1) for each dimension."""
    dimensions = len(experiment.space.dimensions)
    if dimensions == 0:
        return []
    from scipy.stats import qmc  # noqa: PLC0415  # costs half a second, and random search has no use for it

    sequence = qmc.Sobol(dimensions, rng=np.random.default_rng(seed_sequence(experiment, RandomStream.SOBOL)))
    # Whole powers of two, as scipy wants them; the points do not depend on how many are made.
    return [float(unit) for unit in sequence.random_base2(number.bit_length())[number]]
