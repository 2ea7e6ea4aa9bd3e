"""Refits: networks that collapse are replaced from other seeds, and that is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from branchsweep.data.training_rows import ALL_ROWS
from branchsweep.models.recipe import recipe_for
from branchsweep.training.lanes import LaneOutcome
from branchsweep.training.population import Population
from branchsweep.trial import Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate
from branchsweep.workflows.promotion.confirmation import reevaluate
from branchsweep.workflows.promotion.refit import RefitRequest, Refits, refit
from fakes import FormulaTrainer, RecordingProgress
from tiny_sweep import TinySweep, tiny_experiment

EXPERIMENT = tiny_experiment()
RECIPE = recipe_for(EXPERIMENT, {"trunk.depth": 2, "trunk.width": 4, "learning_rate": 0.01})
CONFIRMED = {"PE": (0.99, 0.98, 0.99, 0.99), "V": (0.99, 0.99, 0.98, 0.99)}
COLLAPSED = 0.9
"""An error of the predictions, as a share of the targets: R² is 0.19."""


@dataclass
class CollapsingTrainer(FormulaTrainer):
    """A trainer whose refits from some seeds have an error of their own."""

    errors: Mapping[int, float] = field(default_factory=dict)

    def _lanes(self, population: Population) -> Iterator[LaneOutcome]:
        for lane, outcome in zip(population.lanes, super()._lanes(population), strict=True):
            if lane.key.fold == ALL_ROWS and lane.key.seed in self.errors:
                yield replace(outcome, weights=(np.full((1, 1), self.errors[lane.key.seed], np.float32),))
            else:
                yield outcome


def refitted(errors: Mapping[int, float], count: int = 1) -> tuple[Refits, CollapsingTrainer]:
    rows = TinySweep(EXPERIMENT).rows
    trainer = CollapsingTrainer(rows, errors=errors)
    request = RefitRequest("trial 3", RECIPE, 3, count, CONFIRMED)
    return refit([request], EXPERIMENT, TrainingContext(trainer, rows, RecordingProgress())), trainer


def errors_of(refits: Refits) -> list[float]:
    return [float(member.weights[0][0, 0]) for member in refits.members[0]]


def test_a_refit_as_good_as_confirmed_is_trained_once() -> None:
    refits, trainer = refitted({})
    assert len(refits.members[0]) == len(trainer.trained) == 1
    assert refits.collapses == ()


def test_a_refit_that_collapsed_is_trained_again_from_another_seed() -> None:
    refits, trainer = refitted({0: COLLAPSED})
    assert errors_of(refits) == pytest.approx([trainer.error(RECIPE)])
    (sentence,) = refits.collapses
    assert "trial 3" in sentence and "PE 0.1894" in sentence and "0.9900" in sentence


def test_members_of_an_ensemble_are_replaced_one_by_one() -> None:
    refits, trainer = refitted({0: COLLAPSED, 2: COLLAPSED}, count=4)
    assert errors_of(refits) == pytest.approx([trainer.error(RECIPE)] * 4)
    assert len(refits.collapses) == 2


def test_an_ensemble_has_fewer_members_where_no_seed_is_left() -> None:
    refits, trainer = refitted(dict.fromkeys((0, 1, 3), COLLAPSED), count=3)
    assert errors_of(refits) == pytest.approx([trainer.error(RECIPE)] * 2)


def test_the_best_refit_is_taken_where_all_collapsed() -> None:
    refits, _ = refitted({0: COLLAPSED, 1: 0.7, 2: 0.8})
    assert errors_of(refits) == pytest.approx([0.7])
    assert len(refits.collapses) == 3


def test_a_refit_is_compared_with_its_siblings_where_no_scores_were_confirmed() -> None:
    rows = TinySweep(EXPERIMENT).rows
    trainer = CollapsingTrainer(rows, errors={1: COLLAPSED})
    context = TrainingContext(trainer, rows, RecordingProgress())
    refits = refit([RefitRequest("trial 3", RECIPE, 3, 4)], EXPERIMENT, context)
    assert errors_of(refits) == pytest.approx([trainer.error(RECIPE)] * 4)


def test_requests_of_other_experiments_are_trained_beside_and_their_collapses_told_apart() -> None:
    rows = TinySweep(EXPERIMENT).rows
    trainer = CollapsingTrainer(rows, errors={0: COLLAPSED})
    other = EXPERIMENT.model_copy(update={"name": "other", "seed": EXPERIMENT.seed + 1})
    requests = [RefitRequest("trial 3", RECIPE, 3), RefitRequest("article", RECIPE, 3, 1, CONFIRMED, other)]
    progress = RecordingProgress()
    refits = refit(requests, EXPERIMENT, TrainingContext(trainer, rows, progress))
    assert [len(members) for members in refits.members] == [1, 1]
    assert [len(sentences) for sentences in refits.collapses_of] == [0, 1]
    assert errors_of(refits) == pytest.approx([COLLAPSED])


def test_networks_that_were_trained_beside_the_confirmation_are_not_trained_again() -> None:
    experiment = tiny_experiment(fit={"epochs": 5, "keep": "last"})
    rows = TinySweep(experiment).rows
    trainer = CollapsingTrainer(rows)
    training = TrainingContext(trainer, rows, RecordingProgress())
    beside = ConfirmationCandidate("article", experiment, Trial(0, {"trunk.depth": 1, "trunk.width": 4}), refits=1)
    (confirmed,) = reevaluate([beside], experiment, training)
    (afterwards,) = reevaluate([replace(beside, refits=0)], experiment, training)
    assert (confirmed.score.heads, confirmed.lane_scores) == (afterwards.score.heads, afterwards.lane_scores)
    trained = len(trainer.trained)
    early, late = (refit([RefitRequest.of_confirmed(each)], experiment, training) for each in (confirmed, afterwards))
    assert len(trainer.trained) == trained + 1
    assert [len(early.members[0]), early.members[0][0].epochs] == [1, 5]
    for own, other in zip(early.members[0][0].weights, late.members[0][0].weights, strict=True):
        np.testing.assert_array_equal(own, other)


def test_a_network_whose_epochs_the_confirmation_decides_is_refitted_after_it() -> None:
    stopped = EXPERIMENT.model_copy(update={"fit": EXPERIMENT.fit.model_copy(update={"keep": "best"})})
    assert ConfirmationCandidate("article", stopped, Trial(0, {}), refits=1).refit_lanes == []
