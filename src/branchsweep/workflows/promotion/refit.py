"""Trains recipes anew on all training rows: the networks of an exported model.

A refit has no validation rows that would show that a network never learnt. So its score on the training rows is compared with
the confirmed scores of its recipe, and with the other refits of it. Such a network is replaced from another seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.collapse import FEWEST, is_far_below
from branchsweep.metrics.objectives import ObjectiveEvaluator
from branchsweep.metrics.scores import head_scores, mean_score
from branchsweep.models import ensemble_selection
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import Recipe
from branchsweep.training.lanes import Lane, refit_lanes
from branchsweep.trial import HeadScore
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial
from branchsweep.workflows.promotion.evaluation import export_and_predict, temporary_model_folder
from branchsweep.workflows.train_lanes import train_lanes

SPARE_SEEDS = 2
"""Fresh seeds that are tried beyond those that are needed, in case a refit diverges or collapses."""


@dataclass(frozen=True, slots=True)
class RefitRequest:
    """A recipe to be trained anew on all training rows.

    Args:
        name: For people.
        recipe: What is trained.
        epochs: For how long.
        count: How many networks, each from a seed of its own.
        confirmed: By head, the scores of the recipe's networks on the folds of the confirmation.
    """

    name: str
    recipe: Recipe
    epochs: int
    count: int = 1
    confirmed: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def seeds(self, is_spare: bool) -> range:
        """The seeds of its networks, or those that replace networks which diverge. They do not depend on other requests."""
        return range(self.count, self.count + SPARE_SEEDS) if is_spare else range(self.count)

    @classmethod
    def of_confirmed(cls, confirmed: ReevaluatedTrial, count: int = 1) -> RefitRequest:
        """As many epochs as the confirmed lanes needed for the weights that were scored, on average.

        No validation rows are left to stop by.
        """
        epochs = max(1, round(confirmed.score.epochs))
        return cls(confirmed.candidate.name, confirmed.candidate.recipe, epochs, count, confirmed.score.lane_scores)


@dataclass(frozen=True, slots=True)
class Refits:
    """The networks that were trained anew.

    Args:
        members: Of each request, as many as neither diverged nor collapsed; the best one where all collapsed.
        collapses: The networks that collapsed, each in a sentence that says what became of it.
    """

    members: list[list[ModelMember]]
    collapses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportMembers:
    """The networks of an exported model.

    Args:
        members: The networks, with their shares; none if all diverged.
        collapses: As of `Refits`.
    """

    members: Sequence[ModelMember]
    collapses: tuple[str, ...] = ()


def train_members(
    finalist: ReevaluatedTrial,
    confirmed: Sequence[ReevaluatedTrial],
    experiment: Experiment,
    training: TrainingContext,
    evaluator: ObjectiveEvaluator,
) -> ExportMembers:
    """The networks of the exported model, trained anew on all training rows.

    One of the finalist's recipe; or, where an ensemble is asked for, so many of it from as many seeds, or of the recipes that
    a greedy choice takes on the predictions that the confirmation made for rows that its networks were not trained on.
    """
    policy = experiment.promotion.ensemble if experiment.promotion else None
    if policy is None:
        refits = refit([RefitRequest.of_confirmed(finalist)], experiment, training)
        return ExportMembers(refits.members[0], refits.collapses)
    if policy.choose == "seeds":
        refits = refit([RefitRequest.of_confirmed(finalist, policy.size)], experiment, training)
        return ExportMembers(_averaged(refits.members, [1.0]), refits.collapses)
    eligible = [candidate for candidate in confirmed if candidate.candidate.searched is not None and candidate.lane_scores]
    rows = eligible[0].predicted_rows  # those of all of them, which have the same folds
    predictions = {index: candidate.predictions[rows] for index, candidate in enumerate(eligible)}
    heads, actual = kinds_by_head(experiment), training.rows.actual.rows(rows)
    shares = ensemble_selection.select_greedily(predictions, actual, heads, policy.size, evaluator.objective)
    requests = [
        RefitRequest.of_confirmed(eligible[index], max(1, round(share * policy.size))) for index, share in shares.items()
    ]
    refits = refit(requests, experiment, training)
    return ExportMembers(_averaged(refits.members, list(shares.values())), refits.collapses)


def refit(requests: Sequence[RefitRequest], experiment: Experiment, training: TrainingContext) -> Refits:
    """Train recipes again on all training rows, all networks together.

    Networks that diverge or collapse are replaced from other seeds, `SPARE_SEEDS` for each recipe.

    Args:
        requests: What is trained.
        experiment: Of all of them.
        training: Trains them.
    """
    members: list[list[ModelMember]] = [[] for _ in requests]
    collapsed: list[list[_ScoredMember]] = [[] for _ in requests]
    sentences: list[str] = []
    for is_spare in (False, True):
        lanes = {
            index: refit_lanes(request.recipe, experiment, request.seeds(is_spare), request.epochs)
            for index, request in enumerate(requests)
            if len(members[index]) < request.count
        }
        for index, found in _train_on_all_rows(lanes, requests, experiment, training).items():
            request = requests[index]
            scored = _scored(found, experiment, training)
            for candidate in scored:
                collapse = _collapse(candidate, scored, request)
                if not collapse:
                    members[index].append(candidate.member)
                    continue
                collapsed[index].append(candidate)
                remedy = "no seed is left" if is_spare else "it is trained again from another seed"
                sentences.append(f"a refit of {request.name} collapsed ({collapse}); {remedy}")
                training.progress.on_message(sentences[-1])
            del members[index][request.count :]
    for own, fallen in zip(members, collapsed, strict=True):
        if not own and fallen:
            own.append(max(fallen, key=lambda candidate: mean_score(candidate.scores)).member)
    return Refits(members, tuple(sentences))


@dataclass(frozen=True, slots=True)
class _ScoredMember:
    """A refitted network with its scores on the training rows."""

    member: ModelMember
    scores: Mapping[str, HeadScore]


def _scored(members: Sequence[ModelMember], experiment: Experiment, training: TrainingContext) -> list[_ScoredMember]:
    """Networks with the scores of their exported files on the training rows."""
    rows, heads, scored = training.rows, kinds_by_head(experiment), []
    for member in members:
        with temporary_model_folder() as folder:
            predictions = export_and_predict(ExportedModel.of(experiment, [member]), rows.x, training.trainer, folder)
        scored.append(_ScoredMember(member, head_scores(rows.actual, predictions, heads)))
    return scored


def _collapse(candidate: _ScoredMember, siblings: Sequence[_ScoredMember], request: RefitRequest) -> str:
    """How a refit collapsed: a head whose training score lies far below its siblings'; empty if none does."""
    for head, measured in candidate.scores.items():
        confirmed = list(request.confirmed.get(head, ()))
        trained = [sibling.scores[head].score for sibling in siblings]
        for others, where in ((confirmed, "when confirmed"), (trained if len(trained) >= FEWEST else [], "of its siblings")):
            if is_far_below(measured.score, others):
                median = float(np.median(others))
                return f"{head} {measured.score:.4f} on the training rows, a median of {median:.4f} {where}"
    return ""


def _train_on_all_rows(
    lanes: Mapping[int, Sequence[Lane]], requests: Sequence[RefitRequest], experiment: Experiment, training: TrainingContext
) -> dict[int, list[ModelMember]]:
    """By the index of a request, the networks that did not diverge, in order of their seeds."""
    every_lane = [lane for own in lanes.values() for lane in own]
    if not every_lane:
        return {}
    names = ", ".join(requests[index].name for index in lanes)
    outcomes = train_lanes(every_lane, experiment, training, f"{names}, on all training rows", keep_weights=True)
    members: dict[int, list[ModelMember]] = {index: [] for index in lanes}
    for index, own in lanes.items():
        for lane in own:
            outcome = outcomes[lane.key]
            if outcome.failed_at:
                where = f"{requests[index].name} diverged after epoch {outcome.failed_at}"
                training.progress.on_message(f"a refit of {where}; it is trained again from another seed")
            elif outcome.weights is not None:
                members[index].append(ModelMember(lane.recipe, outcome.weights, epochs=outcome.epochs))
    return members


def _averaged(groups: Sequence[Sequence[ModelMember]], shares: Sequence[float]) -> list[ModelMember]:
    """All members, those of a group with its share in equal parts; groups that are empty leave theirs to the others."""
    standing = [(group, share) for group, share in zip(groups, shares, strict=True) if group]
    total = sum(share for _, share in standing)
    return [replace(member, share=share / total / len(group)) for group, share in standing for member in group]
