"""Registers the exported finalist as a version of its model, with its model card and the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from branchsweep.config.metric_names import MEAN, metric_of_head
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.metrics import scores
from branchsweep.metrics.names import TEST, score_names
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.tracking.optional_outputs import OptionalOutputs
from branchsweep.tracking.registry_protocols import ModelCandidate, PromotionDecision
from branchsweep.trial import HeadScore, Result
from branchsweep.types import Floats
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.explanation import Explanation
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial
from branchsweep.workflows.promotion.champion import CurrentChampion, model_name
from branchsweep.workflows.promotion.refit import ExportMembers
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.records.sweep_summary import PromotionResult
from branchsweep.workflows.reporter import DescribedModel
from branchsweep.workflows.sweep_report import predictions_by_head


@dataclass(frozen=True, slots=True, eq=False)
class ExportedFinalist:
    """The finalist with its exported model.

    Args:
        finalist: The finalist, with the scores that the model is judged by.
        value: Of these scores, what trials are ranked by.
        trained: What the model consists of.
        test: The model's scores on the test rows, by head.
        predictions: `(test rows, outputs)` its predictions.
        folder: Its files.
        baselines: What it was compared with.
        intervals: Its prediction intervals; None where there are none.
        explanation: Which inputs its predictions rest on.
    """

    finalist: ReevaluatedTrial
    value: float
    trained: ExportMembers
    test: Mapping[str, HeadScore]
    predictions: Floats
    folder: Path
    baselines: Sequence[BaselineResult]
    intervals: CheckedIntervals | None
    explanation: Explanation | None


def with_evidence(decision: PromotionDecision, trained: ExportMembers, current: CurrentChampion | None) -> PromotionDecision:
    """A decision with what is kept beside it: against which champion it was made, and what the members are."""
    members = [{"name": own.name, "networks": own.networks, "weights": dict(own.weights)} for own in trained.described]
    evidence: dict[str, Any] = {
        **decision.evidence,
        **({"collapses": list(trained.collapses)} if trained.collapses else {}),
        **({"members": members} if len(members) > 1 else {}),
    }
    return replace(decision, evidence=evidence, against=current.champion.version if current else 0)


def register(
    exported: ExportedFinalist, decision: PromotionDecision, current: CurrentChampion | None, sweep: SweepContext
) -> PromotionResult:
    """Register the exported model, as the champion if the decision says so.

    Args:
        exported: The model.
        decision: As of `with_evidence`.
        current: The present champion; None if there is none.
        sweep: The sweep that found it.
    """
    finalist, experiment, dataset, split = exported.finalist, sweep.experiment, sweep.dataset, sweep.split
    name, trial, searched = model_name(experiment, dataset), finalist.candidate.trial, finalist.candidate.searched
    assert searched is not None, "the finalist is one of the search's trials"
    champion = current.champion if current else None
    if champion and (champion.sweep, champion.trial) == (sweep.tracking.tracker.run_id, trial.number):
        # promoted before this sweep was cut short
        return PromotionResult(name, champion.version, True, champion.because, champion.cause)
    described = DescribedModel(
        experiment,
        finalist,
        exported.trained.members,
        exported.test,
        decision,
        sweep.training.rows.ranges,
        dataset,
        split,
        exported.baselines,
        exported.trained.described,
        exported.intervals,
        exported.explanation,
        predictions_by_head(experiment, dataset, split.test, exported.predictions),
    )
    optional = OptionalOutputs(sweep.training.progress.on_message, "the model is registered without it")
    card = optional.make("the model card", lambda: sweep.reporter.model_card(described), "")
    candidate = ModelCandidate(
        model=name,
        folder=exported.folder,
        sweep=sweep.tracking.tracker.run_id,
        experiment_yaml=dump_yaml(experiment),
        result=Result(trial, searched),
        value=exported.value,
        rule=experiment.objective.ranking_description,
        test=test_metrics(exported.test, experiment.score_metrics),
        data_digest=dataset.digest,
        split_digest=split.digest,
        files={"MODEL_CARD.md": card} if card else {},
    )
    registered = sweep.tracking.registry.register(candidate, decision)
    return PromotionResult(name, registered.version, decision.promote, decision.because, decision.cause)


def test_metrics(test: Mapping[str, HeadScore], score_metrics: Mapping[str, str]) -> dict[str, float]:
    """The metrics on the test rows by their names in the store (`test_r2/mean`, `test_r2/PE`, `test_rmse/PE`, …)."""
    metrics = {score_names(score_metrics, TEST)[MEAN]: scores.mean_score(test)}
    for head, measured in test.items():
        metrics |= {metric_of_head(TEST.format(name), head): value for name, value in measured.metrics.items()}
    return metrics
