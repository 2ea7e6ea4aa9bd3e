"""The members of an ensemble, with their weights, and what the ensemble is worth.

Members are chosen by what they predict for rows that they were not trained on: the validation rows of the confirmation's folds.
A score on these rows would be flattered by the choice. So an ensemble is scored fold by fold: what the other folds choose
predicts the rows of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.promotion import Ensemble
from branchsweep.metrics import scores
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.output_columns import by_output, output_count
from branchsweep.models.ensemble_selection import select_greedily
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.stacking import stack
from branchsweep.types import Floats, Positions
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial, ranked_metric
from branchsweep.workflows.promotion.estimators import ChosenEstimator, ConfirmedEstimator

Choice = Callable[[Mapping[int, Floats], Actual], Mapping[int, Floats]]
"""From predictions `(rows, outputs)` by the index of a candidate, and the actual values of these rows, to the weights
`(heads,)` of those that are taken."""


@dataclass(frozen=True, slots=True, eq=False)
class MemberCandidate:
    """What an ensemble may consist of: the networks of a recipe, or an estimator of scikit-learn.

    Args:
        source: With its predictions for the rows that it was not trained on.
    """

    source: ReevaluatedTrial | ConfirmedEstimator

    @property
    def predictions(self) -> Floats:
        """`(training rows, outputs)` in natural units; NaN in rows that are validation rows of no fold."""
        return self.source.predictions

    @property
    def network(self) -> ReevaluatedTrial | None:
        """The recipe with its confirmed score; None for an estimator."""
        return self.source if isinstance(self.source, ReevaluatedTrial) else None

    @property
    def estimator(self) -> ChosenEstimator | None:
        """The estimator; None for a recipe."""
        return self.source.chosen if isinstance(self.source, ConfirmedEstimator) else None

    @property
    def name(self) -> str:
        """For people."""
        return self.source.candidate.name if isinstance(self.source, ReevaluatedTrial) else self.source.chosen.label


@dataclass(frozen=True, slots=True, eq=False)
class ChosenMember:
    """A member of an ensemble, to be trained on all training rows.

    Args:
        candidate: What is trained.
        share: What its prediction weighs, for all heads, or on average.
        head_shares: By head what it weighs, where it has another weight for each.
        count: As how many networks it is trained; 0 for an estimator.
    """

    candidate: MemberCandidate
    share: float = 1.0
    head_shares: Mapping[str, float] = field(default_factory=dict)
    count: int = 1


def member_candidates(
    confirmed: Iterable[ReevaluatedTrial], estimators: Iterable[ConfirmedEstimator], policy: Ensemble
) -> list[MemberCandidate]:
    """What an ensemble may consist of: the confirmed trials, and estimators where the policy takes them."""
    trials = [trial for trial in confirmed if trial.candidate.searched is not None and trial.lane_scores]
    others = estimators if policy.members == "any" else ()
    return [*map(MemberCandidate, trials), *map(MemberCandidate, others)]


def choice_of(policy: Ensemble, experiment: Experiment, objective: Objective) -> Choice:
    """How a policy takes members, as a function of their predictions: by scores, whatever else models are ranked by."""
    heads, objective = kinds_by_head(experiment), objective.by_scores(experiment.score_metrics)

    def greedy(predictions: Mapping[int, Floats], actual: Actual) -> Mapping[int, Floats]:
        shares = select_greedily(predictions, actual, heads, policy.size, objective)
        return {index: np.full(len(heads), share) for index, share in shares.items()}

    def stacked(predictions: Mapping[int, Floats], actual: Actual) -> Mapping[int, Floats]:
        return stack(predictions, actual, list(heads.values()), policy.size)

    return stacked if policy.choose == "stack" else greedy


def choose_members(
    finalist: ReevaluatedTrial, candidates: Sequence[MemberCandidate], choose: Choice, policy: Ensemble, rows: Actual
) -> list[ChosenMember]:
    """The members of an ensemble, the largest weight first.

    Args:
        finalist: The trial that is a member even where it has no weight, if no network has one: a model has a network.
        candidates: What may be taken, among it the finalist.
        choose: Takes members.
        policy: With the number of networks.
        rows: The actual values of the training rows.
    """
    heads = list(finalist.candidate.experiment.heads)
    taken = choose(*_predicted(candidates, finalist.predicted_rows, rows))
    if not any(candidates[index].network for index in taken):
        own = next(index for index, candidate in enumerate(candidates) if candidate.network is finalist)
        taken = {**taken, own: np.zeros(len(heads))}
    is_stack = policy.choose == "stack"  # otherwise a member's weights are equal, and one of them is their mean to the last bit
    shares = {index: float(weights.mean() if is_stack else weights[0]) for index, weights in taken.items()}
    networks = {index: share for index, share in shares.items() if candidates[index].network}
    counts = network_counts(networks, policy.size) if is_stack else _rounded_counts(networks, policy.size)
    return [
        ChosenMember(
            candidates[index],
            shares[index],
            dict(zip(heads, taken[index].tolist(), strict=True)) if is_stack else {},
            counts.get(index, 0),
        )
        for index in sorted(taken, key=lambda index: -shares[index])
    ]


def score_ensemble(
    finalist: ReevaluatedTrial,
    candidates: Sequence[MemberCandidate],
    choose: Choice,
    experiment: Experiment,
    training: TrainingContext,
) -> ReevaluatedTrial:
    """The finalist with the scores of an ensemble in place of its own: one per fold, without the seeds.

    Args:
        finalist: The trial that the ensemble stands for.
        candidates: What may be taken.
        choose: Takes members for each fold by the rows of the others.
        experiment: Of the sweep: gives the heads, and how many folds of the training rows are the search's.
        training: With the rows.
    """
    rows, heads = training.rows, kinds_by_head(experiment)
    predictions, by_fold = np.full((len(rows.y), output_count(heads.values())), np.nan), []
    folds = range(experiment.folds, len(rows.folds))
    for fold in folds:
        validation = rows.fold_rows(fold)[1]
        others = np.setdiff1d(finalist.predicted_rows, validation)
        if len(others):
            weights = choose(*_predicted(candidates, others, rows.actual))
        else:  # one part of the rows validates, and no other could choose
            weights = {index: np.full(len(heads), 1 / len(candidates)) for index in range(len(candidates))}
        for index, own in weights.items():
            term = by_output(own, heads.values()) * candidates[index].predictions[validation]
            predictions[validation] = np.where(np.isnan(predictions[validation]), 0.0, predictions[validation]) + term
        by_fold.append(scores.head_scores(rows.actual.rows(validation), predictions[validation], heads))
    by_head, value, value_se = scores.average_scores(by_fold)
    lanes = {head: tuple(measured[head].score for measured in by_fold) for head in heads}
    score = replace(
        finalist.score, value=value, value_se=value_se, heads=by_head, lanes=len(by_fold), lane_scores=lanes, curves={}
    )
    lane_scores = {
        (fold, 0): {head: own.score for head, own in measured.items()} for fold, measured in zip(folds, by_fold, strict=True)
    }
    ranked = {
        (fold, 0): own_rank
        for fold, measured in zip(folds, by_fold, strict=True)
        if (own_rank := ranked_metric(experiment, measured)) is not None
    }
    return replace(finalist, score=score, lane_scores=lane_scores, predictions=predictions, ranked=ranked)


def network_counts(shares: Mapping[int, float], size: int) -> dict[int, int]:
    """How many networks each recipe is trained as: at least one, so many in all, in proportion to their shares.

    The rest goes to the largest remainders (Hamilton's method).

    Args:
        shares: By recipe, at most `size` of them.
        size: Networks in all.
    """
    total = sum(shares.values())
    if total <= 0:
        return dict.fromkeys(shares, 1)
    left = size - len(shares)
    quotas = {index: left * share / total for index, share in shares.items()}
    counts = {index: 1 + int(quota) for index, quota in quotas.items()}
    by_remainder = sorted(quotas, key=lambda index: (int(quotas[index]) - quotas[index], -shares[index]))
    for index in by_remainder[: size - sum(counts.values())]:
        counts[index] += 1
    return counts


def _rounded_counts(shares: Mapping[int, float], size: int) -> dict[int, int]:
    return {index: max(1, round(share * size)) for index, share in shares.items()}


def _predicted(
    candidates: Sequence[MemberCandidate], positions: Positions, rows: Actual
) -> tuple[Mapping[int, Floats], Actual]:
    """What candidates predict for some rows, by their index, and the actual values of these."""
    return {index: candidate.predictions[positions] for index, candidate in enumerate(candidates)}, rows.rows(positions)
