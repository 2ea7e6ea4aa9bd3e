"""The compiled program that trains a population: epochs of steps, validation, early stopping, and the weights that are kept.

`program_arrays.py` defines its inputs and outputs, `networks.py` computes one step of all lanes and their validation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from branchsweep.training.lane_score import MEAN, METRIC, MIN
from branchsweep.training.population import Program
from branchsweep.training.program.networks import Networks
from branchsweep.training.program.program_arrays import Epochs, Lanes, Plan, Rows, State, Tensor
from branchsweep.training.program.program_functions import ProgramFunction
from branchsweep.training.program.tensor_operations import read_rows, repeat, with_ones, write_rows


def _after_epoch(lanes: Lanes, score: Tensor, plan: Plan) -> tuple[Lanes, Tensor]:
    """Early stopping after an epoch: improvement and patience are counted as by Keras's EarlyStopping.

    Args:
        lanes: The progress of the lanes before.
        score: `(K,)` the scores after the epoch.
        plan: Patience, least improvement, and stops.

    Returns:
        The progress after the epoch, and `(K,)` whether the weights of a lane are kept.
    """
    epoch = lanes.epoch + tf.cast(lanes.going, tf.int32)
    finite = tf.math.is_finite(score)
    rises = score - plan.min_delta > lanes.best
    keep = lanes.going & finite & (rises | plan.keep_last)
    waited = tf.where(rises, 0, lanes.waited + 1)
    after = Lanes(
        best=tf.where(lanes.going & rises, score, lanes.best),
        best_epoch=tf.where(keep, epoch, lanes.best_epoch),
        waited=tf.where(lanes.going, waited, lanes.waited),
        failed_at=tf.where(lanes.going & ~finite, epoch, lanes.failed_at),
        epoch=epoch,
        going=lanes.going & finite & (epoch < plan.stop) & (waited < plan.patience),
    )
    return after, keep


def _lane_scores(rule: str, plan: Plan, scores: Tensor) -> Tensor:
    """One score (K,) for each lane from those of its heads (H, K): see `lane_score.py`; not finite where a head's is not."""
    if rule == MEAN:
        score = tf.reduce_mean(scores, 0)
    elif rule == MIN:
        score = tf.where(tf.reduce_all(tf.math.is_finite(scores), 0), tf.reduce_min(scores, 0), np.float32(np.nan))
    else:
        score = tf.reduce_sum(scores * plan.score_weight, 0)
    return tf.where(plan.validates, score, 0.0)


def _keep(networks: Networks, state: State, plan: Plan, rows: Rows, keep: Tensor, predictions: Tensor) -> State:
    """Copy the current weights and predictions to the kept ones, for the lanes in which `keep` (K,) is true."""

    def chosen_rows(lanes: Tensor, now: Tensor, kept: Tensor) -> Tensor:
        return tf.where(tf.gather(keep, lanes)[:, None, None], now, kept)

    kept = networks.weight_rows.combined(plan, chosen_rows, state.predicting, state.kept)
    chosen = tf.tile(keep, [networks.H * networks.U])[None, :, None]

    def chunk(c: Tensor, kept_predictions: Tensor) -> tuple[Tensor]:
        return (
            write_rows(kept_predictions, c, tf.where(chosen, read_rows(predictions, c, 1), read_rows(kept_predictions, c, 1))),
        )

    kept_predictions = repeat(rows.validation_steps, chunk, state.predictions)[0]
    return state._replace(kept=kept, predictions=kept_predictions)


class CompiledProgram(NamedTuple):
    """The functions of one program. Each is compiled by XLA at its first call with arrays of new shapes, and then kept.

    Args:
        train: `(state, plan, rows, epochs) -> (state, scores, latest)` trains up to E epochs; scores are (E, H*K). In a program
            by the rule `metric` that is one epoch, `latest` are the raw outputs (V, U*H*K, B) after it, and no lane has ended
            yet, nor kept its weights; elsewhere `latest` is None.
        choose: `(state, plan, rows, score, latest) -> state` ends such an epoch by the lanes' scores (K,).
    """

    train: ProgramFunction
    choose: ProgramFunction

    def compile(self, state: State, plan: Plan, rows: Rows, epochs: Epochs) -> None:
        """Call each function that the program needs once, with arrays of the shapes that it will be called with.

        Args:
            state: Of the lanes; it stays as it is.
            plan: Theirs.
            rows: Theirs.
            epochs: None, with room for as many as there will be.
        """
        state, _, latest = self.train(state, plan, rows, epochs)
        if latest is not None:
            self.choose(state, plan, rows, tf.zeros(state.lanes.going.shape), latest)


@lru_cache(maxsize=64)
def compiled(program: Program) -> CompiledProgram:
    """The functions of a program."""
    networks = Networks(program)
    W, B, K, F, H, N = networks.W, networks.B, networks.K, networks.F, networks.H, networks.N

    def train(state: State, plan: Plan, rows: Rows, epochs: Epochs) -> tuple[State, Tensor, Tensor | None]:
        R = rows.table.shape[0]
        buffers = (
            with_ones(tf.zeros([R, F, B]), plan.infinity),
            tf.zeros([R, H, B]),
            tf.zeros([R, H, B] if program.weighted else [R, B]),
            with_ones(tf.zeros([K + N, W, B]), plan.infinity),
            tf.zeros([K + N, W, B]),
            tf.zeros([H * K + 1 + N, W, B]),
        )
        now = tf.zeros(state.predictions.shape)

        def epoch(e: Tensor, state: State, buffers: tuple[Tensor, ...], now: Tensor, curve: Tensor) -> tuple[Any, ...]:
            def step(s: Tensor, state: State, buffers: tuple[Tensor, ...]) -> tuple[Any, ...]:
                count = rows.train_count[:, s]
                batch = networks.batch(rows, epochs.order[e, :, s], count, *buffers[:3])
                return networks.step(state, plan, count, epochs.at(e, s), batch + buffers[3:])

            state, buffers = repeat(rows.train_steps, step, state, buffers)
            scores, now, buffers = networks.validate(state.predicting, plan, rows, buffers, now)
            if program.score_rule == METRIC:
                return state, buffers, now, write_rows(curve, e, scores[None])
            score = _lane_scores(program.score_rule, plan, tf.reshape(scores, [H, K]))
            lanes, keep = _after_epoch(state.lanes, score, plan)
            state = _keep(networks, state._replace(lanes=lanes), plan, rows, keep, now)
            return state, buffers, now, write_rows(curve, e, scores[None])

        state, _, now, curve = repeat(epochs.count, epoch, state, buffers, now, tf.zeros([epochs.order.shape[0], H * K]))
        return state, curve, now if program.score_rule == METRIC else None

    def choose(state: State, plan: Plan, rows: Rows, score: Tensor, latest: Tensor) -> State:
        lanes, keep = _after_epoch(state.lanes, score, plan)
        return _keep(networks, state._replace(lanes=lanes), plan, rows, keep, latest)

    latest = True if program.score_rule == METRIC else None
    return CompiledProgram(
        train=ProgramFunction(program, train, lambda state, *_: (state, True, latest)),
        choose=ProgramFunction(program, choose, lambda state, *_: state),
    )
