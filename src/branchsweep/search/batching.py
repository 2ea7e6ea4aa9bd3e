"""A driver of any sampler: trials come in rounds, no recipe is asked twice, and a resumed sweep asks the same trials.

Rounds have `search.batch` trials each, the first one fewer where `search.first_batch` says so. Trial n is a function of

- the results of all trials before round r - p, where r is its round and p (`search.pending_rounds`) the number of rounds that
  are asked before the results of an earlier one are known (the round after a small first one knows no results),
- the params (not the results) of all other trials before n,
- the experiment's seed and n,

and of nothing else: not of how many trials were asked at once, in which process, or which round ended first. So a resumed sweep
asks what an uninterrupted one would have asked, wherever in a round it was killed, and it does not matter where trials are
trained, or how fast. Samplers that support it treat the pending trials as a "constant liar" does (Ginsbourger, Le Riche,
Carraro 2010, Kriging is well-suited to parallelize optimization), which keeps the next suggestion away from them.

No state of a sampler is persisted. A sampler whose suggestions follow from points and observations is given them again; a
stateful one repeats all its suggestions, which restores the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import Self

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.objectives import ObjectiveEvaluator, make_evaluator
from branchsweep.search.asked_trials import AskedTrials
from branchsweep.search.network_bounds import NetworkBounds
from branchsweep.search.observations import Observations
from branchsweep.search.protocols import Observation, Sampler
from branchsweep.search.sampling import RandomStream, random_points, seed_sequence
from branchsweep.search.search_points import point_at, to_search_point
from branchsweep.trial import Params, Result, Trial

STARTUP = 16
"""Evenly spread trials before the first suggestion of a sampler with an initial design; at least the first round."""

TRIES, TRIES_WITHIN_BOUNDS = 8, 32
"""Suggestions for one trial, and where constraints bound the network. If none of them is new and meets these, an evenly spread
or random point is asked instead."""


class BatchDriver:
    """A `Driver` that asks a sampler. Made by `open`.

    Args:
        experiment: Determines the space, the objective, the seed, the batch size and the initial trials.
        open_sampler: Makes a new sampler.
        prior: Results of earlier sweeps over the same space, which the sampler observes before the first trial.
    """

    def __init__(self, experiment: Experiment, open_sampler: Callable[[], Sampler], prior: Sequence[Result] = ()) -> None:
        self._experiment, self._open_sampler, self._prior = experiment, open_sampler, prior
        self._initial_trials = list(experiment.search.initial_trials.items())
        self._asked = AskedTrials(experiment)
        self._bounds = NetworkBounds(experiment)
        self._rounds = experiment.rounds

    @classmethod
    def open(cls, experiment: Experiment, open_sampler: Callable[[], Sampler], prior: Sequence[Result] = ()) -> Self:
        """A driver without trials. Its first sampler is made now, which reports a wrong option. Arguments: see the class.

        Raises:
            ConfigError: The sampler rejects an option, or no network of the space meets the constraints on it.
        """
        driver = cls(experiment, open_sampler, prior)
        driver._bounds.check()
        driver._reset_sampler()
        return driver

    def ask(self, count: int) -> list[Trial]:
        """The next trials of the current round; fewer than `count` if the round ends, or no new point is left."""
        trials: list[Trial] = []
        end = self._rounds.begin(1 + self._rounds.of(self._asked.next_number))
        while len(trials) < count and self._asked.next_number < end:
            trial = self._propose(self._asked.next_number)
            if trial is None:
                break
            self._asked.add_trial(trial)
            trials.append(trial)
        return trials

    def tell(self, result: Result) -> None:
        """Record one result. It influences trials from the next round on, or `pending_rounds` rounds later than that."""
        self._asked.add_result(result)
        if result.trial.number < self._observed_before:
            self._reset_sampler()

    def _round_start(self, number: int) -> int:
        """The number of the first trial of the round of trial `number`."""
        return self._rounds.begin(self._rounds.of(number))

    def _reset_sampler(self) -> None:
        """Make a new sampler, which has observed the prior results alone."""
        self._sampler = self._open_sampler()
        self._next = 0  # the number of the trial that is marked pending next
        self._observed_before = 0  # the sampler has observed the trials of lower numbers
        self._pending: list[tuple[int, int]] = []  # in order: the trial that marked the point, the trial whose result it awaits
        self._observations = self._no_observations()
        if self._prior:
            self._learn_prior()

    def _no_observations(self) -> Observations:
        objective = self._experiment.objective
        return Observations(objective, objective.others(self._experiment.score_metrics))

    def _learn_prior(self) -> None:
        observations = self._no_observations()
        unbound = ObjectiveEvaluator.unbound(self._experiment.objective)
        observations.add_round(0, self._prior)
        observed: list[Observation | None] = []
        for result in self._prior:
            point = to_search_point(self._experiment, result.trial.params)
            if point is not None:
                self._sampler.mark_pending(point)
                observed.append(observations.observation(0, result.score, unbound))
        self._sampler.observe(observed)

    def _propose(self, number: int) -> Trial | None:
        """The trial of this number; None if no new point is left."""
        if self._next > number:
            self._reset_sampler()
        while self._next < number:
            self._repeat()
        self._observe_rounds_before(number)
        if number < len(self._initial_trials):
            name, params = self._initial_trials[number]
            trial = Trial(number, dict(params), known=name)
        else:
            chosen = self._choose(number)
            if chosen is None:
                return None
            trial = Trial(number, chosen)
        self._mark_pending(trial)
        return trial

    def _repeat(self) -> None:
        """Bring the sampler past a trial that was asked before."""
        number = self._next
        self._observe_rounds_before(number)
        if self._sampler.is_stateful and number >= len(self._initial_trials):
            self._choose(number)
        self._mark_pending(self._asked.trial(number))

    def _mark_pending(self, trial: Trial) -> None:
        point = to_search_point(self._experiment, trial.params)
        if point is not None:  # an initial trial may be no point of the space
            self._sampler.mark_pending(point)
            self._pending.append((trial.number, trial.number))
        self._next = trial.number + 1

    def _observe_rounds_before(self, number: int) -> None:
        """At the start of a round, let the sampler observe the results of the last round that must be complete by then."""
        stop = self._rounds.told_before(number)
        if stop <= self._observed_before:
            return
        initial_results = self._asked.results(0, min(stop, len(self._initial_trials)))
        evaluator = make_evaluator(self._experiment.objective, initial_results)
        while self._observed_before < stop:
            begin, self._observed_before = self._observed_before, self._rounds.begin(1 + self._rounds.of(self._observed_before))
            self._observations.add_round(begin, self._asked.results(begin, self._observed_before))
        due = sum(marked_by < stop for marked_by, _ in self._pending)
        results = [self._asked.result(awaited) for _, awaited in self._pending[:due]]
        self._sampler.observe(
            [
                self._observations.observation(self._round_start(result.trial.number), result.score, evaluator)
                if result
                else None
                for result in results
            ]
        )
        self._pending = self._pending[due:]

    def _choose(self, number: int) -> Params | None:
        """The first suggested point that is new and meets the constraints on the network, else the first such fill-in point.

        None if there is none.

        For a repeated suggestion a stateful sampler observes the result of the first trial of that recipe.
        """
        experiment, asked, sampler = self._experiment, self._asked, self._sampler
        reseed = experiment.search.repeats == "reseed"
        in_design = sampler.has_initial_design and number < max(STARTUP, self._rounds.before_results)
        tries = 0 if in_design else TRIES_WITHIN_BOUNDS if self._bounds else TRIES
        for attempt in count() if sampler.is_exhaustive else range(tries):
            suggested = sampler.suggest(number, attempt)
            if suggested is None:
                break
            if not self._bounds.allows(suggested):
                continue
            earlier = asked.asked_before(suggested, number)
            if earlier is None or (reseed and not sampler.is_exhaustive):
                return suggested
            if sampler.is_stateful:
                sampler.mark_pending(suggested)
                self._pending.append((number, earlier))
        if sampler.is_exhaustive:
            return None
        others = random_points(experiment.space, seed_sequence(experiment, RandomStream.FILL, number))
        if sampler.has_initial_design:
            others = chain([point_at(experiment.space, _sobol_units(experiment, number))], others)
        if self._bounds:
            others = self._bounds.within(others, np.random.default_rng(seed_sequence(experiment, RandomStream.SHRINK, number)))
        return next((point for point in others if reseed or asked.asked_before(point, number) is None), None)


def _sobol_units(experiment: Experiment, number: int) -> list[float]:
    """Point `number` of a scrambled Sobol sequence (Owen 1998): one coordinate in [0, 1) for each dimension of the space."""
    dimensions = len(experiment.space.dimensions)
    if dimensions == 0:
        return []
    from scipy.stats import qmc  # noqa: PLC0415  # takes half a second, and random search does not need it

    sequence = qmc.Sobol(dimensions, rng=np.random.default_rng(seed_sequence(experiment, RandomStream.SOBOL)))
    # scipy expects a power of two of points; the points do not depend on how many are made.
    return [float(unit) for unit in sequence.random_base2(number.bit_length())[number]]
