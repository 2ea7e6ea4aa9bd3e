"""KerasTuner's oracles as an sampler of rounds. Beside `hypermodel`, the only module that imports KerasTuner.

An oracle is asked for nothing but what it knows, which values to try next: `populate_space` is called, and the trials that it
reads are put in its books. KerasTuner's own way through `create_trial`, `update_trial` and `end_trial` is left aside, for it

- rewrites `oracle.json` and a file for every trial with every call, and wants a project directory for them;
- prints a table with every trial, and a line with every failure;
- raises after some failures in a row, and then never releases its lock;
- keeps every oracle for ever, in a table of locks, and asks for a thread's name by a deprecated function;
- takes one worker for one trial, so that a round needs a worker's name for each.

What the oracles themselves do amiss is mended here: a seed of 0 is replaced by a random one (seeds here begin with 1), a
whole number on a logarithmic scale may come out one too high, a step may lose the upper bound to a rounding error (rows of
real numbers are told as choices), nested conditions must have nested parents, and a failed network blocks a bracket of
Hyperband for good. Random and Bayesian search suggest the same again and again; refusing that is the driver's work.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from branchsweep.config.dimensions import Choice, Dimension, Float
from branchsweep.config.experiment import Experiment
from branchsweep.config.search_space import SearchSpace
from branchsweep.errors import ConfigError
from branchsweep.models.recipe import recipe_for
from branchsweep.runtime import silence_stderr
from branchsweep.search.protocols import Observation
from branchsweep.search.sampling import RandomStream, index_of, is_discrete, seed_sequence, value_at_index
from branchsweep.trial import Params, ParamValue

with silence_stderr():  # it imports TensorFlow
    import keras_tuner
    from keras_tuner.engine.hyperparameters import Choice as ChoiceParameter
    from keras_tuner.engine.hyperparameters import Float as FloatParameter
    from keras_tuner.engine.hyperparameters import HyperParameter, HyperParameters
    from keras_tuner.engine.hyperparameters import Int as IntParameter
    from keras_tuner.engine.trial import Trial, TrialStatus
    from keras_tuner.oracles import BayesianOptimizationOracle, GridSearchOracle, HyperbandOracle, RandomSearchOracle
    from keras_tuner.src.engine.conditions import Parent  # exported nowhere

EPOCHS = "epochs"
"""The tunable by which Hyperband says how long to train."""

BOUND = 1e100
"""Scores are told between -BOUND and BOUND: beyond, the squares of a Gaussian process overflow."""

OURS = (
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
"""What an experiment says by other words, or what has no meaning without KerasTuner's own loop."""

STARTS = 50
"""Points from which the lowest bound is sought, as many as KerasTuner takes."""

Floats = NDArray[np.float64]

Values = dict[str, Any]
"""The values of hyperparameters, as KerasTuner has them."""


def options_of(algorithm: str) -> dict[str, Any]:
    """The options of an algorithm that a user may give, by name, with what they are if nobody says.

    Args:
        algorithm: One of `ORACLES`.
    """
    oracle = ORACLES[algorithm]
    parameters = inspect.signature(oracle.__init__).parameters.values()
    said = {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}
    return {name: default for name, default in {**said, **oracle.otherwise}.items() if name not in OURS}


def declared(space: SearchSpace) -> list[HyperParameter]:
    """The dimensions of a space as KerasTuner has them, each with its conditions; those that are never asked are left out."""
    return [
        _declared(name, dimension)
        for name, dimension in space.dimensions.items()
        if all(values for values in (dimension.when or {}).values())
    ]


def point_of(space: SearchSpace, values: Mapping[str, Any]) -> Params:
    """The point of the space that these values of `declared` hyperparameters stand for, in the space's order."""
    point: dict[str, ParamValue] = {}
    for name, dimension in space.dimensions.items():
        if space.is_asked(name, point):
            point[name] = _value_of(dimension, values[name])
    return point


class KerasTunerSampler:
    """One of KerasTuner's oracles (plays `sampler.Engine`).

    - `random`: every point alike.
    - `bayesian`: a Gaussian process with an upper confidence bound, after `num_initial_points` random points (three for each
      dimension). All dimensions stand in it, those without an order too, on one line each. With 11 dimensions a suggestion
      takes 0.1 s after 100 answers and 0.2 s after 300 (KerasTuner's own: 2.9 and 6.1 s), and the first one of a round
      0.2 and 1.8 s more.
    - `hyperband`: brackets of random points with few epochs, of which the better ones are trained longer. How many is said by
      the tunable `epochs`, which its params name besides the space's dimensions; at most `fit.epochs`. A network is trained
      anew for every rung of a bracket, not continued. The first bracket is large: with 100 epochs it begins with 98 networks
      of 2 epochs each, so that Hyperband is for searches of several hundred trials. It halves by itself: rungs within a round
      (`pruning`) halve once more, and are best left out.
    - `grid`: the points of the grid in order, ten values of a continuous dimension (and its lowest), whatever was answered.

    Args:
        experiment: Gives the space, the algorithm, the seed, and the epochs of Hyperband.
        options: Of the oracle, by the names of `options_of`.

    Raises:
        ConfigError: An option has a value that the oracle does not take, or Hyperband meets a space that says `epochs` itself.
    """

    def __init__(self, experiment: Experiment, options: Mapping[str, Any] | None = None) -> None:
        self._experiment = experiment
        self._oracle = _oracle_of(experiment, options or {})
        self._suggested: Params | None = None
        self._kept: list[Trial | None] = []
        self._recipes: set[str] = set()

    @property
    def is_stateful(self) -> bool:
        """Whether the oracle goes by what it suggested before: by its place in a grid or in a bracket."""
        return self._oracle.is_stateful

    @property
    def has_initial_design(self) -> bool:
        """No: the oracles begin by ways of their own."""
        return False

    @property
    def is_exhaustive(self) -> bool:
        """Whether the oracle goes through the space point by point, until there is none left: a grid."""
        return self._oracle.keeps_to_its_own

    def suggest(self, number: int, attempt: int) -> Params | None:
        """What the oracle would try as the trial of this number; None where it has come to its end, or waits for answers."""
        if self._suggested is not None and self._oracle.is_stateful:
            self._oracle.end(self._oracle.begin(self._encoded(self._suggested)), None)  # nobody took it
        self._oracle.prepare(seed_sequence(self._experiment, RandomStream.ORACLE, number), attempt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's, that a Gaussian process did not converge
            response = self._oracle.populate_space(self._oracle.next_id)
        self._suggested = None
        if response["status"] == TrialStatus.RUNNING:
            self._suggested = self._decoded(response["values"])
        return self._suggested

    def mark_pending(self, params: Params) -> None:
        """A point of the space (with or without `epochs`) that is open from now on."""
        suggested, self._suggested = self._suggested, None
        self._kept.append(self._begun(suggested, params))

    def observe(self, answers: Sequence[Observation | None]) -> None:
        """Tells the oracle what became of what has been open longest."""
        settled, self._kept = self._kept[: len(answers)], self._kept[len(answers) :]
        for trial, answer in zip(settled, answers, strict=True):
            if trial is not None:
                self._oracle.end(trial, _score(answer))

    def _begun(self, suggested: Params | None, params: Params) -> Trial | None:
        """The trial of a kept point in the oracle's books; None where the oracle does not care."""
        if self._oracle.keeps_to_its_own:
            return self._oracle.begin(self._encoded(suggested)) if suggested is not None else None
        recipe = repr(recipe_for(self._experiment, params))
        if recipe in self._recipes and not self._oracle.is_stateful:
            return None  # a repeat, which whoever is only told of trials never hears of
        self._recipes.add(recipe)
        return self._oracle.begin(self._encoded(params))

    def _encoded(self, params: Params) -> Values:
        """The hyperparameters of a point."""
        dimensions = self._experiment.space.dimensions
        return {
            parameter.name: _encoded(parameter, dimensions[parameter.name], params[parameter.name])
            for parameter in self._oracle.hyperparameters.space
            if parameter.name in params
        }

    def _decoded(self, values: Values) -> Params:
        """The point of some hyperparameters, with its epochs where Hyperband says them."""
        point = point_of(self._experiment.space, values)
        return {**point, EPOCHS: values["tuner/epochs"]} if "tuner/epochs" in values else point


class _Books(keras_tuner.Oracle):  # type: ignore[misc]  # KerasTuner carries no types
    """The books that an oracle reads when it is asked for values, kept without files, locks, workers and talk."""

    trials: dict[str, Trial]
    is_stateful: ClassVar[bool] = False
    keeps_to_its_own: ClassVar[bool] = False
    otherwise: ClassVar[Mapping[str, Any]] = {}

    @property
    def next_id(self) -> str:
        """Names the next trial."""
        return str(len(self.trials))

    def prepare(self, randomness: np.random.SeedSequence, attempt: int) -> None:
        """What is suggested next goes by this randomness. An oracle that is_stateful goes by its own."""
        if not self.is_stateful:
            self._seed_state = _seed(randomness, attempt)

    def begin(self, values: Values) -> Trial:
        """A trial with these values that is open from now on."""
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = values
        trial = Trial(hyperparameters=hyperparameters, trial_id=self.next_id)
        self._record_values(trial)
        self.trials[trial.trial_id] = self.ongoing_trials[trial.trial_id] = trial
        self.start_order.append(trial.trial_id)
        return trial

    def end(self, trial: Trial, score: float | None) -> None:
        """A trial has its score, or None."""
        trial.status, trial.score = (TrialStatus.FAILED, None) if score is None else (TrialStatus.COMPLETED, score)
        self.end_order.append(self.ongoing_trials.pop(trial.trial_id).trial_id)


class _Random(_Books, RandomSearchOracle):  # type: ignore[misc]  # KerasTuner carries no types
    """Random search."""


class _Bayesian(_Books, BayesianOptimizationOracle):  # type: ignore[misc]  # KerasTuner carries no types
    """Bayesian optimization by KerasTuner's process and bound, whose suggestions follow from answers and open trials alone.

    KerasTuner fits the process anew for every suggestion, guesses how open trials will end by the one that it fitted for the
    suggestion before, and finds the lowest bound by finite differences: seconds for each trial of a round. Here the
    process is fitted to the answers once in a round, guesses by those alone, and the bound has its gradient: so a search that
    goes on suggests what one that never stopped would have suggested.
    """

    _known: Any = None
    _again = False

    def prepare(self, randomness: np.random.SeedSequence, attempt: int) -> None:
        """The lowest bound is sought from points of this randomness."""
        super().prepare(randomness, attempt)
        self._again = attempt > 0

    def populate_space(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002  # KerasTuner's signature
        """The point of the lowest bound; if that was turned down, a random one, for it would be the same again."""
        answered = {name: trial for name, trial in self.trials.items() if trial.status == TrialStatus.COMPLETED}
        enough = self.num_initial_points or max(3 * len(self.hyperparameters.space), 3)
        if self._again or len(answered) < enough:
            return self._random_populate_space()  # type: ignore[no-any-return]  # no types
        with threadpool_limits(1, "blas"):  # the products are small: more threads wait for each other, and round otherwise
            return {"status": TrialStatus.RUNNING, "values": self._vector_to_values(self._lowest(answered))}

    def _lowest(self, answered: Mapping[str, Trial]) -> Floats:
        """The point `(D,)` of the unit cube with the lowest bound."""
        if self._known is None:
            everything, self.trials = self.trials, dict(answered)
            self._known = self.gpr = self._make_gpr().fit(*self._vectorize_trials())
            self.trials = everything
        x, y = self._vectorize_trials()
        bound = _Bound(x, y, self._known.kernel_.length_scale, self.alpha, self.beta)
        starts = np.random.default_rng(self._seed_state).random((STARTS, x.shape[1]))
        found = [minimize(bound, start, jac=True, bounds=[(0, 1)] * len(start), method="L-BFGS-B") for start in starts]
        best: Floats = min(found, key=lambda result: float(result.fun)).x
        return best

    def end(self, trial: Trial, score: float | None) -> None:
        """More is known from now on."""
        super().end(trial, score)
        self._known = None


class _Bound:
    """The lower confidence bound of a Gaussian process, in standard deviations of what was seen, with its gradient.

    The process is scikit-learn's, with a Matérn kernel of nu = 5/2 and one length scale (Rasmussen and Williams 2006, 4.17).

    Args:
        x: `(n, D)` points in the unit cube.
        y: `(n,)` what was seen there.
        length: The kernel's length scale.
        noise: What is added to the diagonal.
        beta: How many standard deviations the bound lies below the mean.
    """

    def __init__(self, x: Floats, y: Floats, length: float, noise: float, beta: float) -> None:
        self._x, self._length, self._beta = x, length, beta
        covariance = _matern(np.linalg.norm(x[:, None] - x, axis=2) / length)[0]
        self._inverse = np.linalg.inv(covariance + noise * np.eye(len(x)))
        self._weights = self._inverse @ ((y - y.mean()) / (y.std() or 1.0))

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        """The bound at a point `(D,)`, and its gradient there."""
        offsets = (point - self._x) / self._length
        kernel, slope = _matern(np.linalg.norm(offsets, axis=1))
        solved = self._inverse @ kernel
        deviation = math.sqrt(max(1.0 - float(kernel @ solved), 1e-12))
        gradient = (slope * (self._weights + self._beta / deviation * solved)) @ offsets / self._length
        return float(kernel @ self._weights) - self._beta * deviation, gradient


def _matern(distance: Floats) -> tuple[Floats, Floats]:
    """The kernel at some distances in length scales, and its derivative by the distance, divided by the distance."""
    scaled = math.sqrt(5.0) * distance
    decay = np.exp(-scaled)
    return (1.0 + scaled + scaled**2 / 3.0) * decay, -5.0 / 3.0 * (1.0 + scaled) * decay


class _Hyperband(_Books, HyperbandOracle):  # type: ignore[misc]  # KerasTuner carries no types
    """Hyperband that goes on with new brackets for ever, unless a user says how often."""

    is_stateful = True
    otherwise: ClassVar[Mapping[str, Any]] = {"hyperband_iterations": None}

    def end(self, trial: Trial, score: float | None) -> None:
        """A trial without a score is the worst: a bracket promotes nobody until nearly all its trials are completed."""
        super().end(trial, -math.inf if score is None else score)


class _Grid(_Books, GridSearchOracle):  # type: ignore[misc]  # KerasTuner carries no types
    """Grid search. Its order is its own: it hears of no other points, and every trial ends when it begins.

    KerasTuner waits for a trial's end, for new hyperparameters may turn up in it; here all are known from the beginning.
    """

    is_stateful = True
    keeps_to_its_own = True

    def begin(self, values: Values) -> Trial:
        """A trial that has ended."""
        trial = super().begin(values)
        super().end(trial, 0.0)
        self._populate_next.append(trial.trial_id)
        return trial

    def end(self, trial: Trial, score: float | None) -> None:
        """It has ended already."""


ORACLES: Mapping[str, type[_Books]] = {"random": _Random, "bayesian": _Bayesian, "hyperband": _Hyperband, "grid": _Grid}
"""The oracles by the algorithms' names."""


def _oracle_of(experiment: Experiment, options: Mapping[str, Any]) -> _Books:
    oracle = ORACLES[experiment.algorithm]
    parameters = HyperParameters()
    parameters.merge(declared(experiment.space))
    words: dict[str, Any] = {
        "objective": keras_tuner.Objective("value", "max"),
        "seed": _seed(seed_sequence(experiment, RandomStream.ORACLE), 0),
        "hyperparameters": parameters,
        **oracle.otherwise,
        **options,
    }
    if oracle is _Hyperband:
        words["max_epochs"] = experiment.fit.epochs
        if EPOCHS in {*experiment.space.dimensions, *experiment.space.fixed}:
            raise ConfigError(
                "got a space that varies or fixes epochs, but hyperband chooses them; leave them out of the space"
            )
    refused = f"search.options: {experiment.algorithm} of keras_tuner refuses {dict(options)}"
    if any(value <= 0 for value in options.values() if isinstance(value, (int, float))):
        raise ConfigError(f"{refused}: expected numbers above 0")  # KerasTuner itself fails in mid-search
    try:
        return oracle(**words)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{refused}: {error}") from error


def _declared(name: str, dimension: Dimension) -> HyperParameter:
    conditions = [Parent(other, _alike(values)) for other, values in (dimension.when or {}).items()]
    if isinstance(dimension, Choice):
        return ChoiceParameter(name, _alike(dimension.choices), ordered=dimension.ordered, conditions=conditions)
    if isinstance(dimension, Float) and is_discrete(dimension):
        row = [value_at_index(dimension, index) for index in range(int(dimension.size))]
        return ChoiceParameter(name, row, ordered=True, conditions=conditions)
    kind = FloatParameter if isinstance(dimension, Float) else IntParameter
    scale = {"sampling": "log"} if dimension.log else {"step": dimension.step}
    return kind(name, dimension.low, dimension.high, conditions=conditions, **scale)


def _alike(values: Sequence[ParamValue]) -> list[ParamValue]:
    """The same values of one type: KerasTuner refuses, or cuts down to whole numbers, a list that mixes both kinds."""
    if any(isinstance(value, float) for value in values) and not any(isinstance(value, str) for value in values):
        return [float(value) for value in values]
    return list(values)


def _encoded(parameter: HyperParameter, dimension: Dimension, value: ParamValue) -> Any:
    if isinstance(parameter, ChoiceParameter):
        return parameter.values[index_of(dimension, value)]
    return float(value) if isinstance(parameter, FloatParameter) else value


def _value_of(dimension: Dimension, found: Any) -> ParamValue:
    """A hyperparameter's value as the dimension has it; those of a logarithmic scale may overstep its bounds."""
    if isinstance(dimension, Choice) or is_discrete(dimension):
        return value_at_index(dimension, index_of(dimension, found))
    within = min(max(found, dimension.low), dimension.high)
    return float(within) if isinstance(dimension, Float) else int(within)


def _score(answer: Observation | None) -> float | None:
    """What an answer says to an oracle; None where it says nothing."""
    if answer is None or not answer.expected or not math.isfinite(answer.expected[0]):
        return None
    return min(max(answer.expected[0], -BOUND), BOUND)


def _seed(randomness: np.random.SeedSequence, attempt: int) -> int:
    """A seed for an attempt, from 1 on."""
    return max(1, int(randomness.generate_state(attempt + 1)[attempt]))
