"""Trains the best trials again, from fresh seeds on fresh folds: what they are worth, and which of them is the finalist.

A search selects the best of many noisy scores, so its best score has a selection bias (Cawley and Talbot 2010). Here the best
few, the current champion and the networks among the baselines are trained on a cut of the training rows that the search never
validated on. All of them are trained on the same folds with the same order of rows, so that their scores can be compared pair
by pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import PARAMETERS
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics import scores, significance
from branchsweep.metrics.objectives import ObjectiveEvaluator, ranking_value
from branchsweep.metrics.output_columns import output_count
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.training.lanes import LaneKey, LaneOutcome
from branchsweep.trial import Result
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial, ranked_metric
from branchsweep.workflows.train_lanes import LaneGroup, equal_groups, train_groups
from branchsweep.workflows.trial_runner import score_trial


def best_candidates(
    experiment: Experiment, results: Sequence[Result], evaluator: ObjectiveEvaluator
) -> list[ConfirmationCandidate]:
    """The trials that are trained again: the best by the objective, as many as `confirmation.trials` says."""
    best = evaluator.ranking(evaluator.front(results) if evaluator.objective.is_multi_objective else results)
    return [
        ConfirmationCandidate(f"trial {result.trial.number}", experiment, result.trial, result.score)
        for result in best[: experiment.confirmation.trials]
    ]


def reevaluate(
    candidates: Sequence[ConfirmationCandidate], experiment: Experiment, training: TrainingContext
) -> list[ReevaluatedTrial]:
    """Trains candidates on the folds of the confirmation.

    The score of a candidate does not depend on the others: lanes derive their initial weights from what is trained.

    Args:
        candidates: What is trained.
        experiment: Of the sweep: gives seeds, and how many folds of the training rows are the search's.
        training: Trains them.

    Returns:
        Each candidate with its score, in the order of `candidates`.
    """
    folds, seeds = range(experiment.folds, len(training.rows.folds)), experiment.confirmation.seeds
    confirmed: dict[int, ReevaluatedTrial] = {}
    lanes = [candidate.lanes(folds, seeds) for candidate in candidates]
    refits = [candidate.refit_lanes for candidate in candidates]
    groups = equal_groups({index: candidate.experiment for index, candidate in enumerate(candidates)})
    to_train = [
        LaneGroup(
            [lane for index in group for lane in (*lanes[index], *refits[index])],
            candidates[group[0]].experiment,
            f"to confirm {', '.join(candidates[index].name for index in group)}",
        )
        for group in groups
    ]
    for group, outcomes in zip(groups, train_groups(to_train, training, keep_weights=any(refits)), strict=True):
        for index in group:
            own, refitted = ({lane.key: outcomes[lane.key] for lane in of[index]} for of in (lanes, refits))
            confirmed[index] = replace(_reevaluated(candidates[index], own, experiment, training.rows), refits=refitted)
    return [confirmed[index] for index in range(len(candidates))]


def choose_finalist(
    confirmed: Sequence[ReevaluatedTrial], experiment: Experiment, evaluator: ObjectiveEvaluator
) -> ReevaluatedTrial | None:
    """The finalist among the trials of the search; None if all have diverged, or take longer to predict than they may.

    `best`: the trial with the highest confirmed score. `one_standard_error`: the network with the fewest parameters whose score
    is within one standard error of that one's (Breiman, Friedman, Olshen, Stone 1984).
    """
    of_search = [trial for trial in confirmed if trial.candidate.searched is not None and trial.lane_scores]
    eligible = [trial for trial in of_search if evaluator.is_fast_enough(trial.score)]
    if not eligible:
        return None
    best = max(eligible, key=lambda trial: evaluator.rank(trial.score))
    if experiment.confirmation.choose == "best":
        return best
    lowest = evaluator.rank(best.score) - _standard_error(best, evaluator)
    close_to_best = [trial for trial in eligible if evaluator.rank(trial.score) >= lowest]
    return min(close_to_best, key=lambda trial: (trial.parameters, -evaluator.rank(trial.score)))


def _standard_error(trial: ReevaluatedTrial, evaluator: ObjectiveEvaluator) -> float:
    """Of the score by which trials are ranked, over the folds; the seeds of a fold are averaged first."""
    of_scores = [ranking_value(evaluator.objective, by_head) for by_head in trial.lane_scores.values()]
    by_lane = np.array(list(trial.ranked.values()) or of_scores)
    return scores.standard_error(significance.mean_by_fold(by_lane, [fold for fold, _ in trial.lane_scores]).tolist())


def _reevaluated(
    candidate: ConfirmationCandidate, outcomes: Mapping[LaneKey, LaneOutcome], sweep: Experiment, rows: TrainingRows
) -> ReevaluatedTrial:
    """A candidate with its score; what models are ranked by is the sweep's to say."""
    experiment = candidate.experiment
    heads = kinds_by_head(experiment)
    # not in the order in which lanes ended: a mean that is taken in another order has other last digits
    by_lane = {(key.fold, key.seed): outcomes[key] for key in sorted(outcomes)}
    score = score_trial(experiment, by_lane, rows, sum(outcome.seconds for outcome in by_lane.values()))
    by_head_of_lane: dict[tuple[int, int], Mapping[str, float]] = {}
    ranked: dict[tuple[int, int], float] = {}
    predictions = np.full((len(rows.y), output_count(heads.values())), np.nan)
    if score.is_complete:
        totals, lanes = np.zeros(predictions.shape), np.zeros((len(rows.y), 1))
        for (fold, seed), outcome in by_lane.items():
            validation = rows.fold_rows(fold)[1]
            by_head = scores.head_scores(rows.actual.rows(validation), outcome.predictions, heads)
            by_head_of_lane[fold, seed] = {head: measured.score for head, measured in by_head.items()}
            if (value := ranked_metric(sweep, by_head)) is not None:
                ranked[fold, seed] = value
            totals[validation] += outcome.predictions
            lanes[validation] += 1
        np.divide(totals, lanes, out=predictions, where=lanes > 0)  # in the order of time, the first rows validate nothing
    network = candidate.recipe.network_metrics(experiment.table.inputs.values())
    score = replace(score, network=network)
    return ReevaluatedTrial(candidate, score, by_head_of_lane, predictions, int(network.get(PARAMETERS, 0)), ranked=ranked)
