"""Trains the networks that a user's builder makes, one after the other, by Keras's `fit`.

The rows of a fold, their order and their encoding, early stopping, the choice of the kept epoch and pauses at rungs are those
of the compiled program (`program/`); the steps are Keras's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from branchsweep.errors import first_line
from branchsweep.metrics.output_columns import of_head, output_columns, output_count
from branchsweep.models.arrays import NUMPY
from branchsweep.models.built_network import BuildError, build_predictor, seeded
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_of
from branchsweep.models.keras_fit import keras_optimizer
from branchsweep.training.epoch_metric import EpochMetric
from branchsweep.training.lane_score import MEAN, MIN, score_weights
from branchsweep.training.lanes import Lane, LaneOutcome, LaneState
from branchsweep.training.population import Population
from branchsweep.training.program.batches import Floats32, Stream, row_order
from branchsweep.training.program.lane_arrays import natural_predictions
from branchsweep.types import Floats, Weights

PREDICTED_ROWS = 8192
"""Rows that are predicted at a time."""


def train_built(
    population: Population, stream: Stream, metric: EpochMetric | None, keep_weights: bool, progress: Callable[[float], None]
) -> LaneOutcome:
    """Train the one lane of a population to its stop.

    Args:
        population: Of one lane, whose network a builder builds.
        stream: Its rows.
        metric: What chooses the epoch that is kept; None where the scores do.
        keep_weights: Whether the outcome has the kept weights.
        progress: Called after each epoch with 1.

    Returns:
        The outcome. Where the builder or `fit` fails for this network, it says why.

    Raises:
        BuildError: The builder cannot be imported, or returns something else than is expected of it.
    """
    lane = population.lanes[0]
    keras.backend.clear_session()
    try:
        with seeded(lane.weight_seed):
            return _Training(population, stream, metric).train(keep_weights, progress)
    except BuildError:
        raise
    except Exception as error:  # noqa: BLE001  # a user's function and its layers may raise anything for some values
        built = lane.recipe.architecture.built
        name = built.builder if built else ""
        outputs = output_count(kinds_of(population.program.losses))
        return LaneOutcome(
            predictions=np.full((len(stream.validation), outputs), np.nan),
            curve=np.zeros((0, len(population.program.losses))),
            epochs=0,
            failed_at=lane.start + 1,
            error=f"{name} failed: {type(error).__name__}: {first_line(error)}",
        )


class _Kept(NamedTuple):
    """The best epoch so far."""

    best: float
    epoch: int
    waited: int
    weights: Weights
    outputs: Floats32


class _Training:
    """One network, its optimizer and its rows.

    Args:
        population: See `train_built`.
        stream: Likewise.
        metric: Likewise.
    """

    def __init__(self, population: Population, stream: Stream, metric: EpochMetric | None) -> None:
        self._population, self._stream, self._metric = population, stream, metric
        self._lane: Lane = population.lanes[0]
        recipe, self._kinds = self._lane.recipe, kinds_of(population.program.losses)
        heads, inputs = list(recipe.architecture.branches), population.program.inputs
        assert recipe.architecture.built is not None, "the trainer looked"
        kinds = dict(zip(heads, self._kinds, strict=True))
        activations = {head: kind.output_activation for head, kind in kinds.items()}
        self._model, self._own = build_predictor(recipe.architecture.built, inputs, activations, recipe.architecture.units)
        steps = -(-len(stream.train) // recipe.batch_size) * self._lane.epochs
        self._model.compile(
            keras_optimizer(recipe, steps),
            loss={head: kind.keras_loss() for head, kind in kinds.items()},
            loss_weights=dict(recipe.loss_weights),
        )
        self._model.optimizer.build(self._model.trainable_variables)
        ends = inputs, inputs + len(heads)
        self._x, self._targets, self._weights = np.split(stream.table, ends, axis=1)
        self._heads = heads

    @property
    def _variables(self) -> list[Any]:
        """All that a pause must keep: weights, states of layers that draw, the optimizer's."""
        return [*self._model.variables, *self._model.optimizer.variables]

    def train(self, keep_weights: bool, progress: Callable[[float], None]) -> LaneOutcome:
        """Train to the stop, or until the network stops early or diverges."""
        population, lane, fit = self._population, self._lane, self._population.fit
        patience = fit.early_stopping.patience if fit.early_stopping and len(self._stream.validation) else 0
        kept, curve = self._resumed()
        epoch, failed_at = lane.start, 0
        while epoch < lane.stop and not failed_at and not (patience and kept.waited >= patience):
            finite = self._fit_epoch(epoch)
            epoch += 1
            outputs = self._outputs()
            scores = self._scores(outputs)
            curve = np.concatenate([curve, scores[None]])
            score = self._lane_score(outputs, scores)
            if finite and np.isfinite(scores).all() and np.isfinite(outputs).all() and np.isfinite(score):
                kept = self._after_epoch(epoch, kept, outputs, score)
            else:
                failed_at = epoch
            progress(1)
        progress(lane.stop - epoch)  # epochs that were never trained count as done
        end = lane.epochs if lane.pauses else lane.stop
        goes_on = not failed_at and epoch < end and not (patience and kept.waited >= patience)
        return LaneOutcome(
            predictions=natural_predictions(population.program, self._stream, kept.outputs.astype(np.float64)),
            curve=curve,
            epochs=kept.epoch,
            failed_at=failed_at,
            weights=kept.weights if keep_weights else None,
            state=self._paused(epoch, kept, curve) if goes_on else None,
        )

    def _fit_epoch(self, epoch: int) -> bool:
        """One pass over the training rows; whether the loss stayed finite."""
        lane, stream = self._lane, self._stream
        order = row_order(self._population.seed, stream.fold, stream.seed, epoch, stream.train)

        def by_head(values: Floats32) -> dict[str, Floats32]:
            return {head: values[order, column] for column, head in enumerate(self._heads)}

        history = self._model.fit(
            self._x[order],
            by_head(self._targets),
            sample_weight=by_head(self._weights) if self._weights.shape[1] else None,
            batch_size=lane.recipe.batch_size,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
        )
        return bool(np.isfinite(history.history["loss"]).all())

    def _outputs(self) -> Floats32:
        """`(validation rows, outputs)` what the builder's own network computes for the validation rows."""
        rows, parts = self._x[self._stream.validation], []
        for start in range(0, len(rows), PREDICTED_ROWS):
            raw = self._own(rows[start : start + PREDICTED_ROWS], training=False)
            parts.append(np.concatenate([np.asarray(raw[head]) for head in self._heads], axis=1))
        return np.concatenate(parts) if parts else np.zeros((0, output_count(self._kinds)), np.float32)

    def _scores(self, outputs: Floats32) -> Floats:
        """`(heads,)` the share of explained deviance of each head."""
        targets = self._targets[self._stream.validation].astype(np.float64)
        weights = self._weights[self._stream.validation].astype(np.float64)
        scores = np.zeros(len(self._kinds))
        if not len(targets):
            return scores
        for column, (kind, own) in enumerate(zip(self._kinds, output_columns(self._kinds), strict=True)):
            deviance = _deviance(kind, of_head(outputs.astype(np.float64), own), targets[:, column])
            total = (deviance * weights[:, column]).sum() if weights.shape[1] else deviance.sum()
            scores[column] = 1.0 - total / self._stream.null_deviance[column]
        return scores

    def _lane_score(self, outputs: Floats32, scores: Floats) -> float:
        """The score by which epochs are chosen; 0 without validation rows."""
        population = self._population
        if not len(self._stream.validation):
            return 0.0
        if self._metric:
            return self._metric.value(self._stream, outputs.astype(np.float64), scores)
        if population.program.score_rule == MEAN:
            return float(scores.mean())
        if population.program.score_rule == MIN:
            return float(scores.min())
        return float(np.dot(scores, score_weights(population.objective, self._heads)))

    def _after_epoch(self, epoch: int, kept: _Kept, outputs: Floats32, score: float) -> _Kept:
        """What is kept after an epoch: its weights if the score rose, or where the last ones are kept."""
        fit, validates = self._population.fit, len(self._stream.validation) > 0
        rises = score - (fit.early_stopping.min_delta if fit.early_stopping else 0.0) > kept.best
        waited = 0 if rises else kept.waited + 1
        best = score if rises else kept.best
        if rises or fit.keep == "last" or not validates:
            return _Kept(best, epoch, waited, tuple(self._own.get_weights()), outputs)
        return kept._replace(best=best, waited=waited)

    def _resumed(self) -> tuple[_Kept, Floats]:
        """What is kept, and the curve, at the beginning; the network goes on from the lane's state."""
        state, heads = self._lane.state, len(self._heads)
        if state is None:
            return _Kept(-np.inf, 0, 0, tuple(self._own.get_weights()), self._outputs()), np.zeros((0, heads))
        for variable, value in zip(self._variables, state.weights, strict=True):
            variable.assign(value)
        return _Kept(state.best, state.best_epoch, state.waited, state.kept, state.predictions), state.curve

    def _paused(self, epoch: int, kept: _Kept, curve: Floats) -> LaneState:
        """The state from which the network goes on; `weights` are all of its variables and the optimizer's."""
        return LaneState(
            epoch=epoch,
            weights=tuple(np.asarray(variable) for variable in self._variables),
            first_moment=(),
            second_moment=(),
            kept=kept.weights,
            best=kept.best,
            best_epoch=kept.epoch,
            waited=kept.waited,
            predictions=kept.outputs,
            curve=curve,
        )


def _deviance(kind: Head, outputs: Floats, targets: Floats) -> NDArray[np.float64]:
    """`(rows,)` the deviance of each row."""
    if outputs.ndim > 1:
        targets = targets[None]
    first, second = kind.deviance_factors(NUMPY, outputs, targets)
    deviances: NDArray[np.float64] = np.asarray(first * second).reshape(-1, targets.shape[-1]).sum(axis=0)
    return deviances
