"""The networks that are confirmed at the end of a sweep, and their confirmed scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.training.lanes import Lane, Stage, recipe_lanes
from branchsweep.trial import Score, Trial
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
    """

    name: str
    experiment: Experiment
    trial: Trial
    searched: Score | None = None
    recorded: Recipe | None = None

    @property
    def recipe(self) -> Recipe:
        """What is trained, in full."""
        return self.recorded or recipe_for(self.experiment, self.trial.params)

    def lanes(self, folds: Iterable[int], seeds: int) -> list[Lane]:
        """Its lanes on these folds, for each so many seeds."""
        return recipe_lanes(Stage.CONFIRMATION, self.recipe, self.experiment, product(folds, range(seeds)))


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
    """

    candidate: ConfirmationCandidate
    score: Score
    lane_scores: Mapping[tuple[int, int], Mapping[str, float]]
    predictions: Floats = field(repr=False)
    parameters: int

    @property
    def predicted_rows(self) -> Positions:
        """The positions of the training rows for which there are predictions."""
        return np.flatnonzero(~np.isnan(self.predictions).any(axis=1))
