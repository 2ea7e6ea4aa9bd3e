"""Which driver suggests trials, how many, and its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from branchsweep.config.config_model import ConfigModel, KeyMistake, Name
from branchsweep.errors import did_you_mean
from branchsweep.trial import ParamValue

Options = Mapping[str, type]
"""What an algorithm can be told, each with the type of its values."""

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
"""The drivers with their algorithms, the default one first, each with its options under the engine's own names.

They stand here, and not where the engines are, so that a mistake is found before an engine is imported, with its line. A test
compares them with the engines' own signatures.
"""

MULTI_OBJECTIVE_ALGORITHMS = {
    "optuna": frozenset(DRIVERS["optuna"]) - {"cma_es"},
    "keras_tuner": frozenset(),
    "random": {"random"},
}
"""By driver, the algorithms that search for several objectives at once."""

MAX_BATCH: Mapping[tuple[str, str], int] = {("optuna", "gp"): 16}
"""The most trials that an algorithm is asked for in one round, where a larger one would wait longer for its questions than for
their answers: what a Gaussian process takes grows with the trials already asked."""

MAX_PENDING_ROUNDS = 64
"""Rounds that may be asked ahead."""

SEQUENTIAL_ALGORITHMS = {("optuna", "cma_es"), ("keras_tuner", "hyperband")}
"""The algorithms whose next round is made of the last one's answers, and of nothing else: none is asked ahead."""


RENAMED_KEYS: Mapping[str, str] = {"known": "initial_trials", "ahead": "pending_rounds"}
"""Keys of `search` that had another name, which is still read: the present one by the old one."""


class Search(ConfigModel):
    """Who asks, how much, and where it begins."""

    driver: Literal["random", "optuna", "keras_tuner"] = Field("optuna", description="The engine that suggests trials.")
    algorithm: str | None = Field(None, description="The driver's algorithm; its default one if absent.")
    options: Mapping[str, ParamValue] = Field(
        default_factory=dict, description="What the algorithm can be told beyond that, by the engine's own names."
    )
    trials: int = Field(64, ge=1, description="Trials in total, the initial ones and resumed ones included.")
    seconds: float | None = Field(None, gt=0, description="Of wall time for the search; it ends at the next rung.")
    target: float | None = Field(None, lt=1, description="The search ends once a trial reaches this value of the objective.")
    patience: int | None = Field(None, ge=1, description="The search ends after so many trials without a new best.")
    batch: int = Field(32, ge=1, description="Trials of a round: asked at once, before any of them is answered.")
    pending_rounds: int = Field(
        0,
        ge=0,
        le=MAX_PENDING_ROUNDS,
        description="Rounds that are asked before the answers of the last one are there, so that no worker waits for it: what "
        "is asked learns of all rounds but so many.",
    )
    repeats: Literal["recall", "reseed"] = Field(
        "recall",
        description="What becomes of a suggestion that spells the recipe of an earlier trial: recall answers it from the "
        "record and asks on; reseed trains it again from other seeds, as a trial of its own.",
    )
    warm_start: list[str] = Field(
        default_factory=list, description="Earlier sweeps (names or run ids) whose trials the driver is told beforehand."
    )
    initial_trials: Mapping[Name, Mapping[str, ParamValue]] = Field(
        default_factory=dict, description="Configurations by name that are tried first, as they are written."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._refuse(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[KeyMistake]:
        algorithms = DRIVERS[self.driver]
        algorithm = self.algorithm or next(iter(algorithms))
        if algorithm not in algorithms:
            expected = f"expected one that {self.driver} has ({', '.join(algorithms)})"
            yield ("algorithm",), f"got '{algorithm}', {expected}{did_you_mean(algorithm, algorithms)}"
            return
        options = algorithms[algorithm]
        for name, value in self.options.items():
            if name not in options:
                expected = f"expected one of {', '.join(options)}" if options else f"{algorithm} of {self.driver} has none"
                yield ("options", name), f"got '{name}', {expected}{did_you_mean(name, options)}"
            elif not _is_of(value, options[name]):
                yield ("options", name), f"got {value!r}, expected {_KINDS[options[name]]}"


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def _is_of(value: ParamValue, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
