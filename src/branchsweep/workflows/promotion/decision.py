"""Whether the exported finalist becomes the champion: by the gate where there is a champion, else by whether it is sound."""

from __future__ import annotations

from dataclasses import replace

from branchsweep.config.experiment import Experiment
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.tracking.registry_protocols import PromotionCause, PromotionDecision
from branchsweep.types import Floats
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.promotion import gate
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial
from branchsweep.workflows.promotion.champion import CurrentChampion
from branchsweep.workflows.promotion.first_version import FirstVersion

REMEDY = "branchsweep promote --first any makes it champion nevertheless"
"""What to do about a first version that is not sound."""


def decide(
    sweep: SweepContext,
    first: FirstVersion,
    predictions: Floats | None,
    champion: CurrentChampion | None,
    rival: ReevaluatedTrial | None,
) -> PromotionDecision:
    """Whether a model becomes the champion.

    Args:
        sweep: The sweep of a promotion policy.
        first: The model with what it is judged by.
        predictions: Of the exported model on the test rows; None if they are not to be used.
        champion: The current one; None if there is none.
        rival: The champion with its confirmed score; None if there is none, or it cannot be trained again.
    """
    decision = _against_champion(sweep, first.finalist, predictions, champion, rival)
    return _require_sound(sweep.experiment, decision, first, rival)


def _against_champion(
    sweep: SweepContext,
    finalist: ReevaluatedTrial,
    predictions: Floats | None,
    champion: CurrentChampion | None,
    rival: ReevaluatedTrial | None,
) -> PromotionDecision:
    """The decision of the gate (`gate.decide_promotion`); to promote where it has nothing to compare with."""
    experiment, dataset, split = sweep.experiment, sweep.dataset, sweep.split
    assert experiment.promotion is not None, "only an experiment with a promotion policy decides"
    if champion and rival is None:
        return PromotionDecision(True, champion.why_not, cause=champion.cause)
    if rival and not rival.lane_scores:
        because = f"{rival.candidate.name} failed when it was trained again ({rival.score.reason})"
        return PromotionDecision(True, because, cause=PromotionCause.CHAMPION_DIVERGED)
    rival_predictions, actual = None, None
    if champion and champion.is_fair and predictions is not None:
        registered = champion.champion
        with sweep.tracking.registry.model_files(registered.model, registered.version) as folder:
            rival_predictions = sweep.training.trainer.predict(folder, dataset.x[split.test])
        actual = dataset.actual.rows(split.test)
    train, validation = split.confirmation[0]
    measured = gate.GateMeasurements(
        champion=_gate_candidate(rival, rival_predictions) if rival else None,
        challenger=_gate_candidate(finalist, None if actual is None else predictions),
        actual=actual,
        validation_share=len(validation) / (len(train) + len(validation)),
        kinds=kinds_by_head(experiment),
    )
    return gate.decide_promotion(experiment.promotion.gate, experiment.objective, measured, experiment.seed)


def _require_sound(
    experiment: Experiment, decision: PromotionDecision, first: FirstVersion, rival: ReevaluatedTrial | None
) -> PromotionDecision:
    """The decision; not to promote where there was no champion to compare with, and the model is not sound."""
    assert experiment.promotion is not None, "only an experiment with a promotion policy decides"
    policy = experiment.promotion.gate
    if not decision.promote or policy.first == "any" or (rival and rival.lane_scores):
        return decision
    objection = first.objection(experiment.objective, policy.margin)
    if objection is None:
        return decision
    return replace(decision, promote=False, because=f"{objection.sentence}; {REMEDY}", cause=objection.cause)


def _gate_candidate(confirmed: ReevaluatedTrial, predictions: Floats | None) -> gate.GateCandidate:
    keys = sorted(confirmed.lane_scores)
    experiment = confirmed.candidate.experiment
    return gate.GateCandidate(
        name=confirmed.candidate.name,
        scores={head: tuple(confirmed.lane_scores[key][head] for key in keys) for head in experiment.heads},
        ranked=tuple(confirmed.ranked[key] for key in keys) if confirmed.ranked else (),
        score_metrics=experiment.score_metrics,
        folds=tuple(fold for fold, _ in keys),
        predictions=predictions,
    )
