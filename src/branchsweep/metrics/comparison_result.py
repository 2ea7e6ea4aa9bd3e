"""What a comparison has found, as values: printed for people, drawn, written as tables, and kept with the comparison.

Scores are by **figure**: a head's name, or `mean` for the mean of the heads. A contestant has ten of each, one for every half
it was tested on, in the order

    repetition 1: learnt from half A, tested on B;  learnt from B, tested on A;  repetition 2: …
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from branchsweep.config.metric_names import common_metric
from branchsweep.metrics.names import score_metrics_of
from branchsweep.trial import Params

LATENCY_ROWS = 1000
"""Rows that a contestant predicts against the clock."""


@dataclass(frozen=True, slots=True)
class ContestantCost:
    """What a contestant takes, beside its errors.

    Args:
        parameters: Weights and biases of its networks, averaged over the halves; None for an estimator that has no such thing.
        training_seconds: To fit it on one half, averaged: a network's share of the population it trained in, tuning apart.
        tuning_seconds: Wall time of its search over all halves; 0 for what is not tuned.
        latency: Seconds that it takes to predict 1,000 rows, loading apart.
        bytes: Its size on disk.
    """

    parameters: float | None
    training_seconds: float
    tuning_seconds: float
    latency: float
    bytes: float


@dataclass(frozen=True, slots=True)
class ContestantResult:
    """One contestant.

    Args:
        name: As in YAML.
        what: What it is, in words (`one network for all heads, tuned`).
        scores: By figure, one score per half.
        metrics: The other metrics by name and head, one value per half; errors in the head's unit.
        cost: What it takes.
        recipes: What was trained in each half, by the head it was trained for (empty for all heads): the params that were fixed
            or chosen. Empty for an estimator.
        failed: Why it has no figures; empty where it has.
    """

    name: str
    what: str
    scores: Mapping[str, tuple[float, ...]]
    metrics: Mapping[str, Mapping[str, tuple[float, ...]]]
    cost: ContestantCost
    recipes: tuple[Mapping[str, Params], ...] = ()
    failed: str = ""


@dataclass(frozen=True, slots=True)
class PairwiseDifference:
    """The difference of two contestants in one figure.

    Args:
        figure: A head's name, or `mean`.
        one: The contestant.
        other: With whom it is compared.
        difference: The score of the one less that of the other, over the ten halves.
        low: Lower end of the interval at 1 - alpha, by the corrected resampled t (Nadeau and Bengio 2003).
        high: Upper end.
        f: Of the combined 5x2cv F test (Alpaydin 1999).
        p: Its p-value.
        p_adjusted: The same with Holm's correction over all figures and contestants.
        p_t: Two-sided p-value of the corrected resampled t-test.
        effect: The difference in units of its standard deviation over the halves (Cohen's d of paired differences).
        is_significant: Whether `p_adjusted` is at most alpha, and the interval does not hold 0.
    """

    figure: str
    one: str
    other: str
    difference: float
    low: float
    high: float
    f: float
    p: float
    p_adjusted: float
    p_t: float
    effect: float
    is_significant: bool


@dataclass(frozen=True, slots=True)
class SharingResult:
    """One point of the sharing sweep.

    Args:
        layers: Hidden layers that all heads share, of those in `Findings.sharing_layers`.
        scores: By figure, one score per half.
        parameters: Weights and biases of all its networks.
    """

    layers: int
    scores: Mapping[str, tuple[float, ...]]
    parameters: int


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The end of a comparison.

    Args:
        comparison: Its name.
        question: Its question.
        run_id: Of the comparison in the ledger.
        heads: Unit by head.
        data: `source`, `location`, `digest`, `rows`.
        protocol: How it was done, as sentences: where the halves are from, how contestants were tuned, on which budget.
        reference: With whom all others are compared.
        alpha: Level of the tests.
        measured: The contestants in order.
        contrasts: Every contestant against the reference, by every figure.
        transfer: For each figure, what the contestant that shares gains over the one that does not; empty where there are none.
        answer: What that comes to, as sentences, the most important first.
        sharing: Scores by shared layers; empty where that was not varied.
        sharing_layers: Hidden layers between inputs and heads in it.
        warnings: What a reader should know.
        seconds: Wall time.
        score_metrics: The name of the metric that is the score, by head.
    """

    comparison: str
    question: str
    run_id: str
    heads: Mapping[str, str]
    data: Mapping[str, str | int]
    protocol: tuple[str, ...]
    reference: str
    alpha: float
    measured: tuple[ContestantResult, ...]
    contrasts: tuple[PairwiseDifference, ...]
    transfer: tuple[PairwiseDifference, ...]
    answer: tuple[str, ...]
    sharing: tuple[SharingResult, ...] = ()
    sharing_layers: int = 0
    warnings: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)
    score_metrics: Mapping[str, str] = field(kw_only=True)

    def dumps(self) -> str:
        """The whole value as text, for `loads`: a JSON object with null for NaN, and the infinities as "inf" and "-inf".

        Scores are under the name of their metric (`r2`), as the other metrics are under theirs.
        """
        metric = common_metric(self.score_metrics.values())
        data = asdict(self)
        data["measured"] = [by_metric_name(one, metric) for one in data["measured"]]
        data["sharing"] = [by_metric_name(one, metric) for one in data["sharing"]]
        return json.dumps(_plain(data), allow_nan=False, ensure_ascii=False)

    @classmethod
    def loads(cls, text: str) -> ComparisonResult:
        """The value that `dumps` wrote, to the last digit."""
        said = json.loads(text)
        score_metrics = score_metrics_of(said["heads"], said.get("score_metrics"))
        metric = common_metric(score_metrics.values())
        sentences = ("protocol", "answer", "warnings")
        return cls(
            **{
                **said,
                **{name: tuple(said[name]) for name in sentences},
                "alpha": _number(said["alpha"]),
                "seconds": _number(said["seconds"]),
                "measured": tuple(contestant_from(one, metric) for one in said["measured"]),
                "contrasts": tuple(_contrast(one) for one in said["contrasts"]),
                "transfer": tuple(_contrast(one) for one in said["transfer"]),
                "sharing": tuple(_sharing(one, metric) for one in said["sharing"]),
                "score_metrics": score_metrics,
            }
        )


Said = Mapping[str, Any]
"""A JSON object."""


def by_metric_name(data: Said, metric: str) -> dict[str, Any]:
    """A contestant's fields with every metric under its name: the scores, and what is in `metrics`.

    Args:
        data: The fields.
        metric: The name of the metric that the scores are.
    """
    fields = {metric if name == "scores" else name: value for name, value in data.items() if name != "metrics"}
    return {**fields, **data.get("metrics", {})}


def contestant_from(said: Said, metric: str) -> ContestantResult:
    """The contestant that `by_metric_name` described.

    Args:
        said: The fields.
        metric: The name of the metric that the scores are.
    """
    own = {"name", "what", "cost", "recipes", "failed"}
    numbers = {name: _number(value) for name, value in said["cost"].items() if name != "parameters"}
    return ContestantResult(
        **{
            **{name: value for name, value in said.items() if name in own},
            "scores": _halves(said[metric]),
            "metrics": {name: _halves(said[name]) for name in said if name not in own and name != metric},
            "cost": ContestantCost(parameters=said["cost"]["parameters"], **numbers),
            "recipes": tuple(said.get("recipes", ())),
        }
    )


def _sharing(said: Said, metric: str) -> SharingResult:
    return SharingResult(layers=said["layers"], scores=_halves(said[metric]), parameters=said["parameters"])


def _contrast(said: Said) -> PairwiseDifference:
    words = ("figure", "one", "other", "is_significant")
    numbers: Said = {name: _number(value) for name, value in said.items() if name not in words}
    return PairwiseDifference(**{**said, **numbers})


def _halves(said: Said) -> dict[str, tuple[float, ...]]:
    return {figure: tuple(_number(value) for value in values) for figure, values in said.items()}


def _number(said: float | str | None) -> float:
    return math.nan if said is None else float(said)


def _plain(value: Any) -> Any:
    """The value with words for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(float(value))
    return value
