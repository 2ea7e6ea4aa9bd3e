"""KerasTuner's oracles, each as the part that determines which values to try next.

`populate_space` is called, and the trials that it reads are recorded in the oracle. KerasTuner's own loop through
`create_trial`, `update_trial` and `end_trial` is not used, because it

- rewrites `oracle.json` and a file for every trial at every call, and needs a project directory for them;
- prints a table for every trial, and a line for every failure;
- raises after some failures in a row, and then never releases its lock;
- keeps every oracle forever in a table of locks, and reads a thread's name by a deprecated function;
- assigns one trial to each worker, so that a round needs a worker's name for each trial.

These defects of the oracles are corrected here: a seed of 0 is replaced by a random one (seeds here begin at 1), an integer on
a logarithmic scale may exceed its bound by one, a step may lose the upper bound to a rounding error (discrete floats are
choices), nested conditions need nested parents, and a failed network blocks a bracket of Hyperband forever. Random and Bayesian
search suggest the same values again and again; rejecting them is the driver's task.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from branchsweep.config.experiment import Experiment
from branchsweep.errors import ConfigError
from branchsweep.runtime import silence_stderr
from branchsweep.search.keras_tuner.gaussian_process import LowerConfidenceBound
from branchsweep.search.keras_tuner.space import declared
from branchsweep.search.sampling import RandomStream, seed_sequence
from branchsweep.types import Floats

with silence_stderr():  # it imports TensorFlow
    import keras_tuner
    from keras_tuner.engine.hyperparameters import HyperParameters
    from keras_tuner.engine.trial import Trial, TrialStatus
    from keras_tuner.oracles import BayesianOptimizationOracle, GridSearchOracle, HyperbandOracle, RandomSearchOracle

EPOCHS = "epochs"
"""The hyperparameter by which Hyperband sets how long a trial trains."""

RESERVED_OPTIONS = (
    "objective",
    "max_trials",
    "max_epochs",
    "seed",
    "hyperparameters",
    "allow_new_entries",
    "tune_new_entries",
    "max_retries_per_trial",
    "max_consecutive_failed_trials",
)
"""Options that an experiment sets by other keys, or that have no meaning without KerasTuner's own loop."""

STARTS = 50
"""Points from which the lowest bound is searched, as many as KerasTuner takes."""

Values = dict[str, Any]
"""The values of KerasTuner's hyperparameters, by name."""


class Oracle(keras_tuner.Oracle):  # type: ignore[misc]  # KerasTuner carries no types
    """The record of trials that an oracle reads to determine values, without files, locks, workers and printing.

    Attributes:
        is_stateful: Whether the oracle's values depend on the values it gave before: on an index of a grid or a bracket.
        is_exhaustive: Whether it enumerates the space, whatever other points are tried.
        default_options: Options whose default differs from KerasTuner's.
    """

    trials: dict[str, Trial]
    is_stateful: ClassVar[bool] = False
    is_exhaustive: ClassVar[bool] = False
    default_options: ClassVar[Mapping[str, Any]] = {}

    @property
    def next_id(self) -> str:
        """The id of the next trial."""
        return str(len(self.trials))

    def prepare(self, randomness: np.random.SeedSequence, attempt: int) -> None:
        """Seed the next call of `populate_space`; a stateful oracle has its own random state."""
        if not self.is_stateful:
            self._seed_state = oracle_seed(randomness, attempt)

    def begin(self, values: Values) -> Trial:
        """Record a running trial with these values."""
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = values
        trial = Trial(hyperparameters=hyperparameters, trial_id=self.next_id)
        self._record_values(trial)
        self.trials[trial.trial_id] = self.ongoing_trials[trial.trial_id] = trial
        self.start_order.append(trial.trial_id)
        return trial

    def end(self, trial: Trial, score: float | None) -> None:
        """Record the score of a trial; None if it failed."""
        trial.status, trial.score = (TrialStatus.FAILED, None) if score is None else (TrialStatus.COMPLETED, score)
        self.end_order.append(self.ongoing_trials.pop(trial.trial_id).trial_id)


class _Random(Oracle, RandomSearchOracle):  # type: ignore[misc]  # KerasTuner carries no types
    """Random search."""


class _Bayesian(Oracle, BayesianOptimizationOracle):  # type: ignore[misc]  # KerasTuner carries no types
    """Bayesian optimization, whose suggestions follow from scores and running trials alone.

    The Gaussian process and the bound are KerasTuner's. KerasTuner fits the process for every suggestion, predicts running
    trials by the process of the suggestion before, and minimizes the bound by finite differences, which takes seconds for each
    trial of a round. Here the process is fitted to the scores once in a round and predicts running trials, and the bound has
    its gradient. So a resumed search suggests what an uninterrupted one would have suggested.
    """

    _fitted: Any = None
    _is_repeated = False

    def prepare(self, randomness: np.random.SeedSequence, attempt: int) -> None:
        """Seed the points from which the lowest bound is searched."""
        super().prepare(randomness, attempt)
        self._is_repeated = attempt > 0

    def populate_space(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002  # KerasTuner's signature
        """The point of the lowest bound; a random one if that was rejected, for it would be the same again."""
        completed = {name: trial for name, trial in self.trials.items() if trial.status == TrialStatus.COMPLETED}
        needed = self.num_initial_points or max(3 * len(self.hyperparameters.space), 3)
        if self._is_repeated or len(completed) < needed:
            return self._random_populate_space()  # type: ignore[no-any-return]  # no types
        with threadpool_limits(1, "blas"):  # the products are small: several threads wait for each other, and round differently
            return {"status": TrialStatus.RUNNING, "values": self._vector_to_values(self._lowest(completed))}

    def _lowest(self, completed: Mapping[str, Trial]) -> Floats:
        """The point `(D,)` of the unit cube with the lowest bound."""
        if self._fitted is None:
            all_trials, self.trials = self.trials, dict(completed)
            self._fitted = self.gpr = self._make_gpr().fit(*self._vectorize_trials())
            self.trials = all_trials
        x, y = self._vectorize_trials()
        bound = LowerConfidenceBound.of(x, y, self._fitted.kernel_.length_scale, self.alpha, self.beta)
        starts = np.random.default_rng(self._seed_state).random((STARTS, x.shape[1]))
        minima = [minimize(bound, start, jac=True, bounds=[(0, 1)] * len(start), method="L-BFGS-B") for start in starts]
        lowest: Floats = min(minima, key=lambda result: float(result.fun)).x
        return lowest

    def end(self, trial: Trial, score: float | None) -> None:
        """Record the score of a trial; the process is fitted anew for the next suggestion."""
        super().end(trial, score)
        self._fitted = None


class _Hyperband(Oracle, HyperbandOracle):  # type: ignore[misc]  # KerasTuner carries no types
    """Hyperband, which starts new brackets without end unless an option limits them."""

    is_stateful = True
    default_options: ClassVar[Mapping[str, Any]] = {"hyperband_iterations": None}

    def end(self, trial: Trial, score: float | None) -> None:
        """Record the score; a failed trial is the worst, for a bracket waits until nearly all its trials are completed."""
        super().end(trial, -math.inf if score is None else score)


class _Grid(Oracle, GridSearchOracle):  # type: ignore[misc]  # KerasTuner carries no types
    """Grid search, in its own order: other points are not recorded, and every trial ends when it begins.

    KerasTuner waits for the end of a trial, which may add hyperparameters; here all are known from the beginning.
    """

    is_stateful = True
    is_exhaustive = True

    def begin(self, values: Values) -> Trial:
        """Record an ended trial."""
        trial = super().begin(values)
        super().end(trial, 0.0)
        self._populate_next.append(trial.trial_id)
        return trial

    def end(self, trial: Trial, score: float | None) -> None:
        """The trial has ended already."""


ORACLES: Mapping[str, type[Oracle]] = {"random": _Random, "bayesian": _Bayesian, "hyperband": _Hyperband, "grid": _Grid}
"""The oracles by the algorithms' names in YAML."""


def options_of(algorithm: str) -> dict[str, Any]:
    """The options that a user may give an algorithm, with their defaults.

    Args:
        algorithm: A key of `ORACLES`.
    """
    oracle = ORACLES[algorithm]
    parameters = inspect.signature(oracle.__init__).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}
    return {name: default for name, default in {**defaults, **oracle.default_options}.items() if name not in RESERVED_OPTIONS}


def make_oracle(experiment: Experiment, options: Mapping[str, Any]) -> Oracle:
    """The oracle that the experiment names.

    Args:
        experiment: Determines the algorithm, the space, the seed, and the epochs of Hyperband.
        options: The user's options.

    Raises:
        ConfigError: The oracle rejects an option, or Hyperband is used in a space with `epochs`.
    """
    oracle = ORACLES[experiment.algorithm]
    parameters = HyperParameters()
    parameters.merge(declared(experiment.space))
    arguments: dict[str, Any] = {
        "objective": keras_tuner.Objective("value", "max"),
        "seed": oracle_seed(seed_sequence(experiment, RandomStream.ORACLE), 0),
        "hyperparameters": parameters,
        **oracle.default_options,
        **options,
    }
    if oracle is _Hyperband:
        arguments["max_epochs"] = experiment.fit.epochs
        if EPOCHS in {*experiment.space.dimensions, *experiment.space.fixed}:
            message = "got a space that varies or fixes epochs, but hyperband chooses them; leave them out of the space"
            raise ConfigError(message, "space")
    refused = f"{experiment.algorithm} of keras_tuner refuses {dict(options)}"
    if any(value <= 0 for value in options.values() if isinstance(value, (int, float))):
        raise ConfigError(f"{refused}: expected numbers above 0", "search.options")  # KerasTuner itself fails during the search
    try:
        return oracle(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{refused}: {error}", "search.options") from error


def oracle_seed(randomness: np.random.SeedSequence, attempt: int) -> int:
    """A seed for an attempt, at least 1."""
    return max(1, int(randomness.generate_state(attempt + 1)[attempt]))
