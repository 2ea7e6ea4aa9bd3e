"""Optuna's samplers as samplers of trials.

Optuna's samplers are of two kinds (see `protocols.Sampler.is_stateful`). What TPE, the Gaussian process and random search
suggest follows from the trials of the study and a seed, so their study is made from the observations when a round begins.
CMA-ES, NSGA-II, NSGA-III, QMC, grid and brute force are stateful: they store attributes in the study (generations, indices of a
sequence), which are restored by repeating the suggestions.

A sampler is made for every suggestion, with a seed from the trial's number, so that no random state passes from one suggestion
to the next.

TPE and brute force are asked dimension by dimension and see the conditions of the space. All others see a flat space in which
every dimension is asked, and what a condition forbids is removed from the suggestion: Optuna would leave a dimension out of
their models as soon as one trial lacks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from branchsweep.config.experiment import Experiment
from branchsweep.search.optuna.algorithms import ALGORITHMS, SamplerSettings, make_sampler, quiet
from branchsweep.search.optuna.distributions import decoded, encoded, is_numeric, suggest, to_index_distribution
from branchsweep.search.optuna.memory import remembered
from branchsweep.search.protocols import Observation
from branchsweep.search.sampling import RandomStream, seed_sequence
from branchsweep.search.search_points import discretized, value_at
from branchsweep.trial import Params, ParamValue, Status

FEWEST_OBSERVATIONS = 10
"""Observations that a sampler needs before it suggests a point: Optuna's own default (`n_startup_trials`)."""

MOST_GRID_POINTS = 400_000
"""The most points of a grid that Optuna holds in memory."""


class OptunaSampler:
    """A `Sampler` that asks one of Optuna's samplers. Made by `open`.

    Args:
        experiment: Determines the algorithm with its options, the space, the objectives and the seed.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._algorithm = ALGORITHMS[experiment.algorithm]
        self._space = discretized(experiment.space, MOST_GRID_POINTS) if self.is_exhaustive else experiment.space
        self._sweep_seed = _seed(experiment, 0, 0)
        self._distributions = {name: to_index_distribution(dimension) for name, dimension in self._space.dimensions.items()}
        self._study: optuna.Study | None = None
        self._added = 0  # how many of the pending points are in the study
        self._suggestion: tuple[optuna.Trial, Params] | None = None
        self._pending: list[tuple[optuna.Trial | None, dict[str, Any] | None]] = []
        self._finished: list[FrozenTrial] = []
        self._suggested: set[tuple[tuple[str, ParamValue], ...]] = set()

    @classmethod
    def open(cls, experiment: Experiment) -> Self:
        """A new sampler.

        Args:
            experiment: See the class.

        Raises:
            ConfigError: Optuna's sampler needs a library that is not installed, or rejects an option.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # a line for every study and every fallback is of no use to a user
        sampler = cls(experiment)
        sampler._make_sampler(sampler._sweep_seed)  # a wrong option is reported now, not in the second round
        return sampler

    @property
    def is_stateful(self) -> bool:
        """Whether Optuna's sampler stores attributes in the study."""
        return self._algorithm.is_stateful

    @property
    def has_initial_design(self) -> bool:
        """Whether Optuna's sampler learns from observations, so that it should start from an evenly spread design."""
        return self._algorithm.has_initial_design

    @property
    def is_exhaustive(self) -> bool:
        """Whether Optuna's sampler enumerates a grid."""
        return self._algorithm.is_exhaustive

    def suggest(self, number: int, attempt: int) -> Params | None:
        """Suggest a point; None if there are too few observations, or all points were suggested."""
        self._drop_suggestion()
        if self.has_initial_design:
            observed = sum(trial.state is not TrialState.FAIL for trial in self._finished)
            if observed < FEWEST_OBSERVATIONS:
                return None
        self._suggestion = self._ask(self._current_study(), _seed(self._experiment, number, attempt))
        if self.is_exhaustive:
            point = tuple(sorted(self._suggestion[0].params.items()))
            if point in self._suggested:
                return None
            self._suggested.add(point)
        return self._suggestion[1]

    def mark_pending(self, params: Params) -> None:
        """Add the point as a running trial of the study."""
        point = self._encoded(params)
        trial: optuna.Trial | None = None
        if self.is_stateful and point is not None:
            if self._suggestion is None or dict(self._suggestion[1]) != dict(params):
                self._drop_suggestion()
                self._suggestion = self._ask_for(point)
            trial, self._suggestion = self._suggestion[0], None
        self._drop_suggestion()
        self._pending.append((trial, point))

    def observe(self, observations: Sequence[Observation | None]) -> None:
        """Learn the results of the points that have been pending longest.

        For a sampler that is not stateful the study is made anew, in which these points were never running.
        """
        self._drop_suggestion()
        observed, self._pending = self._pending[: len(observations)], self._pending[len(observations) :]
        for (trial, point), observation in zip(observed, observations, strict=True):
            if trial is not None:
                self._tell(trial, observation)
            if point is not None:
                self._finished.append(self._frozen(point, observation))
        self._finished = remembered(self._finished, self._algorithm.memory)
        if not self.is_stateful:
            self._study, self._added = None, 0

    def _current_study(self) -> optuna.Study:
        """The study with all finished and pending points; made when needed, for most rounds of a resumed sweep need none."""
        if self._study is None:
            self._study = optuna.create_study(directions=["maximize"] * len(self._experiment.objective.maximize))
            self._study.add_trials([] if self.is_stateful else self._finished)
        if not self.is_stateful:
            for _, point in self._pending[self._added :]:
                if point is not None:
                    running = create_trial(state=TrialState.RUNNING, params=point, distributions=self._distributions_of(point))
                    self._study.add_trial(running)
            self._added = len(self._pending)
        return self._study

    def _make_sampler(self, seed: int) -> BaseSampler:
        options, batch = self._experiment.search.options, self._experiment.batch
        settings = SamplerSettings(options, seed, self._sweep_seed, batch, self._space, self._best_point)
        return make_sampler(self._experiment, settings)

    def _best_point(self) -> dict[str, Any] | None:
        complete = [trial for trial in self._finished if trial.state is TrialState.COMPLETE]
        if self._experiment.objective.is_multi_objective or not complete:
            return None
        best = max(complete, key=lambda trial: trial.value)  # type: ignore[arg-type,return-value]  # complete: it has one
        return {
            name: best.params[name]
            for name, distribution in self._distributions.items()
            if is_numeric(distribution) and name in best.params
        }

    def _ask(self, study: optuna.Study, seed: int) -> tuple[optuna.Trial, Params]:
        """A new trial of the study from a sampler with this seed, and its point."""
        study.sampler = self._make_sampler(seed)
        with quiet():
            trial = study.ask()
            point: dict[str, ParamValue] = {}
            for name, dimension in self._space.dimensions.items():
                if self._algorithm.is_flat or self._space.is_asked(name, point):
                    point[name] = decoded(dimension, suggest(trial, name, self._distributions[name]))
        return trial, {name: value for name, value in point.items() if self._space.is_asked(name, point)}

    def _ask_for(self, point: Mapping[str, Any]) -> tuple[optuna.Trial, Params]:
        """A new trial of the study with this point, with the attributes that the sampler would have stored for a suggestion.

        Optuna does not call the sampler for an enqueued trial, which would then belong to no generation.
        """
        study = self._current_study()
        study.enqueue_trial(dict(point))
        trial, params = self._ask(study, self._sweep_seed)
        frozen = study.get_trials(deepcopy=False)[trial.number]
        with quiet():
            study.sampler.sample_relative(study, frozen, study.sampler.infer_relative_search_space(study, frozen))
        return trial, params

    def _drop_suggestion(self) -> None:
        """Fail the trial of a suggestion that was not accepted; samplers ignore failed trials."""
        if self._suggestion is not None:
            self._tell(self._suggestion[0], None)
            self._suggestion = None

    def _tell(self, trial: optuna.Trial, observation: Observation | None) -> None:
        with quiet():
            if observation is None:
                trial.study.tell(trial, state=TrialState.FAIL)
                return
            for index, violation in enumerate(observation.violations):
                trial.set_constraint(str(index), violation)
            trial.study.tell(trial, list(observation.expected))

    def _frozen(self, point: Mapping[str, Any], observation: Observation | None) -> FrozenTrial:
        """The ended trial of a point."""
        fields: dict[str, Any] = {"params": dict(point), "distributions": self._distributions_of(point)}
        if observation is None:
            return create_trial(**fields, state=TrialState.FAIL)
        fields["constraints"] = {str(index): violation for index, violation in enumerate(observation.violations)}
        if self._algorithm.uses_pruned_trials and not self._experiment.objective.is_multi_objective:
            if observation.status is Status.FAILED:  # pruned without a value: the worst, so that its neighbourhood is avoided
                return create_trial(**fields, state=TrialState.PRUNED)
            if observation.status is Status.PRUNED:
                reached = {observation.epoch: observation.values[0]}
                return create_trial(**fields, state=TrialState.PRUNED, intermediate_values=reached)
        return create_trial(**fields, state=TrialState.COMPLETE, values=list(observation.expected))

    def _distributions_of(self, point: Mapping[str, Any]) -> dict[str, BaseDistribution]:
        return {name: self._distributions[name] for name in point}

    def _encoded(self, params: Params) -> dict[str, Any] | None:
        """A point as Optuna sees it, with the middle of dimensions that are not asked; None if a grid lacks a value."""
        point: dict[str, Any] = {}
        for name, dimension in self._space.dimensions.items():
            if name in params and not dimension.contains(params[name]):
                return None
            if name in params or self._algorithm.is_flat:
                point[name] = encoded(dimension, params[name] if name in params else value_at(dimension, 0.5))
        return point


def _seed(experiment: Experiment, number: int, attempt: int) -> int:
    return int(seed_sequence(experiment, RandomStream.SAMPLER, number, attempt).generate_state(1)[0])
