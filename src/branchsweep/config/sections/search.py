"""Which driver suggests trials, with which options, and when the search stops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from branchsweep.config.config_model import MAX_TRIALS, SHORT_TEXT, ConfigModel, KeyMistake, Name, Seconds
from branchsweep.config.sections.driver_options import DRIVERS, DRIVERS_OF_PACKAGES
from branchsweep.errors import did_you_mean
from branchsweep.trial import ParamValue

MAX_PENDING_ROUNDS = 64
"""The largest value of `pending_rounds`."""

LARGEST_TARGET = 1e9
"""The largest value of the objective, of either sign, that may end a search."""

MAX_ROUND = 10_000
"""The most trials of a round, which are in memory at once."""

MAX_INITIAL_TRIALS, MAX_WARM_STARTS = 1000, 100
"""The most trials that are given, and the most earlier sweeps that a driver learns from."""

DEFAULT_TRIAL = "default_trial"
"""The name of the initial trial that `search.default_trial` adds."""

RENAMED_KEYS: Mapping[str, str] = {"known": "initial_trials", "ahead": "pending_rounds"}
"""Keys of `search` that had another name, which is still read: the present one by the old one."""


def _name_the_drivers(schema: dict[str, Any]) -> None:
    """In the JSON Schema, a driver is one of those that there are now."""
    schema["enum"] = _known_drivers()


def _known_drivers() -> list[str]:
    return [*DRIVERS, *DRIVERS_OF_PACKAGES.names()]


@dataclass(frozen=True, slots=True)
class Rounds:
    """How the trials of a search are divided into rounds, and which results a round learns from; both count from 0.

    Args:
        first: Trials of the first round.
        size: Trials of every other round.
        pending: Rounds that are asked before the results of the last one are there.
    """

    first: int
    size: int
    pending: int

    def of(self, trial: int) -> int:
        """The round that a trial is in."""
        return 0 if trial < self.first else 1 + (trial - self.first) // self.size

    def begin(self, number: int) -> int:
        """The first trial of a round."""
        return self.first + (number - 1) * self.size if number else 0

    def told_before(self, trial: int) -> int:
        """How many trials, the first ones, have results when the round of a trial is asked.

        A first round of fewer trials would leave workers idle, so the second is asked beside it.
        """
        own = self.of(trial)
        return self.begin(max(0, own - (self._beside_first if own == 1 else self.pending)))

    @property
    def before_results(self) -> int:
        """How many trials are asked before there is any result."""
        return self.begin(1 + self._beside_first)

    @property
    def _beside_first(self) -> int:
        """Rounds that are asked before the results of the first one are there."""
        return max(self.pending, 1) if self.first < self.size else self.pending


class Search(ConfigModel):
    """Which trials are tried, and how many."""

    driver: Annotated[str, Field(max_length=SHORT_TEXT)] = Field(
        "optuna",
        description="The library that suggests trials, or the driver of an installed package.",
        json_schema_extra=_name_the_drivers,
    )
    algorithm: str | None = Field(None, description="The driver's algorithm; its default one if absent.")
    options: Mapping[str, ParamValue] = Field(
        default_factory=dict, description="Options of the algorithm, by the library's own names."
    )
    trials: int = Field(64, ge=1, le=MAX_TRIALS, description="Trials in total, the initial ones and resumed ones included.")
    seconds: Seconds | None = Field(None, description="Wall time of the search; it ends at the next rung.")
    target: float | None = Field(
        None,
        ge=-LARGEST_TARGET,
        le=LARGEST_TARGET,
        description="The search ends once a trial reaches this value of the objective (with several, of choose); "
        "below 1 where it is a score.",
    )
    patience: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="The search ends after this many trials without a new best."
    )
    batch: int = Field(
        32, ge=1, le=MAX_ROUND, description="Trials of a round: suggested at once, before any of them has a result."
    )
    first_batch: int | None = Field(
        None,
        ge=1,
        le=MAX_ROUND,
        description="Trials of the first round, if they are to be fewer, so that there is a first result at once. The second "
        "round is suggested beside it.",
    )
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
    warm_start: list[Annotated[str, Field(max_length=SHORT_TEXT)]] = Field(
        default_factory=list,
        max_length=MAX_WARM_STARTS,
        description="Earlier sweeps (names or run ids) whose results the driver is given first.",
    )
    initial_trials: Mapping[Name, Mapping[str, ParamValue]] = Field(
        default_factory=dict,
        max_length=MAX_INITIAL_TRIALS,
        description="Configurations by name that are tried first, as they are written.",
    )
    default_trial: bool = Field(
        False,
        description="Whether a network that is good on many tables without a search is tried after the initial trials: the "
        "nearest point of the search space, once the number of rows is known.",
    )

    @field_validator("driver")
    @classmethod
    def _is_known(cls, driver: str) -> str:
        if driver not in DRIVERS and DRIVERS_OF_PACKAGES.load(driver) is None:
            known = _known_drivers()
            raise ValueError(f"got '{driver}', expected one of {', '.join(known)}{did_you_mean(driver, known)}")
        return driver

    @property
    def chosen_algorithm(self) -> str:
        """The driver's algorithm, with its default; the driver's name for another package's driver that has no algorithms."""
        return self.algorithm or next(iter(DRIVERS.get(self.driver, [self.driver])))

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._raise_mistakes(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[KeyMistake]:
        if self.default_trial and DEFAULT_TRIAL in self.initial_trials:
            yield (
                ("initial_trials", DEFAULT_TRIAL),
                "the name is that of the trial that search.default_trial adds; choose another",
            )
        if self.first_batch and self.first_batch > self.batch:
            expected = f"expected at most {self.batch}, the trials of the other rounds (batch)"
            yield ("first_batch",), f"got {self.first_batch}, {expected}"
        if self.driver not in DRIVERS:
            return
        algorithms, algorithm = DRIVERS[self.driver], self.chosen_algorithm
        if algorithm not in algorithms:
            expected = f"expected an algorithm of {self.driver} ({', '.join(algorithms)})"
            yield ("algorithm",), f"got '{algorithm}', {expected}{did_you_mean(algorithm, algorithms)}"
            return
        options = algorithms[algorithm]
        for name, value in self.options.items():
            if name not in options:
                expected = f"expected one of {', '.join(options)}" if options else f"{algorithm} of {self.driver} has none"
                yield ("options", name), f"got '{name}', {expected}{did_you_mean(name, options)}"
            elif not options[name].accepts(value):
                hint = did_you_mean(value, options[name].choices) if isinstance(value, str) else ""
                yield ("options", name), f"got {value!r}, expected {options[name].expected}{hint}"
