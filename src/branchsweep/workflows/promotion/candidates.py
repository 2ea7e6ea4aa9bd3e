"""The networks that are confirmed at the end of a sweep, and their confirmed scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import ObjectiveMetric
from branchsweep.models.recipe import Recipe, epochs_of, recipe_for
from branchsweep.training.lanes import Lane, LaneKey, LaneOutcome, Stage, recipe_lanes, refit_lanes
from branchsweep.trial import HeadScore, Score, Trial
from branchsweep.types import Floats, Positions


@dataclass(frozen=True, slots=True)
class ConfirmationCandidate:
    """A network that is confirmed: one of the best trials, the champion, or a baseline.

    Args:
        name: For people (`trial 17`, `article`, `version 3`).
        experiment: How it is trained, with the seed of the sweep that confirms it.
        trial: What is trained.
        searched: Its score in the search; None for one that was not searched here.
        recorded: What is trained, where that is recorded in full; else it follows from experiment and trial.
        refits: Networks that are to be trained on all training rows in any case, whatever the confirmed scores.
    """

    name: str
    experiment: Experiment
    trial: Trial
    searched: Score | None = None
    recorded: Recipe | None = None
    refits: int = 0

    @property
    def recipe(self) -> Recipe:
        """What is trained, in full."""
        return self.recorded or recipe_for(self.experiment, self.trial.params)

    def lanes(self, folds: Iterable[int], seeds: int) -> list[Lane]:
        """Its lanes on these folds, for each so many seeds."""
        return recipe_lanes(Stage.CONFIRMATION, self.recipe, self.experiment, product(folds, range(seeds)))

    @property
    def refit_lanes(self) -> list[Lane]:
        """The lanes of its `refits`, where it is known beforehand for how many epochs they train; else none.

        They train beside its other lanes, which takes far less than training them afterwards.
        """
        fit = self.experiment.fit
        if fit.keep != "last" or fit.early_stopping:
            return []
        return refit_lanes(self.recipe, self.experiment, range(self.refits), epochs_of(self.recipe, self.experiment))


@dataclass(frozen=True, slots=True, eq=False)
class ReevaluatedTrial:
    """A candidate with its confirmed score.

    Args:
        candidate: What was trained.
        score: Over all its lanes.
        lane_scores: By (fold, seed), the score of each head; empty where a lane diverged.
        predictions: `(training rows, outputs)` what its lanes predict for the rows that they were not trained on, averaged over
            the seeds, in natural units; NaN where a lane diverged, and in rows that are validation rows of no fold.
        parameters: Weights and biases of its network.
        refits: The outcomes of the candidate's `refit_lanes`, by their keys.
        ranked: By (fold, seed), the metric that models are ranked by where it is no score; else empty.
    """

    candidate: ConfirmationCandidate
    score: Score
    lane_scores: Mapping[tuple[int, int], Mapping[str, float]]
    predictions: Floats = field(repr=False)
    parameters: int
    refits: Mapping[LaneKey, LaneOutcome] = field(default_factory=dict, repr=False)
    ranked: Mapping[tuple[int, int], float] = field(default_factory=dict)

    @property
    def predicted_rows(self) -> Positions:
        """The positions of the training rows for which there are predictions."""
        return np.flatnonzero(~np.isnan(self.predictions).any(axis=1))


def ranked_metric(experiment: Experiment, measured: Mapping[str, HeadScore]) -> float | None:
    """The metric by which an experiment ranks models; None where it follows from the scores of the heads.

    Args:
        experiment: Of the sweep.
        measured: Scores and metrics by head.
    """
    objective = experiment.objective
    if objective.ranking_metric not in objective.others(experiment.score_metrics):
        return None
    metric = ObjectiveMetric.parsed(objective.ranking_metric)
    return measured[metric.head].metrics.get(metric.metric, math.nan)
