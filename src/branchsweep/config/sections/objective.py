"""What a search maximizes, and the constraints that its best trial must meet."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, field_validator

from branchsweep.config.config_model import SHORT_TEXT, ConfigModel, Name
from branchsweep.config.metric_names import DEFAULT_OBJECTIVE, MEAN_PREFIX, WEIGHTED, common_metric
from branchsweep.config.sections.heads import MAX_HEADS

MAX_OBJECTIVES, MAX_CONSTRAINTS = 32, 100
"""The most metrics that are maximized at once, and the most constraints."""

MAX_WEIGHT = 1e9
"""The largest weight of a head."""


class Constraint(NamedTuple):
    """`metric >= factor * reference`, or `metric >= factor` where there is no reference.

    Args:
        metric: The metric, as in an objective.
        factor: The bound, or the factor of the reference.
        reference: The name of the initial trial that has the metric to compare with; empty for none.
    """

    metric: str
    factor: float
    reference: str

    @classmethod
    def parsed(cls, text: str) -> Constraint:
        """The constraint of a text such as `r2/PE >= 0.9`, `r2/PE >= 0.99 * article` or `r2/PE >= article`.

        Raises:
            ValueError: The text has none of these forms.
        """
        found = _CONSTRAINT.fullmatch(text.strip())
        if found is None or not (found["factor"] or found["reference"]):
            raise ValueError(f"got '{text}', expected METRIC >= NUMBER, or METRIC >= NUMBER * TRIAL (r2/PE >= 0.99 * article)")
        factor = float(found["factor"] or 1.0)
        if math.isinf(factor):
            raise ValueError(f"got '{text}', expected a number that a computer can hold")
        return cls(found["metric"], factor, found["reference"] or "")


_CONSTRAINT = re.compile(
    r"(?P<metric>\S+)\s*>=\s*(?:(?P<factor>-?\d+(?:\.\d*)?(?:[eE]-?\d+)?)\s*(?:\*\s*|$))?(?P<reference>[A-Za-z_][\w-]*)?"
)


class Objective(ConfigModel):
    """What the search maximizes, and which constraints its best trial must meet."""

    maximize: list[Annotated[str, Field(max_length=SHORT_TEXT)]] = Field(
        default_factory=lambda: [DEFAULT_OBJECTIVE],
        min_length=1,
        max_length=MAX_OBJECTIVES,
        description="mean_r2, min_r2, weighted or r2/HEAD; several of them for a Pareto front. Scores of other tasks "
        "are called d2_log_loss (classes), d2_poisson (count) and d2_pinball (quantile), the mean of unlike ones mean_score.",
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
        description="What the best trial must meet, such as r2/PE >= 0.99 * article (an initial trial).",
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

    @property
    def parsed_constraints(self) -> list[Constraint]:
        """The constraints, parsed."""
        return [Constraint.parsed(text) for text in self.constraints]
