"""A comparison's result with realistic values, made without training anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from branchsweep.metrics.comparison_result import (
    ComparisonResult,
    ContestantCost,
    ContestantResult,
    PairwiseDifference,
    SharingResult,
)

UNITS = {"PE": "MW", "V": "cm Hg", "RH": "%"}

DESCRIPTIONS = {
    "branched": "one network for all heads, tuned",
    "single": "a network for each head, tuned",
    "sequential": "one network without branches, tuned",
    "linear": "linear regression",
    "forest": "random forest, 300 trees per head",
    "chain": "random forest in a chain: PE, V",
}

R2: Mapping[str, Sequence[float]] = {
    "branched": (0.9402, 0.8115, 0.871),
    "single": (0.9415, 0.8094, 0.868),
    "sequential": (0.9369, 0.7951, 0.862),
    "linear": (0.9288, 0.7452, 0.853),
    "forest": (0.9549, 0.8603, 0.901),
    "chain": (0.9549, 0.8567, 0.902),
}
"""By contestant, in the order of `UNITS`."""

COSTS = {
    "branched": ContestantCost(12_410.0, 1.41, 212.0, 0.00021, 61_000),
    "single": ContestantCost(21_230.4, 2.35, 231.0, 0.00043, 118_000),
    "sequential": ContestantCost(9_870.0, 1.12, 198.0, 0.00018, 52_000),
    "linear": ContestantCost(None, 0.0011, 0.0, 0.000062, 900),
    "forest": ContestantCost(None, 6.3, 0.0, 0.041, 148_000_000),
    "chain": ContestantCost(None, 6.6, 0.0, 0.043, 151_000_000),
}

T_CRITICAL = 2.262
"""Student's t at 0.975 with 9 degrees of freedom."""


def _halves(mean: float, error: float, seed: int) -> tuple[float, ...]:
    """Ten R² around a mean: five draws of the rows that all contestants share, and a little of the contestant's own."""
    rows = np.repeat(np.random.default_rng(11).normal(0, error, 5), 2)
    own = np.random.default_rng(seed).normal(0, error / 3, 10)
    return tuple(float(value) for value in mean + rows + own)


def _difference(label: str, contestant: ContestantResult, reference: ContestantResult) -> PairwiseDifference:
    """A difference with roughly the statistics of the real computation: good enough for pictures."""
    gaps = np.subtract(contestant.scores[label], reference.scores[label])
    middle, deviation = float(gaps.mean()), float(gaps.std(ddof=1))
    reach = T_CRITICAL * deviation * (1 / 10 + 1) ** 0.5
    p = float(np.exp(-abs(middle) / max(reach, 1e-12) * 3))
    f = (middle / max(deviation, 1e-12)) ** 2
    return PairwiseDifference(
        label,
        contestant.name,
        reference.name,
        middle,
        middle - reach,
        middle + reach,
        f,
        p,
        min(1.0, 4 * p),
        p,
        middle / max(deviation, 1e-12),
        abs(middle) > reach and 4 * p <= 0.05,
    )


def example_contestant(name: str, heads: Sequence[str], seed: int = 0) -> ContestantResult:
    """A contestant of `R2`."""
    values = dict(zip(UNITS, R2[name], strict=True))
    scores = {head: _halves(values[head], 0.0016 if head == "PE" else 0.0055, seed + index) for index, head in enumerate(heads)}
    scores["mean"] = tuple(float(value) for value in np.mean([scores[head] for head in heads], axis=0))
    rmse = {head: tuple(17.0 * (1 - value) ** 0.5 for value in scores[head]) for head in heads}
    recipes: tuple[Mapping[str, Mapping[str, float | int | str]], ...] = ()
    if COSTS[name].parameters:
        recipe: dict[str, float | int | str] = {
            "trunk.depth": 2,
            "trunk.width": 48,
            "learning_rate": 0.00312,
            "batch_size": 64,
            "activation": "gelu",
        }
        recipes = tuple(dict.fromkeys(heads if name == "single" else [""], recipe) for _ in range(10))
    return ContestantResult(name, DESCRIPTIONS[name], scores, {"rmse": rmse}, COSTS[name], recipes)


def failed_contestant(name: str, failure: str) -> ContestantResult:
    """A contestant that failed, without scores."""
    return ContestantResult(
        name, "one network for all heads, tuned", {}, {}, ContestantCost(None, 0.0, 0.0, 0.0, 0.0), failure=failure
    )


def _sharing_result(count: int, heads: Sequence[str], layers: int) -> SharingResult:
    """A point of the sharing sweep: PE is best with one shared layer, the others want all they can get."""
    means = {head: 0.938 - 0.0006 * (count - 1) ** 2 if head == "PE" else 0.795 + 0.004 * count for head in heads}
    scores = {head: _halves(mean, 0.002, count) for head, mean in means.items()}
    scores["mean"] = tuple(float(value) for value in np.mean(list(scores.values()), axis=0))
    return SharingResult(count, scores, 20_000 - 3_100 * count * 4 // layers)


def example_comparison(
    heads: Sequence[str] = ("PE", "V"),
    names: Sequence[str] = ("branched", "single", "sequential", "linear", "forest", "chain"),
    *,
    others: Sequence[ContestantResult] = (),
    with_transfer: bool = True,
    with_sharing: bool = True,
) -> ComparisonResult:
    """A comparison's result; the first contestant is the reference, the second the one that shares no layers."""
    contestants = [example_contestant(name, heads, 10 * index) for index, name in enumerate(names)]
    reference = contestants[0]
    labels = [*heads, "mean"]
    layers = 4
    sharing = [_sharing_result(count, heads, layers) for count in range(layers + 1)]
    return ComparisonResult(
        comparison="sharing",
        question="Does a head gain by sharing layers with the others, and is a network worth its price beside a forest?",
        run_id="7d1f0c2ab3",
        heads={head: UNITS[head] for head in heads},
        score_metrics=dict.fromkeys(heads, "r2"),
        data={"source": "file", "location": "plant.xlsx", "digest": "sha256:5e2d0f1c9a77", "rows": 9527},
        protocol=(
            "Five times the rows are divided into two halves; each learns from one and is tested on the other, and vice versa.",
            "Contestants are tuned anew inside each learning half, on 24 trials each; known configurations count.",
            "Differences are tested by the combined 5x2cv F test (Alpaydin 1999) with Holm's correction over all figures.",
        ),
        reference=reference.name,
        alpha=0.05,
        contestants=(*contestants, *others),
        differences=tuple(_difference(label, contestant, reference) for contestant in contestants[1:] for label in labels),
        transfer=tuple(_difference(label, reference, contestants[1]) for label in labels) if with_transfer else (),
        conclusions=(
            "The forest predicts best: 0.908 mean R², 0.032 more than the branched network.",
            "Sharing layers changes neither PE nor V by an amount that these rows could show.",
            "The branched network is 195 times as fast and 2,400 times as small as the forest.",
        ),
        sharing=tuple(sharing) if with_sharing else (),
        sharing_layers=layers if with_sharing else 0,
        warnings=("The budget of 24 trials ended while the best was still at the edge of the space: learning_rate.",),
        seconds=1843.0,
    )


FAILED_CONTESTANT = failed_contestant("wild", "every network diverged in half 3")

COMPARISONS = {
    "two heads": example_comparison(),
    "three heads, one failed": example_comparison(
        ("PE", "V", "RH"), ("branched", "single", "linear"), others=[FAILED_CONTESTANT]
    ),
    "no transfer, no sharing": example_comparison(names=("linear", "forest"), with_transfer=False, with_sharing=False),
    "one head": example_comparison(("PE",), ("branched", "single", "forest"), with_transfer=False, with_sharing=False),
    "all failed": replace(
        example_comparison(with_transfer=False, with_sharing=False),
        contestants=(FAILED_CONTESTANT,),
        differences=(),
        conclusions=(),
    ),
}
"""Comparisons of several kinds, by what is special about them."""
