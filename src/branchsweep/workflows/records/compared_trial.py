"""One of two trials that are compared, and what is known of it, as values by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEAN, metric_of_head
from branchsweep.config.sections.validation import KFold
from branchsweep.metrics.names import other_metrics, score_names
from branchsweep.models.recipe import recipe_for
from branchsweep.tracking.champion_history import RegisteredVersion
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.trial import MeanScores, ParamValue, Result
from branchsweep.workflows.records.sweep_summary import SweepSummary

Value = ParamValue | None


@dataclass(frozen=True, slots=True)
class ComparedTrial:
    """One of the two: a trial, with the registered version that was made of it where that was named.

    Args:
        name: What it is called: `branched:17`, or `plant version 2`.
        sweep_id: The sweep's run.
        run_id: The trial's run.
        record: What was written down about its sweep.
        experiment: The sweep's experiment.
        result: The trial with its score.
        summary: What the sweep finished with; None for one that has not, or whose summary cannot be read.
        version: The registered version that is compared; None for a trial.
    """

    name: str
    sweep_id: str
    run_id: str
    record: SweepRecord
    experiment: Experiment
    result: Result
    summary: SweepSummary | None = None
    version: RegisteredVersion | None = None


def trial_facts(compared: ComparedTrial) -> dict[str, Value]:
    """Where a trial comes from, and how it was trained."""
    record, score, trial = compared.record, compared.result.score, compared.result.trial
    validation = compared.experiment.validation
    design = f"{validation.folds} folds" if isinstance(validation, KFold) else f"hold-out of {validation.fraction:g}"
    inputs = compared.experiment.table.inputs.values()
    return {
        "sweep": f"{record.name} ({compared.sweep_id[:8]})",
        "trial": f"{trial.number}{f' ({trial.known})' if trial.known else ''}",
        "run": compared.run_id[:12],
        "status": score.status.value.lower(),
        "reason": score.reason or None,
        "epochs": round(score.epochs, 1),
        "networks": score.lanes,
        "parameters": recipe_for(compared.experiment, trial.params).parameters(inputs) or None,
        "seconds": round(score.seconds, 1),
        "table": f"{record.table.location}, {record.table.rows:,} rows ({record.table.digest[:12]})",
        "split": record.split_digest[:12],
        "validation": f"{design}, {validation.seeds} seed{'s' * (validation.seeds > 1)}",
        "seed": record.seed,
        "heads": ", ".join(record.heads),
    }


def metric_values(compared: ComparedTrial) -> dict[str, Value]:
    """The metrics that are no score, by full name such as `rmse/PE`."""
    heads = compared.result.score.heads
    return {
        metric_of_head(metric, head): float(f"{measured.metrics[metric]:.4g}")
        for metric in other_metrics(compared.record.score_metrics)
        for head, measured in heads.items()
        if metric in measured.metrics
    }


def evidence(compared: ComparedTrial) -> dict[str, Value]:
    """What was measured after the search, and what followed from it."""
    summary, version, number = compared.summary, compared.version, compared.result.trial.number
    rows: dict[str, Value] = {}
    confirmed = next((found for found in summary.confirmed if found.trial == number), None) if summary else None
    if confirmed:
        rows |= {f"confirmed {name}": _with_error(confirmed.scores, head) for head, name in _names(compared).items()}
    is_finalist = summary is not None and summary.finalist is not None and summary.finalist.trial == number
    if version:
        rows |= {name: round(value, 4) for name, value in version.test.items()}
    elif is_finalist and summary and summary.test_scores:
        rows |= {f"test_{name}": round(summary.test_scores[head], 4) for head, name in _names(compared).items() if head != MEAN}
    if is_finalist and summary:
        rows["networks of the model"] = summary.members
    if version:
        rows |= {
            "aliases": ", ".join(version.aliases) or "none",
            "registered": version.registered,
            "decision": version.because,
        }
    elif is_finalist and summary and summary.registered:
        registered = summary.registered
        rows["registered as"] = f"{registered.model} version {registered.version}"
        rows["decision"] = registered.because
    return rows


def _names(compared: ComparedTrial) -> Mapping[str, str]:
    return score_names(compared.record.score_metrics)


def _with_error(scores: MeanScores, head: str) -> str | None:
    value, error = scores.values.get(head, math.nan), scores.errors.get(head, math.nan)
    if math.isnan(value):
        return None
    return f"{value:.4f}" if math.isnan(error) else f"{value:.4f} ± {error:.4f}"
