"""Which trials of a recorded sweep are shown, and in which order."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.config.builders import own_problem
from branchsweep.config.hyperparameters import find_hyperparameter, unknown_name_problem
from branchsweep.config.metric_names import MEAN, MEASURED_NETWORK_METRICS, PARAMETERS
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.metrics.names import score_names
from branchsweep.trial import Params, ParamValue, Status

OBJECTIVE, NUMBER, SECONDS = "objective", "number", "seconds"
"""Sort keys beside the scores by head (`r2/HEAD`), their mean (`r2/mean`), and the metrics of networks."""

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}

_BOOLEANS = {"true": True, "false": False}


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
    def parsed(cls, text: str, heads: Sequence[str], space: SearchSpace | None = None) -> Condition:
        """Parse `trunk.depth>=2` or `activation=relu`.

        Args:
            text: The condition.
            heads: The names of the heads.
            space: The search space of the trials, whose builder may have hyperparameters of its own.

        Raises:
            ConfigError: The text is no condition, or names no hyperparameter.
        """
        match = re.fullmatch(r"\s*([^<>=!\s]+)\s*(<=|>=|!=|==|<|>|=)\s*(.*?)\s*", text)
        if not match or not match[3]:
            raise ConfigError(f"got '{text}', expected KEY=VALUE, KEY!=VALUE, KEY<VALUE or the like", "--where")
        name, comparison, given = match[1], match[2].replace("==", "="), match[3]
        own = space.own_hyperparameter(name, heads) if space else None
        if own and space and (problem := own_problem(name, [*space.dimensions, *space.fixed], ())):
            raise ConfigError(problem, "--where")
        hyperparameter = own or find_hyperparameter(name, heads)
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
        if isinstance(hyperparameter.default, bool) and given in _BOOLEANS:
            return cls(name, comparison, _BOOLEANS[given])
        try:
            return cls(name, comparison, float(given))
        except ValueError as error:
            raise ConfigError(f"got '{text}', but {name} is a number, and '{given}' is none", "--where") from error

    def is_met(self, value: ParamValue | None) -> bool:
        """Whether a value meets the condition, which None does not. Numbers are equal if nine digits are."""
        if value is None:
            return False
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
        cls,
        sort: str,
        statuses: Sequence[str],
        conditions: Sequence[Condition],
        most: int | None,
        score_metrics: Mapping[str, str],
    ) -> TrialFilter:
        """Parse the options of the command line.

        Raises:
            ConfigError: An option has a value that is not valid.
        """
        orders = sorts(score_metrics)
        if sort not in orders:
            message = f"got '{sort}', expected one of {', '.join(orders)}{did_you_mean(sort, orders)}"
            raise ConfigError(message, "--sort")
        names = [name.strip() for given in statuses for name in given.split(",")]
        known = {status.value.lower(): status for status in Status}
        for name in names:
            if name.lower() not in known:
                message = f"got '{name}', expected one of {', '.join(known)}{did_you_mean(name, known)}"
                raise ConfigError(message, "--status")
        return cls(sort, frozenset(known[name.lower()] for name in names), conditions, most)

    @property
    def needs_experiment(self) -> bool:
        """Whether the experiment is needed, because the params of a trial are not enough."""
        return bool(self.conditions) or self.sort == PARAMETERS


def sorts(score_metrics: Mapping[str, str]) -> list[str]:
    """The sort keys. By scores and by the objective the highest comes first, by others the lowest."""
    names = dict(score_names(score_metrics))
    return [OBJECTIVE, names.pop(MEAN), *names.values(), NUMBER, SECONDS, *MEASURED_NETWORK_METRICS]


def value_of(name: str, params: Params, fixed: Params, heads: Sequence[str]) -> ParamValue | None:
    """The value of a hyperparameter in a trial: the search's choice, else what the space fixes, else the default.

    A hyperparameter of one head (`PE.depth`) has by default the value of that of all heads (`branch.depth`); one of a builder
    has no default: None where the trial's other values leave it out.
    """
    values = {**fixed, **params}
    hyperparameter = find_hyperparameter(name, heads)
    if hyperparameter is None:
        return values.get(name)
    return values.get(name, values.get(hyperparameter.name, hyperparameter.default))
