"""A comparison's result that was made by hand, with values that are hard to write down exactly."""

from __future__ import annotations

import math
from typing import Any

from branchsweep.metrics.comparison_result import (
    ComparisonResult,
    ComparisonSettings,
    ContestantCost,
    ContestantResult,
    PairwiseDifference,
    SharingResult,
    WarningCode,
)
from scores import SCORE_METRICS


def example_contestant(name: str, level: float, **changed: Any) -> ContestantResult:
    """A contestant whose scores are no round numbers."""
    halves = {head: tuple(level - index / 7 + half / 300 for half in range(10)) for index, head in enumerate(("PE", "V"))}
    means = tuple((pe + v) / 2 for pe, v in zip(*halves.values(), strict=True))
    values = {
        "name": name,
        "description": f"{name}, tuned",
        "scores": {**halves, "mean": means},
        "metrics": {"rmse": {head: tuple(10 * (1 - score) for score in scores) for head, scores in halves.items()}},
        "cost": ContestantCost(
            parameters=1234.5, training_seconds=0.1 + 0.2, tuning_seconds=2.5, latency=0.004 / 3, bytes=70_001.5
        ),
        **changed,
    }
    return ContestantResult(**values)


def example_difference(head: str, contestant: str, reference: str, difference: float) -> PairwiseDifference:
    """A difference with an interval about it."""
    low, high = difference - 1 / 300, difference + 1 / 300
    return PairwiseDifference(
        head, contestant, reference, difference, low, high, 5.1, 0.04, 0.08, 0.03, 1.5, is_significant=low > 0
    )


def example_comparison(**changed: Any) -> ComparisonResult:
    """The result of a comparison with a tuned network, networks for each head, an estimator and a contestant that failed."""
    heads, names = ("PE", "V", "mean"), ("branched", "single", "forest")
    recipes = tuple(
        {"": {"trunk.depth": 2 + half % 2, "optimizer": "adam", "learning_rate": 0.001 * half}} for half in range(10)
    )
    recipes_by_head = tuple({"PE": {"trunk.depth": 3}, "V": {"batch_norm": True} if half else {}} for half in range(10))
    no_cost = ContestantCost(parameters=None, training_seconds=math.nan, tuning_seconds=0.0, latency=math.nan, bytes=math.nan)
    contestants = (
        example_contestant(names[0], 0.9, recipes=recipes),
        example_contestant(names[1], 0.8, recipes=recipes_by_head),
        example_contestant(names[2], 0.7, cost=ContestantCost(None, 0.01, 0.0, 0.02, 5e6)),
        example_contestant("diverged", 0.0, scores={}, metrics={}, cost=no_cost, failure="diverged in half 3: 'Ω'"),
    )
    differences = [
        example_difference(head, name, names[0], -1 / (3 + index)) for index, name in enumerate(names[1:]) for head in heads
    ]
    values = {
        "comparison": "contract",
        "question": "Who is better?",
        "run_id": "r",
        "heads": {"PE": "MW", "V": "cm Hg"},
        "score_metrics": SCORE_METRICS,
        "data": {"source": "embedded", "location": "", "digest": "d", "rows": 300},
        "protocol": ("Ten halves.", "Tuned in each."),
        "reference": names[0],
        "alpha": 0.05,
        "contestants": contestants,
        "differences": tuple(differences),
        "transfer": tuple(example_difference(head, names[0], names[1], 1 / (7 + index)) for index, head in enumerate(heads)),
        "conclusions": ("Sharing helps PE.", "It does not help V."),
        "sharing": (SharingResult(0, {"PE": (0.1 + 0.2, math.nan)}, 77), SharingResult(1, {"PE": (0.5, -math.inf)}, 66)),
        "sharing_layers": 1,
        "warnings": ("One diverged.",),
        "warning_codes": (WarningCode.CONTESTANT_FAILED,),
        "settings": ComparisonSettings("five shuffles", 6, None, "nested", 3, 1, "plant"),
        "seconds": 12.25,
        **changed,
    }
    return ComparisonResult(**values)
