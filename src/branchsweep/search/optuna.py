"""Optuna's samplers as samplers. With `studies` the only module that imports Optuna.

Samplers are of two kinds (see `rounds`). TPE, the Gaussian process and random search are **told**: what they suggest follows
from the trials of the study and a seed, so their study is built from the history when a round begins. CMA-ES, NSGA-II,
NSGA-III, QMC, grid and brute force are **replayed**: they leave notes in the study (generations, places in a sequence) that
only asking brings back.

For every suggestion a sampler is made whose seed comes from the trial's number, so that no random state goes from one to the
next. Values of rows (choices, whole numbers, steps) are told by index, so that ordered choices have neighbours.

Conditions are TPE's and the brute force's own business: they are asked dimension by dimension. All others see a flat space
in which every dimension is always asked, and what a condition forbids is dropped from the answer; for Optuna would leave a
dimension out of their models as soon as one trial lacks it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from branchsweep.config.dimensions import Choice, Dimension, Float
from branchsweep.config.experiment import Experiment
from branchsweep.config.search_space import SearchSpace
from branchsweep.errors import ConfigError
from branchsweep.search.protocols import Observation
from branchsweep.search.sampling import (
    RandomStream,
    discretized,
    index_of,
    is_discrete,
    seed_sequence,
    value_at,
    value_at_index,
)
from branchsweep.trial import Params, ParamValue, Status

ENOUGH = 10
"""Answers that a sampler must have seen before it suggests anything: Optuna's own default (`n_startup_trials`)."""

MEMORY = 2_000
"""Ended trials that TPE is told of, at most. A question takes longer the more it knows, some 0.02 ms for each: told of all of a
hundred thousand, it would take seconds."""

GRID = 400_000
"""Points of a grid that Optuna is asked to hold in memory, at most."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What a sampler is made from.

    Args:
        options: What the user said.
        seed: For this suggestion alone.
        sweep_seed: For what all suggestions of a sweep have in common.
        batch: Trials of a round.
        space: What it sees.
        best: Finds the best point so far, of those dimensions whose values are numbers; None before there is any.
    """

    options: Mapping[str, Any]
    seed: int
    sweep_seed: int
    batch: int
    space: SearchSpace
    best: Callable[[], dict[str, Any] | None]


class _Grid(GridSampler):
    def after_trial(self, *_: Any) -> None:
        """Optuna would stop a loop that is not running."""


class _BruteForce(BruteForceSampler):
    def after_trial(self, *_: Any) -> None:
        """Optuna would stop a loop that is not running."""


def _tpe(order: _Order) -> BaseSampler:
    """Multivariate, by groups of dimensions that are asked together (Falkner, Klein, Hutter 2018, BOHB)."""
    words = {"multivariate": True, "constant_liar": True, **order.options}
    return TPESampler(**words, group=words["multivariate"], seed=order.seed, n_startup_trials=0)


def _gp(order: _Order) -> BaseSampler:
    """On one thread: over so few trials several wait for each other, five times as long."""
    import torch  # noqa: PLC0415  # hundreds of megabytes, for this sampler alone

    torch.set_num_threads(1)
    return GPSampler(**order.options, seed=order.seed, n_startup_trials=0, warn_independent_sampling=False)


def _cma_es(order: _Order) -> BaseSampler:
    """A generation is a round, and the first begins at the best of the evenly spread points."""
    words = {"popsize": max(5, order.batch), **order.options}
    return CmaEsSampler(**words, x0=order.best(), seed=order.seed, warn_independent_sampling=False)


def _genetic(kind: Callable[..., BaseSampler]) -> Callable[[_Order], BaseSampler]:
    """Half a round are parents: a generation is over when so many are complete, and every round should complete one."""
    return lambda order: kind(**{"population_size": max(2, order.batch // 2), **order.options}, seed=order.seed)


def _qmc(order: _Order) -> BaseSampler:
    return QMCSampler(**{"scramble": True, **order.options}, seed=order.sweep_seed, warn_independent_sampling=False)


def _random(order: _Order) -> BaseSampler:
    return RandomSampler(**order.options, seed=order.seed)


def _grid(order: _Order) -> BaseSampler:
    indices = {name: list(range(int(each.size))) for name, each in order.space.dimensions.items()}
    return _Grid(indices, seed=order.sweep_seed)


def _brute_force(order: _Order) -> BaseSampler:
    return _BruteForce(**order.options, seed=order.seed)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How one of Optuna's samplers is used.

    Args:
        make: Makes it.
        sampler: Its class, whose signature says which options there are.
        is_stateful, has_initial_design, is_exhaustive: See `protocols.Sampler`. An exhaustive one sees continuous
            dimensions as rows of a few values.
        is_flat: Whether it sees a space without conditions.
        knows_pruning: Whether it makes use of how far a pruned trial came.
        memory: Of how many ended trials it is told, at most; None for all. What is replayed must be asked all again.
    """

    make: Callable[[_Order], BaseSampler]
    sampler: type[BaseSampler]
    is_stateful: bool = False
    has_initial_design: bool = False
    is_exhaustive: bool = False
    is_flat: bool = True
    knows_pruning: bool = False
    memory: int | None = None


ALGORITHMS: Mapping[str, Algorithm] = {
    "tpe": Algorithm(_tpe, TPESampler, has_initial_design=True, is_flat=False, knows_pruning=True, memory=MEMORY),
    "gp": Algorithm(_gp, GPSampler, has_initial_design=True),
    "cma_es": Algorithm(_cma_es, CmaEsSampler, is_stateful=True, has_initial_design=True),
    "nsga2": Algorithm(_genetic(NSGAIISampler), NSGAIISampler, is_stateful=True, has_initial_design=True),
    "nsga3": Algorithm(_genetic(NSGAIIISampler), NSGAIIISampler, is_stateful=True, has_initial_design=True),
    "qmc": Algorithm(_qmc, QMCSampler, is_stateful=True),
    "random": Algorithm(_random, RandomSampler, memory=0),  # it learns nothing
    "grid": Algorithm(_grid, GridSampler, is_stateful=True, is_exhaustive=True),
    "brute_force": Algorithm(_brute_force, BruteForceSampler, is_stateful=True, is_exhaustive=True, is_flat=False),
}
"""By name in YAML."""


class OptunaSampler:
    """Asks one of Optuna's samplers.

    Args:
        experiment: Gives the algorithm with its options, the space, the objectives and the seed.

    Raises:
        ConfigError: The sampler needs a library that is not installed, or refuses an option.
    """

    def __init__(self, experiment: Experiment) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # lines for every study and every fallback say nothing to a user
        self._experiment = experiment
        self._algorithm = ALGORITHMS[experiment.algorithm]
        self._space = discretized(experiment.space, GRID) if self.is_exhaustive else experiment.space
        self._sweep_seed = _seed(experiment, 0, 0)
        self._distributions = {name: _distribution(each) for name, each in self._space.dimensions.items()}
        self._study: optuna.Study | None = None
        self._placed = 0  # how many of the open points stand in the study already
        self._pending: tuple[optuna.Trial, Params] | None = None
        self._open: list[tuple[optuna.Trial | None, dict[str, Any] | None]] = []
        self._finished: list[FrozenTrial] = []
        self._suggested: set[tuple[tuple[str, ParamValue], ...]] = set()
        self._sampler(self._sweep_seed)  # a mistake shows now, not in the second round

    @property
    def is_stateful(self) -> bool:
        """Whether the sampler leaves notes in the study."""
        return self._algorithm.is_stateful

    @property
    def has_initial_design(self) -> bool:
        """Whether it learns from what it is told, so that it should first be told of an even spread."""
        return self._algorithm.has_initial_design

    @property
    def is_exhaustive(self) -> bool:
        """Whether it goes through a grid, point by point."""
        return self._algorithm.is_exhaustive

    def suggest(self, number: int, attempt: int) -> Params | None:
        """What the sampler suggests; None while it has seen too little, or when it has gone through all."""
        self._drop_pending()
        if self.has_initial_design and sum(trial.state is not TrialState.FAIL for trial in self._finished) < ENOUGH:
            return None
        self._pending = self._asked(self._up_to_date(), _seed(self._experiment, number, attempt))
        if self.is_exhaustive:
            point = tuple(sorted(self._pending[0].params.items()))
            if point in self._suggested:
                return None
            self._suggested.add(point)
        return self._pending[1]

    def mark_pending(self, params: Params) -> None:
        """The point stands in the study as one that is still open."""
        point = self._encoded(params)
        trial: optuna.Trial | None = None
        if self.is_stateful and point is not None:
            if self._pending is None or dict(self._pending[1]) != dict(params):
                self._drop_pending()
                self._pending = self._forced(point)
            trial, self._pending = self._pending[0], None
        self._drop_pending()
        self._open.append((trial, point))

    def observe(self, answers: Sequence[Observation | None]) -> None:
        """What came of what was open longest. A sampler that is told gets a new study, in which that never was open."""
        self._drop_pending()
        settled, self._open = self._open[: len(answers)], self._open[len(answers) :]
        for (trial, point), answer in zip(settled, answers, strict=True):
            if trial is not None:
                self._tell(trial, answer)
            if point is not None:
                self._finished.append(self._frozen(point, answer))
        self._finished = remembered(self._finished, self._algorithm.memory)
        if not self.is_stateful:
            self._study, self._placed = None, 0

    def _up_to_date(self) -> optuna.Study:
        """The study with all that there is to know; built when it is needed, for most rounds are only wound past."""
        if self._study is None:
            self._study = optuna.create_study(directions=["maximize"] * len(self._experiment.objective.maximize))
            self._study.add_trials([] if self.is_stateful else self._finished)
        if not self.is_stateful:
            for _, point in self._open[self._placed :]:
                if point is not None:
                    running = create_trial(state=TrialState.RUNNING, params=point, distributions=self._of(point))
                    self._study.add_trial(running)
            self._placed = len(self._open)
        return self._study

    def _sampler(self, seed: int) -> BaseSampler:
        algorithm, options = self._experiment.algorithm, self._experiment.search.options
        order = _Order(options, seed, self._sweep_seed, self._experiment.batch, self._space, self._best_point)
        try:
            with _quiet():
                return self._algorithm.make(order)
        except ImportError as error:
            hint = _EXTRAS.get(algorithm, f"pip install {error.name}")
            message = f"search.algorithm: {algorithm} of optuna needs {error.name}, which is not installed: {hint}"
            raise ConfigError(message) from error
        except (TypeError, ValueError) as error:
            raise ConfigError(f"search.options: {algorithm} of optuna refuses {dict(options)}: {error}") from error

    def _best_point(self) -> dict[str, Any] | None:
        complete = [trial for trial in self._finished if trial.state is TrialState.COMPLETE]
        if self._experiment.objective.is_multi_objective or not complete:
            return None
        best = max(complete, key=lambda trial: trial.value)  # type: ignore[arg-type,return-value]  # complete: it has one
        return {
            name: best.params[name] for name, each in self._distributions.items() if _is_scale(each) and name in best.params
        }

    def _asked(self, study: optuna.Study, seed: int) -> tuple[optuna.Trial, Params]:
        """A new trial of the study by a sampler of this seed, and its point."""
        study.sampler = self._sampler(seed)
        with _quiet():
            trial = study.ask()
            point: dict[str, ParamValue] = {}
            for name, dimension in self._space.dimensions.items():
                if self._algorithm.is_flat or self._space.is_asked(name, point):
                    point[name] = _decoded(dimension, _suggested(trial, name, self._distributions[name]))
        return trial, {name: value for name, value in point.items() if self._space.is_asked(name, point)}

    def _forced(self, point: Mapping[str, Any]) -> tuple[optuna.Trial, Params]:
        """A new trial of the study with this point, on which the sampler has left its notes as if it had suggested it.

        Optuna does not consult a sampler about a trial that was enqueued, so that it would stand in no generation.
        """
        study = self._up_to_date()
        study.enqueue_trial(dict(point))
        trial, params = self._asked(study, self._sweep_seed)
        frozen = study.get_trials(deepcopy=False)[trial.number]
        with _quiet():
            study.sampler.sample_relative(study, frozen, study.sampler.infer_relative_search_space(study, frozen))
        return trial, params

    def _drop_pending(self) -> None:
        """A suggestion that nobody wanted has failed; samplers do not look at those."""
        if self._pending is not None:
            self._tell(self._pending[0], None)
            self._pending = None

    def _tell(self, trial: optuna.Trial, answer: Observation | None) -> None:
        with _quiet():
            if answer is None:
                trial.study.tell(trial, state=TrialState.FAIL)
                return
            for place, violation in enumerate(answer.violations):
                trial.set_constraint(str(place), violation)
            trial.study.tell(trial, list(answer.expected))

    def _frozen(self, point: Mapping[str, Any], answer: Observation | None) -> FrozenTrial:
        """A trial that has ended, as Optuna has it."""
        words: dict[str, Any] = {"params": dict(point), "distributions": self._of(point)}
        if answer is None:
            return create_trial(**words, state=TrialState.FAIL)
        words["constraints"] = {str(place): violation for place, violation in enumerate(answer.violations)}
        if self._algorithm.knows_pruning and not self._experiment.objective.is_multi_objective:
            if answer.status is Status.FAILED:  # the worst of the pruned ones, for it repels
                return create_trial(**words, state=TrialState.PRUNED)
            if answer.status is Status.PRUNED:
                return create_trial(**words, state=TrialState.PRUNED, intermediate_values={answer.epoch: answer.values[0]})
        return create_trial(**words, state=TrialState.COMPLETE, values=list(answer.expected))

    def _of(self, point: Mapping[str, Any]) -> dict[str, BaseDistribution]:
        return {name: self._distributions[name] for name in point}

    def _encoded(self, params: Params) -> dict[str, Any] | None:
        """A point as Optuna has it, what is not asked in the middle of its dimension; None if the grid has no such value."""
        point: dict[str, Any] = {}
        for name, dimension in self._space.dimensions.items():
            if name in params and not dimension.contains(params[name]):
                return None
            if name in params or self._algorithm.is_flat:
                point[name] = _encoded(dimension, params[name] if name in params else value_at(dimension, 0.5))
        return point


def remembered(finished: Sequence[FrozenTrial], most: int | None) -> list[FrozenTrial]:
    """What is kept in mind of trials that have ended: the better half of `most` and the latest half, in their order.

    The better ones are those by each objective and by the mean of them all, in equal parts. As samplers see it, a trial that
    meets the constraints is better than any that does not, a complete one than any that was pruned, and a pruned one is the
    better the further it came. What was forgotten is none of the better ones of all that ever ended, nor of the latest, so
    nothing is lost by forgetting after every round.

    Args:
        finished: In the order in which they were asked.
        most: How many to keep, at most; None for all.
    """
    if most is None or len(finished) <= most:
        return list(finished)
    half = most // 2
    kept = set(range(len(finished) - half, len(finished)))
    merits = [_merits(trial) for trial in finished]
    orders = max(map(len, merits))
    for order in range(orders):
        places = sorted(range(len(finished)), key=lambda place: merits[place][min(order, len(merits[place]) - 1)], reverse=True)
        kept |= set(places[: half // orders])
    return [finished[place] for place in sorted(kept)]


def _merits(trial: FrozenTrial) -> list[tuple[float, ...]]:
    """By what trials are put in order, the better the higher: by each objective, and by their mean if there are several."""
    violated = sum(max(0.0, by) for by in trial.constraints.values())
    if trial.state is TrialState.COMPLETE:
        figures = [*trial.values] if len(trial.values) == 1 else [*trial.values, fmean(trial.values)]
        return [(-violated, 2.0, 0.0, figure) for figure in figures]
    step = trial.last_step
    if trial.state is TrialState.PRUNED and step is not None:
        return [(-violated, 1.0, step, trial.intermediate_values[step])]
    return [(-violated, 0.0)]


_EXTRAS = {"gp": 'pip install "branchsweep[gp]"'}


def _seed(experiment: Experiment, number: int, attempt: int) -> int:
    return int(seed_sequence(experiment, RandomStream.SAMPLER, number, attempt).generate_state(1)[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna warns of what is experimental, and of what it does instead of what it cannot: both were chosen on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _distribution(dimension: Dimension) -> BaseDistribution:
    """The dimension as Optuna has it."""
    if is_discrete(dimension):
        indices = int(dimension.size)
        if isinstance(dimension, Choice) and not dimension.ordered:
            return CategoricalDistribution(range(indices))
        return IntDistribution(0, indices - 1)
    assert not isinstance(dimension, Choice)
    if isinstance(dimension, Float):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    return IntDistribution(dimension.low, dimension.high, log=dimension.log)


def _is_scale(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, (FloatDistribution, IntDistribution)) and not distribution.single()


def _suggested(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, IntDistribution)
    return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)


def _encoded(dimension: Dimension, value: ParamValue) -> ParamValue:
    return index_of(dimension, value) if is_discrete(dimension) else value


def _decoded(dimension: Dimension, value: ParamValue) -> ParamValue:
    if is_discrete(dimension):
        return value_at_index(dimension, int(value))
    assert not isinstance(dimension, Choice)
    assert not isinstance(value, str)
    # Optuna's samples may overstep a bound by a rounding error.
    return min(max(value, dimension.low), dimension.high)
