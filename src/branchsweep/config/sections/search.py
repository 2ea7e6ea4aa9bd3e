"""Which driver suggests trials, with which options, and when the search stops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from branchsweep.config.config_model import ConfigModel, KeyMistake, Name
from branchsweep.errors import did_you_mean
from branchsweep.trial import ParamValue

Options = Mapping[str, type]
"""The options of an algorithm, each with the type of its values."""

_GENETIC: Options = {"population_size": int, "mutation_prob": float, "crossover_prob": float, "swapping_prob": float}

DRIVERS: Mapping[str, Mapping[str, Options]] = {
    "optuna": {
        "tpe": {"n_ei_candidates": int, "multivariate": bool, "constant_liar": bool},
        "gp": {"deterministic_objective": bool},
        "cma_es": {"sigma0": float, "popsize": int, "use_separable_cma": bool, "with_margin": bool, "lr_adapt": bool},
        "nsga2": _GENETIC,
        "nsga3": {**_GENETIC, "dividing_parameter": int},
        "qmc": {"qmc_type": str, "scramble": bool},
        "random": {},
        "grid": {},
        "brute_force": {"avoid_premature_stop": bool},
    },
    "keras_tuner": {
        "random": {},
        "bayesian": {"num_initial_points": int, "alpha": float, "beta": float},
        "hyperband": {"factor": int, "hyperband_iterations": int},
        "grid": {},
    },
    "random": {"random": {}},
}
"""The drivers with their algorithms, the default one first, each with its options under the library's own names.

They are listed here, and not beside the drivers, so that a mistake is found, with its line, before a library is imported. A
test compares them with the libraries' signatures.
"""

MULTI_OBJECTIVE_ALGORITHMS = {
    "optuna": frozenset(DRIVERS["optuna"]) - {"cma_es"},
    "keras_tuner": frozenset(),
    "random": {"random"},
}
"""By driver, the algorithms that support several objectives."""

MAX_BATCH: Mapping[tuple[str, str], int] = {("optuna", "gp"): 16}
"""The most trials that an algorithm is asked for in one round, where suggesting more would take longer than training them: the
time of a Gaussian process grows with the trials already suggested."""

MAX_PENDING_ROUNDS = 64
"""The largest value of `pending_rounds`."""

SEQUENTIAL_ALGORITHMS = {("optuna", "cma_es"), ("keras_tuner", "hyperband")}
"""The algorithms that make a round from the results of the last one alone, so that no round can be pending."""


RENAMED_KEYS: Mapping[str, str] = {"known": "initial_trials", "ahead": "pending_rounds"}
"""Keys of `search` that had another name, which is still read: the present one by the old one."""


class Search(ConfigModel):
    """Which trials are tried, and how many."""

    driver: Literal["random", "optuna", "keras_tuner"] = Field("optuna", description="The library that suggests trials.")
    algorithm: str | None = Field(None, description="The driver's algorithm; its default one if absent.")
    options: Mapping[str, ParamValue] = Field(
        default_factory=dict, description="Options of the algorithm, by the library's own names."
    )
    trials: int = Field(64, ge=1, description="Trials in total, the initial ones and resumed ones included.")
    seconds: float | None = Field(None, gt=0, description="Wall time of the search; it ends at the next rung.")
    target: float | None = Field(None, lt=1, description="The search ends once a trial reaches this value of the objective.")
    patience: int | None = Field(None, ge=1, description="The search ends after this many trials without a new best.")
    batch: int = Field(32, ge=1, description="Trials of a round: suggested at once, before any of them has a result.")
    pending_rounds: int = Field(
        0,
        ge=0,
        le=MAX_PENDING_ROUNDS,
        description="Rounds that are suggested before the results of the last one are there, so that no worker waits for it: a "
        "suggestion uses the results of all rounds but that many.",
    )
    repeats: Literal["recall", "reseed"] = Field(
        "recall",
        description="What happens to a suggestion with the same hyperparameters as an earlier trial: recall gives the driver "
        "the recorded result and asks again; reseed trains it again from other seeds, as a trial of its own.",
    )
    warm_start: list[str] = Field(
        default_factory=list, description="Earlier sweeps (names or run ids) whose results the driver is given first."
    )
    initial_trials: Mapping[Name, Mapping[str, ParamValue]] = Field(
        default_factory=dict, description="Configurations by name that are tried first, as they are written."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._raise_mistakes(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[KeyMistake]:
        algorithms = DRIVERS[self.driver]
        algorithm = self.algorithm or next(iter(algorithms))
        if algorithm not in algorithms:
            expected = f"expected an algorithm of {self.driver} ({', '.join(algorithms)})"
            yield ("algorithm",), f"got '{algorithm}', {expected}{did_you_mean(algorithm, algorithms)}"
            return
        options = algorithms[algorithm]
        for name, value in self.options.items():
            if name not in options:
                expected = f"expected one of {', '.join(options)}" if options else f"{algorithm} of {self.driver} has none"
                yield ("options", name), f"got '{name}', {expected}{did_you_mean(name, options)}"
            elif not _has_type(value, options[name]):
                yield ("options", name), f"got {value!r}, expected {_TYPE_NAMES[options[name]]}"


_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _has_type(value: ParamValue, expected: type) -> bool:
    if isinstance(value, bool) or expected is bool:
        return isinstance(value, bool) and expected is bool
    return isinstance(value, (int, float) if expected is float else expected)
