"""Which trials of a recorded sweep are shown, and in which order."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.config.hyperparameters import find_hyperparameter, unknown_name_problem
from branchsweep.config.metric_names import MEAN
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.metrics.names import score_names
from branchsweep.trial import Params, ParamValue, Status

OBJECTIVE, NUMBER, SECONDS, PARAMETERS = "objective", "number", "seconds", "parameters"
"""Sort keys beside the scores by head (`r2/HEAD`) and their mean (`r2/mean`)."""

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a hyperparameter of a trial.

    A hyperparameter that the search did not choose has the value that the space fixes, or its default.

    Args:
        name: The hyperparameter's name, as in a search space.
        comparison: A key of `COMPARISONS`.
        value: The value to compare with.
    """

    name: str
    comparison: str
    value: ParamValue

    @classmethod
    def parsed(cls, text: str, heads: Sequence[str]) -> Condition:
        """Parse `trunk.depth>=2` or `activation=relu`.

        Raises:
            ConfigError: The text is no condition, or names no hyperparameter.
        """
        match = re.fullmatch(r"\s*([^<>=!\s]+)\s*(<=|>=|!=|==|<|>|=)\s*(.*?)\s*", text)
        if not match or not match[3]:
            raise ConfigError(f"got '{text}', expected KEY=VALUE, KEY!=VALUE, KEY<VALUE or the like", "--where")
        name, comparison, given = match[1], match[2].replace("==", "="), match[3]
        hyperparameter = find_hyperparameter(name, heads)
        if hyperparameter is None:
            raise ConfigError(unknown_name_problem(name, heads), "--where")
        if isinstance(hyperparameter.default, str):
            if comparison not in {"=", "!="}:
                raise ConfigError(f"got '{text}', but {name} is a word: it can be compared by = and !=", "--where")
            if given not in hyperparameter.choices:
                raise ConfigError(
                    f"{name}: got '{given}', expected {hyperparameter.expected}{did_you_mean(given, hyperparameter.choices)}",
                    "--where",
                )
            return cls(name, comparison, given)
        try:
            return cls(name, comparison, float(given))
        except ValueError as error:
            raise ConfigError(f"got '{text}', but {name} is a number, and '{given}' is none", "--where") from error

    def is_met(self, value: ParamValue) -> bool:
        """Whether a value meets the condition. Numbers are equal if nine digits are."""
        if self.comparison in {"=", "!="} and not isinstance(self.value, str) and not isinstance(value, str):
            return math.isclose(value, self.value, rel_tol=1e-9) == (self.comparison == "=")
        return COMPARISONS[self.comparison](value, self.value)


@dataclass(frozen=True, slots=True)
class TrialFilter:
    """Which trials of a sweep are shown, and in which order.

    Args:
        sort: The sort key; see `sorts`.
        statuses: The statuses that are shown; all if empty.
        conditions: Conditions that a trial must meet.
        most: The most trials to show; None for all.
    """

    sort: str = OBJECTIVE
    statuses: frozenset[Status] = frozenset()
    conditions: Sequence[Condition] = ()
    most: int | None = None

    @classmethod
    def parsed(
        cls, sort: str, statuses: Sequence[str], where: Sequence[str], most: int | None, score_metrics: Mapping[str, str]
    ) -> TrialFilter:
        """Parse the options of the command line.

        Raises:
            ConfigError: An option has a value that is not valid.
        """
        heads, orders = list(score_metrics), sorts(score_metrics)
        if sort not in orders:
            message = f"got '{sort}', expected one of {', '.join(orders)}{did_you_mean(sort, orders)}"
            raise ConfigError(message, "--sort")
        names = [name.strip() for given in statuses for name in given.split(",")]
        known = {status.value.lower(): status for status in Status}
        for name in names:
            if name.lower() not in known:
                message = f"got '{name}', expected one of {', '.join(known)}{did_you_mean(name, known)}"
                raise ConfigError(message, "--status")
        conditions = [Condition.parsed(text, heads) for text in where]
        return cls(sort, frozenset(known[name.lower()] for name in names), conditions, most)

    @property
    def needs_experiment(self) -> bool:
        """Whether the experiment is needed, because the params of a trial are not enough."""
        return bool(self.conditions) or self.sort == PARAMETERS


def sorts(score_metrics: Mapping[str, str]) -> list[str]:
    """The sort keys. By scores and by the objective the highest comes first, by others the lowest."""
    names = dict(score_names(score_metrics))
    return [OBJECTIVE, names.pop(MEAN), *names.values(), NUMBER, SECONDS, PARAMETERS]


def value_of(name: str, params: Params, fixed: Params, heads: Sequence[str]) -> ParamValue:
    """The value of a hyperparameter in a trial: the search's choice, else what the space fixes, else the default.

    A hyperparameter of one head (`PE.depth`) has by default the value of that of all heads (`branch.depth`).
    """
    values = {**fixed, **params}
    hyperparameter = find_hyperparameter(name, heads)
    assert hyperparameter is not None, "conditions name hyperparameters"
    return values.get(name, values.get(hyperparameter.name, hyperparameter.default))
