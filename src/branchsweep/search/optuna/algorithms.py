"""The samplers of Optuna that an experiment may name, and how each of them is made."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.errors import ConfigError

MEMORY = 2_000
"""The most finished trials that TPE is given. A suggestion takes some 0.02 ms longer for each: with a hundred thousand it would
take seconds."""


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """What a sampler of Optuna is made from.

    Args:
        options: The user's options.
        seed: The seed of one suggestion.
        sweep_seed: The seed that all suggestions of a sweep share.
        batch: Trials of a round.
        space: The search space, in which an exhaustive sampler has discrete dimensions alone.
        best_point: Returns the best point so far, of the dimensions whose values are numbers; None if there is none.
    """

    options: Mapping[str, Any]
    seed: int
    sweep_seed: int
    batch: int
    space: SearchSpace
    best_point: Callable[[], dict[str, Any] | None]


class _Grid(GridSampler):
    def after_trial(self, *_: Any) -> None:
        """Do not stop the study's `optimize`, which is not running."""


class _BruteForce(BruteForceSampler):
    def after_trial(self, *_: Any) -> None:
        """Do not stop the study's `optimize`, which is not running."""


def _tpe(settings: SamplerSettings) -> BaseSampler:
    """Multivariate, by groups of dimensions that are asked together (Falkner, Klein, Hutter 2018, BOHB)."""
    options = {"multivariate": True, "constant_liar": True, **settings.options}
    return TPESampler(**options, group=options["multivariate"], seed=settings.seed, n_startup_trials=0)


def _gp(settings: SamplerSettings) -> BaseSampler:
    """On one thread: with so few trials several threads wait for each other, five times as long."""
    import torch  # noqa: PLC0415  # hundreds of megabytes, for this sampler alone

    torch.set_num_threads(1)
    return GPSampler(**settings.options, seed=settings.seed, n_startup_trials=0, warn_independent_sampling=False)


def _cma_es(settings: SamplerSettings) -> BaseSampler:
    """A generation is a round, and the first starts from the best point of the initial design."""
    importlib.import_module("cmaes")  # Optuna would look for it after the first round
    options = {"popsize": max(5, settings.batch), **settings.options}
    return CmaEsSampler(**options, x0=settings.best_point(), seed=settings.seed, warn_independent_sampling=False)


def _genetic(sampler: Callable[..., BaseSampler]) -> Callable[[SamplerSettings], BaseSampler]:
    """Half a round are parents: a generation ends when that many trials are complete, so every round should end one."""
    return lambda settings: sampler(**{"population_size": max(2, settings.batch // 2), **settings.options}, seed=settings.seed)


def _qmc(settings: SamplerSettings) -> BaseSampler:
    options = {"scramble": True, **settings.options}
    return QMCSampler(**options, seed=settings.sweep_seed, warn_independent_sampling=False)


def _random(settings: SamplerSettings) -> BaseSampler:
    return RandomSampler(**settings.options, seed=settings.seed)


def _grid(settings: SamplerSettings) -> BaseSampler:
    indices = {name: list(range(int(dimension.size))) for name, dimension in settings.space.dimensions.items()}
    return _Grid(indices, seed=settings.sweep_seed)


def _brute_force(settings: SamplerSettings) -> BaseSampler:
    return _BruteForce(**settings.options, seed=settings.seed)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How a sampler of Optuna is used.

    Args:
        make: Makes the sampler.
        sampler: Its class, whose signature lists the options.
        is_stateful, has_initial_design, is_exhaustive: See `protocols.Sampler`. For an exhaustive sampler continuous dimensions
            have a few values.
        is_flat: Whether it is given a space without conditions, in which every dimension is asked.
        uses_pruned_trials: Whether it learns from the epoch at which a trial was pruned.
        memory: The most finished trials that it is given; None for all, which a stateful sampler needs.
    """

    make: Callable[[SamplerSettings], BaseSampler]
    sampler: type[BaseSampler]
    is_stateful: bool = False
    has_initial_design: bool = False
    is_exhaustive: bool = False
    is_flat: bool = True
    uses_pruned_trials: bool = False
    memory: int | None = None


ALGORITHMS: Mapping[str, Algorithm] = {
    "tpe": Algorithm(_tpe, TPESampler, has_initial_design=True, is_flat=False, uses_pruned_trials=True, memory=MEMORY),
    "gp": Algorithm(_gp, GPSampler, has_initial_design=True),
    "cma_es": Algorithm(_cma_es, CmaEsSampler, is_stateful=True, has_initial_design=True),
    "nsga2": Algorithm(_genetic(NSGAIISampler), NSGAIISampler, is_stateful=True, has_initial_design=True),
    "nsga3": Algorithm(_genetic(NSGAIIISampler), NSGAIIISampler, is_stateful=True, has_initial_design=True),
    "qmc": Algorithm(_qmc, QMCSampler, is_stateful=True),
    "random": Algorithm(_random, RandomSampler, memory=0),  # it learns nothing
    "grid": Algorithm(_grid, GridSampler, is_stateful=True, is_exhaustive=True),
    "brute_force": Algorithm(_brute_force, BruteForceSampler, is_stateful=True, is_exhaustive=True, is_flat=False),
}
"""The algorithms by their names in YAML."""

_EXTRAS = {algorithm: f'pip install "branchsweep[{algorithm}]"' for algorithm in ("cma_es", "gp")}
"""By algorithm that needs a library that is an extra, how it is installed."""


def make_sampler(experiment: Experiment, settings: SamplerSettings) -> BaseSampler:
    """The sampler of Optuna that the experiment names.

    Args:
        experiment: Determines the algorithm.
        settings: What the sampler is made from.

    Raises:
        ConfigError: The sampler needs a library that is not installed, or rejects an option.
    """
    algorithm = experiment.algorithm
    try:
        with quiet():
            return ALGORITHMS[algorithm].make(settings)
    except ImportError as error:
        hint = _EXTRAS.get(algorithm, f"pip install {error.name}")
        message = f"{algorithm} of optuna needs {error.name}, which is not installed: {hint}"
        raise ConfigError(message, "search.algorithm") from error
    except (TypeError, ValueError) as error:
        message = f"{algorithm} of optuna refuses {dict(settings.options)}: {error}"
        raise ConfigError(message, "search.options") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress Optuna's warnings about experimental features and about fallbacks: both are used on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
