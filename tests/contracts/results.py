"""Results of trials, made by hand: the scores of a formula, and values that are hard to write down exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from branchsweep.trial import EndCause, ParamValue, Result, Score, Status, Trial
from scores import head_score


def result_of(trial: Trial) -> Result:
    """A score that follows from the params; of seven trials one fails and one is pruned."""
    value = 0.9 - 0.1 * float(trial.params.get("PE.depth", 0)) - 10 * float(trial.params.get("weight_decay", 0.0))
    if trial.number % 7 == 3:
        return Result(trial, Score(Status.FAILED, reason="diverged"))
    status = Status.PRUNED if trial.number % 7 == 5 else Status.COMPLETE
    return Result(trial, score_of(value, status))


def score_of(value: float, status: Status = Status.COMPLETE) -> Score:
    """A score of this mean R², a little apart for the two heads."""
    heads = {"PE": head_score(value + 0.01), "V": head_score(value - 0.01)}
    return Score(status, value=value, heads=heads, epochs=2.5, rungs={2: (value - 0.09, value - 0.11)})


def example_result(number: int, status: Status = Status.COMPLETE) -> Result:
    """A result with params of all types and scores that are no round numbers, one of which is NaN."""
    params: dict[str, ParamValue] = {
        "trunk.depth": number + 1,
        "learning_rate": 1e-3 / (number + 3),
        "weight_decay": 0.0,
        "loss_weight": 2.0,
        "activation": "relu",
        "flag": number % 2 == 0,
    }
    trial = Trial(number, params, known="article" if number == 0 else "")
    if status is Status.FAILED:
        reason = "diverged at epoch 12 (fold 2, seed 1): 'Ω' \"quoted\""
        return Result(trial, Score(status, reason=reason, seconds=0.5, lanes=3, cause=EndCause.DIVERGED, ended_at=12))
    heads = {
        "PE": head_score(r2=0.9 + number / 300, r2_se=0.001 / 3, rmse=4.0 + 1 / 3, mae=10 / 3),
        "V": head_score(r2=0.8 - number / 300, r2_se=float("nan"), rmse=5.0 + 1 / 7, mae=30 / 7),
    }
    return Result(
        trial,
        Score(
            status,
            value=(heads["PE"].score + heads["V"].score) / 2 + number / 1000,
            value_se=float("nan"),
            heads=heads,
            reason="rung 2: below the best half" if status is Status.PRUNED else "",
            epochs=37.0 + 1 / 3,
            seconds=1.25,
            lanes=3,
            rungs={4: (0.5 + number / 7, 0.25), 16: (1 / 3, -2.0)} if number != 3 else {},
            rung_metrics={4: {"rmse/PE": 4.0 + 1 / 7}, 16: {"rmse/PE": math.nan}} if number == 5 else {},
            network={"parameters": 321.0, "multiplications": 300.0, "size": 1284.0} if number != 4 else {},
            curves={name: tuple(head.score - 1 / epoch for epoch in range(1, 121)) for name, head in heads.items()},
            lane_scores={name: (head.score - 0.1, head.score + 1 / 3, head.score) for name, head in heads.items()}
            if number != 4
            else {},
            cause=EndCause.PRUNED if status is Status.PRUNED else None,
            ended_at=16 if status is Status.PRUNED else 0,
        ),
    )


def exact_texts(results: Sequence[Result]) -> list[str]:
    """Results without their curves, as text: exact to the last digit and the types, and with NaN equal to NaN."""
    return [repr(Result(result.trial, replace(result.score, curves={}))) for result in results]
