"""What a search maximizes, and the constraints that its best trial must meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import Field, field_validator

from branchsweep.config.config_model import ConfigModel, Name
from branchsweep.config.metric_names import DEFAULT_OBJECTIVE, WEIGHTED


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
        return cls(found["metric"], float(found["factor"] or 1.0), found["reference"] or "")


_CONSTRAINT = re.compile(
    r"(?P<metric>\S+)\s*>=\s*(?:(?P<factor>-?\d+(?:\.\d*)?(?:[eE]-?\d+)?)\s*(?:\*\s*|$))?(?P<reference>[A-Za-z_][\w-]*)?"
)


class Objective(ConfigModel):
    """What the search maximizes, and which constraints its best trial must meet."""

    maximize: list[str] = Field(
        default_factory=lambda: [DEFAULT_OBJECTIVE],
        min_length=1,
        description="mean_r2, min_r2, weighted or r2/HEAD; several of them for a Pareto front.",
    )
    weights: Mapping[Name, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="The weights of the heads in `weighted`; 1 where none is given."
    )
    choose: str | None = Field(
        None,
        description="The metric by which one trial of a Pareto front is chosen to be refitted and promoted; mean_r2 if absent.",
    )
    constraints: list[str] = Field(
        default_factory=list,
        description="What the best trial must meet, such as r2/PE >= 0.99 * article (an initial trial).",
    )

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
