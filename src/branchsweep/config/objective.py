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
        metric: What is measured, as in an objective.
        factor: A number.
        reference: The initial trial that is measured likewise; empty for none.
    """

    metric: str
    factor: float
    reference: str

    @classmethod
    def parsed(cls, text: str) -> Constraint:
        """The constraint that `r2/PE >= 0.9`, `r2/PE >= 0.99 * article` or `r2/PE >= article` spells.

        Raises:
            ValueError: It spells none.
        """
        found = _CONSTRAINT.fullmatch(text.strip())
        if found is None or not (found["factor"] or found["reference"]):
            raise ValueError(f"got '{text}', expected METRIC >= NUMBER, or METRIC >= NUMBER * TRIAL (r2/PE >= 0.99 * article)")
        return cls(found["metric"], float(found["factor"] or 1.0), found["reference"] or "")


_CONSTRAINT = re.compile(
    r"(?P<metric>\S+)\s*>=\s*(?:(?P<factor>-?\d+(?:\.\d*)?(?:[eE]-?\d+)?)\s*(?:\*\s*|$))?(?P<reference>[A-Za-z_][\w-]*)?"
)


class Objective(ConfigModel):
    """What the search is for."""

    maximize: list[str] = Field(
        default_factory=lambda: [DEFAULT_OBJECTIVE],
        min_length=1,
        description="mean_r2, min_r2, weighted or r2/HEAD; several of them for a Pareto front.",
    )
    weights: Mapping[Name, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Of `weighted`: by head, its share in the mean; 1 where none is given."
    )
    choose: str | None = Field(
        None, description="By which figure one of a front is chosen to be refitted and promoted; mean_r2 if absent."
    )
    constraints: list[str] = Field(
        default_factory=list,
        description="What the best trial must meet, such as r2/PE >= 0.99 * article (an initial trial).",
    )

    @field_validator("constraints")
    @classmethod
    def _spelt(cls, constraints: list[str]) -> list[str]:
        for text in constraints:
            Constraint.parsed(text)
        return constraints

    @property
    def is_multi_objective(self) -> bool:
        """Whether there is a front, rather than a best."""
        return len(self.maximize) > 1

    @property
    def ranking_metric(self) -> str:
        """The figure by which one trial is ranked before another."""
        return self.choose or (DEFAULT_OBJECTIVE if self.is_multi_objective else self.maximize[0])

    @property
    def ranking_description(self) -> str:
        """The rule with its weights: figures by the same words may be compared."""
        if self.ranking_metric != WEIGHTED or not self.weights:
            return self.ranking_metric
        return f"{WEIGHTED} ({', '.join(f'{head} {weight:g}' for head, weight in self.weights.items())})"

    @property
    def parsed_constraints(self) -> list[Constraint]:
        """The constraints, taken apart."""
        return [Constraint.parsed(text) for text in self.constraints]
