"""The fits of a comparison: networks trained on every half, side by side, and what they say of the other half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEAN
from branchsweep.config.sections.training import Fit
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics import scores
from branchsweep.metrics.comparison_result import LATENCY_ROWS, ByHalf
from branchsweep.metrics.output_columns import as_columns, of_head, output_columns
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import Recipe, epochs_of, recipe_for
from branchsweep.training.lanes import Lane, LaneKey, LaneOutcome, Stage, recipe_lanes
from branchsweep.trial import HeadScore, Params
from branchsweep.types import Floats, Weights
from branchsweep.workflows.comparison.nested_search import ChosenRecipe, ContestantNetwork
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.evaluation import temporary_model_folder
from branchsweep.workflows.train_lanes import train_lanes


@dataclass(frozen=True, slots=True)
class NetworkToFit:
    """A network to be trained on every half.

    Args:
        name: The contestant's.
        part: Which of its networks.
        params: Of each half, what was chosen and what the experiment fixes.
        epochs: Of each half, for how long it is trained.
    """

    name: str
    part: ContestantNetwork
    params: tuple[Params, ...]
    epochs: tuple[int, ...]

    @property
    def recipes(self) -> list[Recipe]:
        """The same in full."""
        return [recipe_for(self.part.experiment, params) for params in self.params]

    def lanes(self, seeds: int) -> list[Lane]:
        """Its lanes in every half, for each so many seeds."""
        return [
            lane
            for half, (recipe, epochs) in enumerate(zip(self.recipes, self.epochs, strict=True))
            for lane in recipe_lanes(
                Stage.COMPARISON, recipe, self.part.experiment, ((half, seed) for seed in range(seeds)), epochs
            )
        ]

    @property
    def parameters(self) -> float:
        """Weights and biases, averaged over the halves."""
        inputs = self.part.experiment.table.inputs.values()
        return float(np.mean([recipe.parameters(inputs) for recipe in self.recipes]))

    @classmethod
    def of(cls, name: str, part: ContestantNetwork, chosen: Sequence[ChosenRecipe]) -> NetworkToFit:
        """What was chosen, to be trained."""
        params = tuple({**part.experiment.space.fixed, **choice.params} for choice in chosen)
        most = [epochs_of(recipe_for(part.experiment, point), part.experiment) for point in params]
        epochs = tuple(min(choice.epochs or last, last) for choice, last in zip(chosen, most, strict=True))
        return cls(name, part, params, epochs)


@dataclass(slots=True)
class FittedNetwork:
    """A network that was trained on every half.

    Args:
        network: What was trained.
        predictions: By (half, seed), its predictions for the other half, in natural units.
        seconds: Its share of the time that its populations took.
        weights: Of its first network.
        failed: The halves and folds where it diverged, as text; empty if it did nowhere.
    """

    network: NetworkToFit
    predictions: dict[tuple[int, int], Floats] = field(default_factory=dict)
    seconds: float = 0.0
    weights: Weights | None = None
    failed: str = ""


def fit_networks(networks: Sequence[NetworkToFit], seeds: int, training: TrainingContext) -> list[FittedNetwork]:
    """Trains networks in every half, those with the same heads and losses as lanes of the same populations.

    What comes of a network does not depend on the others: lanes derive their initial weights from what is trained.

    Args:
        networks: The networks.
        seeds: How many of each are trained in every half, from other initial weights.
        training: Trains them.
    """
    fits = [FittedNetwork(network) for network in networks]
    alike: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for index, network in enumerate(networks):
        losses = tuple((name, head.kind) for name, head in network.part.experiment.heads.items())
        alike.setdefault(losses, []).append(index)
    for group in alike.values():
        lanes = {index: networks[index].lanes(seeds) for index in group}
        every_lane = [lane for own in lanes.values() for lane in own]
        names = ", ".join(dict.fromkeys(networks[index].name for index in group))
        experiment = _without_validation(networks[group[0]].part.experiment)
        outcomes = train_lanes(every_lane, experiment, training, f"on the halves: {names}", keep_weights=True)
        for index, own in lanes.items():
            for lane in own:
                _collect(fits[index], lane.key, outcomes[lane.key])
    return fits


def _collect(fit: FittedNetwork, key: LaneKey, outcome: LaneOutcome) -> None:
    fit.predictions[key.fold, key.seed] = outcome.predictions
    fit.seconds += outcome.seconds
    if (key.fold, key.seed) == (0, 0):
        fit.weights = outcome.weights
    if outcome.failed_at:
        fit.failed = f"diverged after epoch {outcome.failed_at} of half {key.fold + 1}"


def _without_validation(experiment: Experiment) -> Experiment:
    """The experiment with the weights of the last epoch: the rows that a network is tested on must not choose them."""
    return experiment.model_copy(update={"fit": Fit(epochs=experiment.fit.epochs, keep="last")})


def score_networks(
    fits: Sequence[FittedNetwork], heads: Mapping[str, Head], rows: TrainingRows
) -> tuple[ByHalf, Mapping[str, ByHalf]]:
    """Scores the networks of a contestant on every half.

    Args:
        fits: The networks, which have all heads among them.
        heads: The kind of each head by its name, in order.
        rows: All rows with the halves as folds.

    Returns:
        By head and `mean` the scores, and by name and head the other metrics: of every half one number, averaged over the
        initial weights.
    """
    predictions = predictions_by_lane(fits, heads)
    by_half: list[Mapping[str, HeadScore]] = []
    means: list[float] = []
    for half in sorted({half for half, _ in predictions}):
        actual = rows.actual.rows(rows.fold_rows(half)[1])
        of_half = (predicted for (own, _), predicted in predictions.items() if own == half)
        averaged, mean, _ = scores.average_scores([scores.head_scores(actual, predicted, heads) for predicted in of_half])
        by_half.append(averaged)
        means.append(mean)
    by_head, others = scores.by_half(by_half)
    return {**by_head, MEAN: tuple(means)}, others


def predictions_by_lane(fits: Sequence[FittedNetwork], heads: Mapping[str, Head]) -> dict[tuple[int, int], Floats]:
    """By (half, seed), in order, what the networks of a contestant predict for the other half: `(rows, outputs)`.

    Arguments as of `score_networks`.
    """
    found = {}
    for key in sorted(fits[0].predictions):
        columns = {
            head: of_head(fit.predictions[key], own)
            for fit in fits
            for head, own in _columns(fit.network.part.experiment).items()
        }
        found[key] = np.concatenate([as_columns(columns[head]) for head in heads], axis=1)
    return found


def _columns(experiment: Experiment) -> dict[str, slice]:
    """By head of an experiment, its columns of predictions."""
    kinds = kinds_by_head(experiment)
    return dict(zip(kinds, output_columns(kinds.values()), strict=True))


def measure_network(fit: FittedNetwork, training: TrainingContext) -> tuple[float, float]:
    """Seconds to predict a thousand rows, and bytes on disk, of a network as an exported model."""
    assert fit.weights is not None, "its first half was trained"
    model = ExportedModel.of(fit.network.part.experiment, [ModelMember(fit.network.recipes[0], fit.weights)])
    with temporary_model_folder() as folder:
        training.trainer.export(folder, model)
        size = sum(file.stat().st_size for file in folder.iterdir() if file.suffix != ".py")
        x = np.resize(training.rows.x, (LATENCY_ROWS, training.rows.x.shape[1]))
        return training.trainer.measure_latency(folder, x), float(size)
