"""The best trials once more, from fresh seeds on fresh folds: what they are worth, and which of them is the finalist.

A search picks the luckiest of many, so its best validation score flatters (Cawley and Talbot 2010). Here the best few, the
reigning champion and the networks that they are compared with are trained as lanes of populations on a cut of the training
rows that the search never validated on. All of them meet the same folds with the same order of rows, so that their scores can
be compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics import scores, significance
from branchsweep.metrics.objectives import ObjectiveEvaluator, ranking_value
from branchsweep.models.recipe import recipe_for
from branchsweep.training import packing
from branchsweep.training.packing import Lane
from branchsweep.training.population import LaneOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import Trainer
from branchsweep.trial import Result, Score, Trial
from branchsweep.types import Floats
from branchsweep.workflows import lane_scores
from branchsweep.workflows.progress import ProgressCallback


@dataclass(frozen=True, slots=True)
class ConfirmationCandidate:
    """Who is confirmed.

    Args:
        name: For people (`trial 17`, `article`, `version 3`).
        experiment: How it is trained, with the seed of the sweep that confirms it.
        trial: What is trained.
        searched: Its score in the search; None for one that was not searched here.
    """

    name: str
    experiment: Experiment
    trial: Trial
    searched: Score | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReevaluatedTrial:
    """What it is worth.

    Args:
        contender: Who.
        score: Over all its lanes.
        r2: By (fold, seed), the R² of each head; empty where a lane diverged.
        predictions: `(training rows, heads)` what its lanes said of the rows that they had not learnt from, averaged over the
            seeds, in natural units; NaN where a lane diverged.
        parameters: Weights and biases of its network.
    """

    contender: ConfirmationCandidate
    score: Score
    r2: Mapping[tuple[int, int], Mapping[str, float]]
    predictions: Floats = field(repr=False)
    parameters: int


def best_candidates(
    experiment: Experiment, results: Sequence[Result], judged: ObjectiveEvaluator
) -> list[ConfirmationCandidate]:
    """The trials that deserve a second look: the best by the objective, as many as `confirmation.trials` says."""
    best = judged.ranking(judged.front(results) if judged.objective.is_multi_objective else results)
    return [
        ConfirmationCandidate(f"trial {result.trial.number}", experiment, result.trial, result.score)
        for result in best[: experiment.confirmation.trials]
    ]


def reevaluate(
    contenders: Sequence[ConfirmationCandidate],
    experiment: Experiment,
    rows: TrainingRows,
    trainer: Trainer,
    progress: ProgressCallback,
) -> list[ReevaluatedTrial]:
    """Trains them all on the folds of the confirmation; in their order.

    Args:
        contenders: Who.
        experiment: Of the sweep: gives seeds, and how many folds of `rows` are the search's.
        rows: The training rows with all folds.
        trainer: Trains.
        progress: Is told how it goes.
    """
    folds = range(experiment.folds, len(rows.folds))
    outcomes: list[dict[tuple[int, int], LaneOutcome]] = [{} for _ in contenders]
    seconds = [0.0] * len(contenders)
    for of in {id(contender.experiment): contender.experiment for contender in contenders}.values():
        places = [place for place, contender in enumerate(contenders) if contender.experiment is of]
        lanes = [lane for place in places for lane in lanes_of(contenders[place], place, folds, experiment.confirmation.seeds)]
        populations = packing.pack(lanes, of, trainer.resources)
        named = ", ".join(contenders[place].name for place in places)
        progress.on_training_planned(sum(lane.stop for lane in lanes), f"{len(lanes)} lanes to confirm {named}")
        for position, outcome in trainer.train(PopulationQueue(populations)):
            members = populations[position]
            keys = zip(members.trials, members.folds, members.seeds, strict=True)
            for (place, fold, seed), lane_outcome in zip(keys, outcome.lanes, strict=True):
                outcomes[place][fold, seed] = lane_outcome
                seconds[place] += outcome.seconds / len(outcome.lanes)
    return [_reevaluated(*each, rows) for each in zip(contenders, outcomes, seconds, strict=True)]


def choose_finalist(
    confirmed: Sequence[ReevaluatedTrial], experiment: Experiment, judged: ObjectiveEvaluator
) -> ReevaluatedTrial | None:
    """The one that goes on, of the trials of the search; None if all have diverged, or break a constraint.

    `best`: of the highest confirmed figure. `one_standard_error`: the network of the fewest parameters whose figure is within
    one standard error of that one's (Breiman, Friedman, Olshen, Stone 1984).
    """
    standing = [each for each in confirmed if each.contender.searched is not None and each.r2]
    if not standing:
        return None
    best = max(standing, key=lambda each: judged.rank(each.score))
    if experiment.confirmation.choose == "best":
        return best
    error = _standard_error(best, judged)
    near = [each for each in standing if judged.rank(each.score) >= judged.rank(best.score) - error]
    return min(near, key=lambda each: (each.parameters, -judged.rank(each.score)))


def _standard_error(one: ReevaluatedTrial, judged: ObjectiveEvaluator) -> float:
    """Of the figure by which trials are ranked, over the folds; the seeds of a fold are averaged first."""
    figures = np.array([ranking_value(judged.objective, r2) for r2 in one.r2.values()])
    return scores.standard_error(significance.mean_by_fold(figures, [fold for fold, _ in one.r2]).tolist())


def lanes_of(contender: ConfirmationCandidate, place: int, folds: Sequence[int], seeds: int) -> list[Lane]:
    """A contender's lanes; named by its place, for numbers of trials may repeat between sweeps."""
    return packing.lanes_on(replace(contender.trial, number=place), contender.experiment, folds, seeds)


def _reevaluated(
    contender: ConfirmationCandidate, outcomes: Mapping[tuple[int, int], LaneOutcome], seconds: float, rows: TrainingRows
) -> ReevaluatedTrial:
    experiment = contender.experiment
    heads = list(experiment.heads)
    in_order = sorted(outcomes.items())  # not as they came: a mean has other last bits if it is taken in another order
    entries = [(f"fold {fold}, seed {seed}", outcome, rows.y[rows.fold_rows(fold)[1]]) for (fold, seed), outcome in in_order]
    graded = lane_scores.lane_scores(entries, heads, seconds)
    r2: dict[tuple[int, int], Mapping[str, float]] = {}
    predictions = np.full(rows.y.shape, np.nan)
    if graded.is_complete:
        totals = np.zeros(rows.y.shape)
        for (fold, seed), outcome in in_order:
            held_out = rows.fold_rows(fold)[1]
            measured = scores.head_scores(rows.y[held_out], outcome.predictions, heads)
            r2[fold, seed] = {head: of_head.r2 for head, of_head in measured.items()}
            totals[held_out] += outcome.predictions
        predictions = totals / (1 + max(seed for _, seed in outcomes))
    recipe = recipe_for(experiment, contender.trial.params)
    return ReevaluatedTrial(contender, graded, r2, predictions, recipe.architecture.parameters(len(experiment.table.inputs)))
