"""Optuna's samplers behind `ask` and `tell`. The only module that imports Optuna.

Trials come in **rounds** of `search.batch`: round r holds the numbers from r * batch to (r + 1) * batch - 1. What is asked as
trial n is a function of

- the answers to all trials before n's round,
- the questions (not the answers) of the trials of n's round before n,
- the experiment's seed and n,

and of nothing else: not of how many trials were asked at once, nor of the process that asked. That is why a resumed sweep asks
what an uninterrupted one would have asked, wherever in a round it was killed. Within a round the questions still open are
"constant liars" (Ginsbourger, Le Riche, Carraro 2010, Kriging is well-suited to parallelize optimization): Optuna counts them
among the bad trials, so that the next one is asked elsewhere.

Nothing of Optuna's outlives a round. Its study is built from the history when a round begins, a sampler is made for every
trial, and what a sampler of this kind remembers between trials, its random state, comes from the trial's number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy.stats import qmc

from branchsweep.drivers.history import History
from branchsweep.drivers.points import Stream, at, draws, entropy, index_of, is_row, located, point_at, value_at
from branchsweep.experiment import Experiment
from branchsweep.space import Choice, Dimension, Float, SearchSpace
from branchsweep.trial import Params, ParamValue, Result, Score, Status, Trial

STARTUP = 16
"""Trials that are spread evenly before the first is suggested; the first round in any case."""

ENOUGH = 10
"""Values that TPE must have seen before it suggests anything: Optuna's own default (`n_startup_trials`)."""

TRIES = 8
"""Suggestions of TPE for one trial; when all were asked before, a random point is."""

_VALUED = (TrialState.COMPLETE, TrialState.PRUNED)


class OptunaDriver:
    """Asks an evenly spread first round (scrambled Sobol points), then what the tree-structured Parzen estimator suggests.

    Dimensions under the same condition are suggested jointly (multivariate TPE: Falkner, Klein, Hutter 2018, BOHB), learning
    from the trials in which they were asked.

    Args:
        experiment: Gives the space, the seed, the size of a round and the known configurations.
    """

    def __init__(self, experiment: Experiment) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line for every study made says nothing to a user
        self._experiment = experiment
        self._history = History(experiment)
        self._distributions = {name: _distribution(each) for name, each in experiment.space.dimensions.items()}
        self._groups = _groups(experiment.space)
        self._study, self._study_of, self._study_size = _empty_study(), (0, 0), 0

    def ask(self, count: int) -> list[Trial]:
        """The next trials of the present round; fewer than `count` where the round ends or the space is exhausted."""
        return self._history.ask(count, self._candidates, before=self._round(self._history.next_number) + self._batch)

    def tell(self, result: Result) -> None:
        """Learn one result; it is made use of from the round after its own."""
        self._history.tell(result)

    @property
    def _batch(self) -> int:
        return self._experiment.search.batch

    def _round(self, number: int) -> int:
        """The first number of the round that `number` stands in."""
        return number - number % self._batch

    def _candidates(self, number: int) -> Iterator[Params]:
        experiment = self._experiment
        study = self._study_before(number)
        if number < max(STARTUP, self._batch) or len(study.get_trials(deepcopy=False, states=_VALUED)) < ENOUGH:
            yield point_at(experiment.space, _sobol(experiment, number))
        else:
            seed = int(entropy(experiment, Stream.TPE, number).generate_state(1)[0])
            sampler = TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)
            for _ in range(TRIES):
                yield self._suggest(sampler, study)
        yield from draws(experiment.space, entropy(experiment, Stream.FILL, number))

    def _study_before(self, number: int) -> optuna.Study:
        """The study that is consulted about trial `number`: answered trials of earlier rounds, open ones of this, in order.

        It grows within a round and is built anew for the next, for Optuna cannot take back a question that was left open.
        """
        start = self._round(number)
        answers = self._history.answers(before=start)
        if (start, len(answers)) != self._study_of:
            self._study, self._study_of, self._study_size = _empty_study(), (start, len(answers)), 0
        for earlier in range(self._study_size, number):
            frozen = self._frozen(self._history.trial(earlier).params, answers.get(earlier))
            if frozen is not None:
                self._study.add_trial(frozen)
        self._study_size = number
        return self._study

    def _frozen(self, params: Params, answer: Result | None) -> FrozenTrial | None:
        """A trial as Optuna has it; None for a known configuration that is no point of the space."""
        point = located(self._experiment, params)
        if point is None:
            return None
        dimensions = self._experiment.space.dimensions
        return create_trial(
            params={name: _encoded(dimensions[name], value) for name, value in point.items()},
            distributions={name: self._distributions[name] for name in point},
            **_outcome(answer.score if answer else None),
        )

    def _suggest(self, sampler: TPESampler, study: optuna.Study) -> Params:
        """One suggestion: group by group, each jointly, if its condition holds given those before."""
        space, chosen = self._experiment.space, dict[str, ParamValue]()
        for group in self._groups:
            if not space.is_asked(group[0], chosen):
                continue
            varied = {name: self._distributions[name] for name in group if not self._distributions[name].single()}
            sampled = sampler.sample_relative(study, study.get_trials(deepcopy=False)[0], varied)
            for name in group:
                dimension = space.dimensions[name]
                chosen[name] = _decoded(dimension, sampled[name]) if name in varied else value_at(dimension, 0.0)
        return {name: chosen[name] for name in space.dimensions if name in chosen}


def _empty_study() -> optuna.Study:
    """A study in memory whose first trial, without params, stands for the one that is being asked.

    A sampler wants a running trial of the study to write its notes on, and leaves that trial out of what it learns from.
    """
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(state=TrialState.RUNNING))
    return study


def _groups(space: SearchSpace) -> list[list[str]]:
    """The dimensions that stand under the same condition, in the order in which they first appear."""
    groups: dict[str, list[str]] = {}
    for name, dimension in space.dimensions.items():
        groups.setdefault(repr(sorted((dimension.when or {}).items())), []).append(name)
    return list(groups.values())


def _distribution(dimension: Dimension) -> BaseDistribution:
    """The dimension as Optuna has it. A row of values is told by index, so that ordered choices have neighbours."""
    if is_row(dimension):
        indices = int(dimension.size)
        if isinstance(dimension, Choice) and not dimension.ordered:
            return CategoricalDistribution(range(indices))
        return IntDistribution(0, indices - 1)
    assert not isinstance(dimension, Choice)
    if isinstance(dimension, Float):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    return IntDistribution(dimension.low, dimension.high, log=dimension.log)


def _encoded(dimension: Dimension, value: ParamValue) -> ParamValue:
    return index_of(dimension, value) if is_row(dimension) else value


def _decoded(dimension: Dimension, value: ParamValue) -> ParamValue:
    if is_row(dimension):
        return at(dimension, int(value))
    assert not isinstance(dimension, Choice)
    assert not isinstance(value, str)
    # Optuna's samples may overstep a bound by a rounding error.
    return min(max(value, dimension.low), dimension.high)


def _outcome(score: Score | None) -> dict[str, Any]:
    """How a trial ended, in the words of `create_trial`; still open without a score."""
    if score is None:
        return {"state": TrialState.RUNNING}
    if score.status is Status.COMPLETE and math.isfinite(score.value):
        return {"state": TrialState.COMPLETE, "value": score.value}
    if score.status is Status.PRUNED:
        last = {round(score.epochs): score.value} if math.isfinite(score.value) else {}
        return {"state": TrialState.PRUNED, "intermediate_values": last}
    return {"state": TrialState.FAIL}


def _sobol(experiment: Experiment, number: int) -> list[float]:
    """Point `number` of a scrambled Sobol sequence (Owen 1998) with one coordinate in [0, 1) for each dimension."""
    dimensions = len(experiment.space.dimensions)
    if dimensions == 0:
        return []
    sequence = qmc.Sobol(dimensions, rng=np.random.default_rng(entropy(experiment, Stream.SOBOL)))
    # Whole powers of two, as scipy wants them; the points do not depend on how many are made.
    return [float(unit) for unit in sequence.random_base2(number.bit_length())[number]]
