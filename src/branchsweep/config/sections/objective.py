"""What a search optimizes, and the constraints that its best trial must meet."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, field_validator

from branchsweep.config.config_model import SHORT_TEXT, ConfigModel, Name
from branchsweep.config.metric_names import (
    DEFAULT_OBJECTIVE,
    LATENCY,
    MEAN_PREFIX,
    WEIGHTED,
    ObjectiveMetric,
    common_metric,
    metric_of_head,
)
from branchsweep.config.sections.heads import MAX_HEADS

MAX_OBJECTIVES, MAX_CONSTRAINTS = 32, 100
"""The most metrics that are optimized at once, and the most constraints."""

MINIMIZE = "minimize"
"""The key of a file under which metrics may stand of which less is better; loading writes them at the end of `maximize`."""

MAX_WEIGHT = 1e9
"""The largest weight of a head."""


class Constraint(NamedTuple):
    """`metric >= factor * reference`, or `metric >= factor` where there is no reference; or the same with `<=`.

    Args:
        metric: The metric, as in an objective.
        factor: The bound, or the factor of the reference.
        reference: The name of the initial trial that has the metric to compare with; empty for none.
        at_most: Whether the bound is an upper one.
    """

    metric: str
    factor: float
    reference: str
    at_most: bool = False

    @property
    def sign(self) -> str:
        """`>=` or `<=`."""
        return "<=" if self.at_most else ">="

    @classmethod
    def parsed(cls, text: str) -> Constraint:
        """The constraint of a text such as `r2/PE >= 0.9`, `r2/PE >= 0.99 * article` or `parameters <= 5000`.

        Raises:
            ValueError: The text has none of these forms.
        """
        found = _CONSTRAINT.fullmatch(text.strip())
        if found is None or not (found["factor"] or found["reference"]):
            forms = "METRIC >= NUMBER, or METRIC >= NUMBER * TRIAL (r2/PE >= 0.99 * article); <= where less is better"
            raise ValueError(f"got '{text}', expected {forms}")
        factor = float(found["factor"] or 1.0)
        if math.isinf(factor):
            raise ValueError(f"got '{text}', expected a number that a computer can hold")
        return cls(found["metric"], factor, found["reference"] or "", found["sign"] == "<=")


_CONSTRAINT = re.compile(
    r"(?P<metric>[^\s<>=]+)\s*(?P<sign>[<>]=)\s*(?:(?P<factor>-?\d+(?:\.\d*)?(?:[eE]-?\d+)?)\s*(?:\*\s*|$))?(?P<reference>[A-Za-z_][\w-]*)?"
)


class Objective(ConfigModel):
    """What the search optimizes, and which constraints its best trial must meet."""

    maximize: list[Annotated[str, Field(max_length=SHORT_TEXT)]] = Field(
        default_factory=lambda: [DEFAULT_OBJECTIVE],
        min_length=1,
        max_length=MAX_OBJECTIVES,
        description="mean_r2, min_r2, weighted, or METRIC/HEAD for any metric of a head (r2/PE, rmse/PE, accuracy/state); "
        "several of them for a Pareto front, then also parameters, multiplications, size or latency of the network. Metrics "
        "of which less is better are minimized. Scores of other tasks than regression are called d2_log_loss (classes), "
        "d2_poisson (count) and d2_pinball (quantile), the mean of unlike ones mean_score.",
    )
    weights: Mapping[Name, Annotated[float, Field(gt=0, le=MAX_WEIGHT)]] = Field(
        default_factory=dict, max_length=MAX_HEADS, description="The weights of the heads in `weighted`; 1 where none is given."
    )
    choose: Annotated[str, Field(max_length=SHORT_TEXT)] | None = Field(
        None,
        description="The metric by which one trial of a Pareto front is chosen to be refitted and promoted; mean_r2 if absent.",
    )
    constraints: list[Annotated[str, Field(max_length=SHORT_TEXT)]] = Field(
        default_factory=list,
        max_length=MAX_CONSTRAINTS,
        description="What the best trial must meet, such as r2/PE >= 0.99 * article (an initial trial), rmse/PE <= 4 or "
        "parameters <= 5000.",
    )

    def for_scores(self, metrics: Iterable[str]) -> Self:
        """The same, its defaults those of heads whose scores are these metrics: their mean.

        Args:
            metrics: The metric that is the score, of each head.
        """
        mean = f"{MEAN_PREFIX}{common_metric(metrics)}"
        if mean == DEFAULT_OBJECTIVE:
            return self
        defaults: dict[str, Any] = {} if "maximize" in self.model_fields_set else {"maximize": [mean]}
        defaults |= {"choose": mean} if self.is_multi_objective and self.choose is None else {}
        return self.model_copy(update=defaults)

    @field_validator("constraints")
    @classmethod
    def _check_constraints(cls, constraints: list[str]) -> list[str]:
        for text in constraints:
            Constraint.parsed(text)
        return constraints

    @property
    def is_multi_objective(self) -> bool:
        """Whether the search finds a Pareto front instead of one best trial."""
        return len(self.maximize) > 1

    @property
    def ranking_metric(self) -> str:
        """The metric by which trials are ranked."""
        return self.choose or (DEFAULT_OBJECTIVE if self.is_multi_objective else self.maximize[0])

    @property
    def ranking_description(self) -> str:
        """The ranking metric with its weights: values with the same description are comparable."""
        if self.ranking_metric != WEIGHTED or not self.weights:
            return self.ranking_metric
        return f"{WEIGHTED} ({', '.join(f'{head} {weight:g}' for head, weight in self.weights.items())})"

    def others(self, score_metrics: Mapping[str, str]) -> tuple[str, ...]:
        """What is optimized, or chooses from a front, and is no score of heads: `rmse/PE`, `parameters`.

        Args:
            score_metrics: The name of the metric that is the score, by head.
        """
        named = {name: ObjectiveMetric.parsed(name) for name in (*self.maximize, self.ranking_metric)}
        return tuple(
            name
            for name, metric in named.items()
            if metric.is_of_network or (metric.head and score_metrics.get(metric.head) != metric.metric)
        )

    def by_scores(self, score_metrics: Mapping[str, str]) -> Objective:
        """What stands for the ranking metric where there are scores alone: for another metric of a head that head's score.

        Args:
            score_metrics: The name of the metric that is the score, by head.
        """
        metric = ObjectiveMetric.parsed(self.ranking_metric)
        rule = metric_of_head(score_metrics[metric.head], metric.head) if metric.head else self.ranking_metric
        return Objective(maximize=[rule], weights=self.weights)

    @property
    def optimizes_latency(self) -> bool:
        """Whether the latency of every trial's network is measured."""
        return LATENCY in self.maximize

    @property
    def constrains_latency(self) -> bool:
        """Whether a constraint needs a measured latency."""
        return any(constraint.metric == LATENCY for constraint in self.parsed_constraints)

    @property
    def parsed_constraints(self) -> list[Constraint]:
        """The constraints, parsed."""
        return [Constraint.parsed(text) for text in self.constraints]
