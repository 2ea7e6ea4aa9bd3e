"""The metrics of an objective on the test rows as rows of a table, the same in terminal and report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from branchsweep.config.metric_names import ObjectiveMetric
from branchsweep.reporting.formatting import format_score
from branchsweep.workflows.records.sweep_summary import SweepSummary


class ObjectiveRow(NamedTuple):
    """One model.

    Args:
        model: The finalist, or the name of a baseline.
        values: By metric of the objective, as in `SweepSummary.objective_metrics`.
    """

    model: str
    values: Sequence[str]


def objective_rows(result: SweepSummary) -> Iterator[ObjectiveRow]:
    """The finalist and the baselines; nothing where the objective is made of scores, or where nothing was tested."""
    names = [ObjectiveMetric.parsed(name) for name in result.objective_metrics]

    def row(model: str, metrics: Mapping[str, Mapping[str, float]]) -> ObjectiveRow:
        return ObjectiveRow(model, [format_score(metrics.get(name.head, {}).get(name.metric)) for name in names])

    if names and result.test_metrics:
        yield row("finalist", result.test_metrics)
        for baseline in result.baselines_best_first:
            yield row(baseline.name, baseline.test_metrics)
