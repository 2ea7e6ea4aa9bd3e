"""The rows of the tables of a sweep's page that are about its model: beside the baselines, and by its members."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from branchsweep.reporting.formatting import chosen_params, format_difference, format_mean_score, format_score
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.sweep_report import SweepReport


def finalist_and_baselines(report: SweepReport) -> list[Mapping[str, Any]]:
    """Rows of the table of the finalist and the baselines."""
    result, heads = report.summary, list(report.experiment.heads)
    if result.finalist is None:
        return []
    best = result.finalist
    rows = [
        BaselineResult("finalist", result.finalist_scores or best.scores, result.test_scores or {}),
        *result.baselines_best_first,
    ]
    remark = ", ".join(filter(None, [f"trial {best.trial}", result.model_description]))
    highest = {head: max((row.test_scores.get(head, -math.inf) for row in rows), default=-math.inf) for head in heads}
    return [
        {
            "name": row.name,
            "remark": chosen_params(row) if index else remark,
            "test": [
                {"text": format_score(row.test_scores.get(head)), "is_best": row.test_scores.get(head) == highest[head]}
                for head in heads
            ],
            "confirmed": [{"text": format_mean_score(row.scores, head)} for head in heads],
        }
        for index, row in enumerate(rows)
    ]


def best_baseline_of_each_head(report: SweepReport) -> list[Mapping[str, str]]:
    """Rows of the table of the finalist against the best baseline of each head, by their confirmed scores."""
    scores = report.summary.finalist_scores
    return [
        {
            "head": head,
            "finalist": format_score(scores.values.get(head) if scores else None),
            "baseline": format_score(best.score),
            "difference": format_difference(best.difference),
            "name": best.label,
        }
        for head, best in report.summary.best_baselines.items()
    ]


def ensemble_members(report: SweepReport) -> list[Mapping[str, Any]]:
    """Rows of the table of an ensemble's members with their weights; none for the networks of one recipe."""
    ensemble, heads = report.summary.ensemble, list(report.experiment.heads)
    if ensemble is None or not ensemble.members_differ:
        return []
    return [
        {
            "name": member.name,
            "networks": member.networks or "estimator of scikit-learn",
            "weights": [f"{member.weights[head]:.3f}" for head in heads],
        }
        for member in ensemble.members
    ]
