"""Trains recipes anew on all training rows: the networks of an exported model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.objectives import ObjectiveEvaluator
from branchsweep.models import ensemble_selection
from branchsweep.models.exported_model import ModelMember
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import Recipe
from branchsweep.training.lanes import Lane, refit_lanes
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial
from branchsweep.workflows.train_lanes import train_lanes

SPARE_SEEDS = 2
"""Fresh seeds that are tried beyond those that are needed, in case a refit diverges."""


@dataclass(frozen=True, slots=True)
class RefitRequest:
    """A recipe to be trained anew on all training rows.

    Args:
        name: For people.
        recipe: What is trained.
        epochs: For how long.
        count: How many networks, each from a seed of its own.
    """

    name: str
    recipe: Recipe
    epochs: int
    count: int = 1

    def seeds(self, is_spare: bool) -> range:
        """The seeds of its networks, or those that replace networks which diverge. They do not depend on other requests."""
        return range(self.count, self.count + SPARE_SEEDS) if is_spare else range(self.count)

    @classmethod
    def of_confirmed(cls, confirmed: ReevaluatedTrial, count: int = 1) -> RefitRequest:
        """As many epochs as the confirmed lanes needed for the weights that were scored, on average.

        No validation rows are left to stop by.
        """
        return cls(confirmed.candidate.name, confirmed.candidate.recipe, max(1, round(confirmed.score.epochs)), count)


def train_members(
    finalist: ReevaluatedTrial,
    confirmed: Sequence[ReevaluatedTrial],
    experiment: Experiment,
    training: TrainingContext,
    evaluator: ObjectiveEvaluator,
) -> list[ModelMember]:
    """The networks of the exported model, trained anew on all training rows; none if all diverge.

    One of the finalist's recipe; or, where an ensemble is asked for, so many of it from as many seeds, or of the recipes that
    a greedy choice takes on the predictions that the confirmation made for rows that its networks were not trained on.
    """
    policy = experiment.promotion.ensemble if experiment.promotion else None
    if policy is None:
        return refit([RefitRequest.of_confirmed(finalist)], experiment, training)[0]
    if policy.choose == "seeds":
        return _averaged(refit([RefitRequest.of_confirmed(finalist, policy.size)], experiment, training), [1.0])
    eligible = [candidate for candidate in confirmed if candidate.candidate.searched is not None and candidate.lane_scores]
    predictions = {index: candidate.predictions for index, candidate in enumerate(eligible)}
    heads = kinds_by_head(experiment)
    shares = ensemble_selection.select_greedily(predictions, training.rows.y, heads, policy.size, evaluator.objective)
    requests = [
        RefitRequest.of_confirmed(eligible[index], max(1, round(share * policy.size))) for index, share in shares.items()
    ]
    return _averaged(refit(requests, experiment, training), list(shares.values()))


def refit(requests: Sequence[RefitRequest], experiment: Experiment, training: TrainingContext) -> list[list[ModelMember]]:
    """Train recipes again on all training rows, all networks together.

    Networks that diverge are replaced from other seeds, `SPARE_SEEDS` for each recipe.

    Args:
        requests: What is trained.
        experiment: Of all of them.
        training: Trains them.

    Returns:
        The networks of each request, as many as did not diverge.
    """
    members: list[list[ModelMember]] = [[] for _ in requests]
    for is_spare in (False, True):
        lanes = {
            index: refit_lanes(request.recipe, experiment, request.seeds(is_spare), request.epochs)
            for index, request in enumerate(requests)
            if len(members[index]) < request.count
        }
        trained = _train_on_all_rows(lanes, requests, experiment, training)
        for index, found in trained.items():
            members[index].extend(found[: requests[index].count - len(members[index])])
    return members


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
