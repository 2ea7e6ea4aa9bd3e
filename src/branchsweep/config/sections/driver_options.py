"""The drivers with their algorithms and the options of these, each with its type and bounds.

They are listed here, and not beside the drivers, so that a mistake is found, with its line, before a library is imported and
before anything is trained: some libraries accept any value and fail in the midst of a search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.config.entry_points import ExtensionPoint
from branchsweep.trial import ParamValue


@dataclass(frozen=True, slots=True)
class Option:
    """An option of an algorithm.

    Args:
        type: The type of its values; whole numbers are numbers, too.
        low: The smallest value of a number.
        high: The largest value of a number.
        choices: The values of a text.
    """

    type: type[bool] | type[int] | type[float] | type[str]
    low: float = -math.inf
    high: float = math.inf
    choices: Sequence[str] = ()

    @property
    def expected(self) -> str:
        """What a value must be, as the end of a message."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.type is bool:
            return "true or false"
        return f"{'a whole number' if self.type is int else 'a number'} from {self.low:g} to {self.high:g}"

    def accepts(self, value: ParamValue) -> bool:
        """Whether the option can have this value."""
        if self.type is bool or isinstance(value, bool):
            return self.type is bool and isinstance(value, bool)
        if self.type is str or isinstance(value, str):
            return value in self.choices
        return isinstance(value, (int, float) if self.type is float else int) and self.low <= value <= self.high

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a value."""
        if self.choices:
            return {"enum": list(self.choices)}
        if self.type is bool:
            return {"type": "boolean"}
        return {"type": "integer" if self.type is int else "number", "minimum": self.low, "maximum": self.high}


Options = Mapping[str, Option]
"""The options of an algorithm, by the library's own names."""

_FLAG, _SHARE = Option(bool), Option(float, 0, 1)
_POSITIVE = Option(float, 1e-9, 1e9)

_GENETIC: Options = {
    "population_size": Option(int, 2, 10_000),
    "mutation_prob": _SHARE,
    "crossover_prob": _SHARE,
    "swapping_prob": _SHARE,
}

DRIVERS: Mapping[str, Mapping[str, Options]] = {
    "optuna": {
        "tpe": {"n_ei_candidates": Option(int, 1, 10_000), "multivariate": _FLAG, "constant_liar": _FLAG},
        "gp": {"deterministic_objective": _FLAG},
        "cma_es": {
            "sigma0": Option(float, 1e-6, 100),
            "popsize": Option(int, 3, 10_000),
            "use_separable_cma": _FLAG,
            "with_margin": _FLAG,
            "lr_adapt": _FLAG,
        },
        "nsga2": _GENETIC,
        "nsga3": {**_GENETIC, "dividing_parameter": Option(int, 1, 100)},
        "qmc": {"qmc_type": Option(str, choices=("sobol", "halton")), "scramble": _FLAG},
        "random": {},
        "grid": {},
        "brute_force": {"avoid_premature_stop": _FLAG},
    },
    "keras_tuner": {
        "random": {},
        "bayesian": {"num_initial_points": Option(int, 1, 1_000_000), "alpha": _POSITIVE, "beta": _POSITIVE},
        "hyperband": {"factor": Option(int, 2, 100), "hyperband_iterations": Option(int, 1, 1_000_000)},
        "grid": {},
    },
    "random": {"random": {}},
}
"""The drivers with their algorithms, the default one first, each with its options under the library's own names. A test
compares them with the libraries' signatures."""

MULTI_OBJECTIVE_ALGORITHMS = {
    "optuna": frozenset(DRIVERS["optuna"]) - {"cma_es"},
    "keras_tuner": frozenset(),
    "random": {"random"},
}
"""By driver, the algorithms that support several objectives."""

DRIVERS_OF_PACKAGES = ExtensionPoint(
    "branchsweep.drivers",
    "driver",
    tuple(DRIVERS),
    "a function that takes an Experiment and returns a Sampler, or such a class",
)
"""How other packages offer drivers. The algorithms and options of such a driver are its own affair."""

SEVERAL_OBJECTIVES = "supports_several_objectives"
"""The attribute by which the function of another package's driver says that it supports several objectives."""


def supports_several_objectives(driver: str, algorithm: str) -> bool:
    """Whether a driver's algorithm supports several objectives."""
    if driver in MULTI_OBJECTIVE_ALGORITHMS:
        return algorithm in MULTI_OBJECTIVE_ALGORITHMS[driver]
    return bool(getattr(DRIVERS_OF_PACKAGES.load(driver), SEVERAL_OBJECTIVES, False))


MAX_BATCH: Mapping[tuple[str, str], int] = {("optuna", "gp"): 16}
"""The most trials that an algorithm is asked for in one round, where suggesting more would take longer than training them: the
time of a Gaussian process grows with the trials already suggested."""

SEQUENTIAL_ALGORITHMS = {("optuna", "cma_es"), ("keras_tuner", "hyperband")}
"""The algorithms that make a round from the results of the last one alone, so that no round can be pending."""

MAX_REFERENCE_POINTS = 100_000
"""The most reference points of NSGA-III, whose number grows with the objectives and `dividing_parameter`."""


def reference_points(objectives: int, dividing_parameter: int) -> int:
    """The number of reference points of NSGA-III (Das and Dennis 1998).

    Args:
        objectives: The number of metrics that are maximized.
        dividing_parameter: Parts of each edge of the simplex.
    """
    return math.comb(objectives + dividing_parameter - 1, dividing_parameter)
