"""The result of a comparison: printed, drawn, exported as tables, and kept with the comparison as JSON.

Scores are by head, and `mean` stands for the mean over the heads. A contestant has ten scores of each, one for every half of
the rows that it was tested on, in the order

    repetition 1: trained on half A, tested on B;  trained on B, tested on A;  repetition 2: …
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from branchsweep.config.codec import NullableFloat, from_data, to_data
from branchsweep.config.metric_names import common_metric
from branchsweep.metrics.collapse import Collapse, collapses
from branchsweep.metrics.names import score_metrics_of
from branchsweep.metrics.paired_tests import PairedTest
from branchsweep.trial import Params

LATENCY_ROWS = 1000
"""The rows that a contestant predicts while its latency is measured."""

ByHalf = Mapping[str, tuple[NullableFloat, ...]]
"""By head, one value per half."""


Verdict = Literal["gains", "loses", "undecided", "equal"]
"""What a comparison says of a contestant against another: it gains or loses significantly; it is equal within the margin; or
neither is shown, and the interval says how large the difference may be."""


def half_names(count: int) -> tuple[str, ...]:
    """What the halves are called, in their order."""
    return tuple(f"half {half}" for half in range(1, count + 1))


@dataclass(frozen=True, slots=True)
class ContestantCost:
    """What a contestant costs.

    Args:
        parameters: Weights and biases of its networks, averaged over the halves; None for an estimator without such a number.
        training_seconds: Time to fit it on one half, averaged: a network's share of its population's, without tuning.
        tuning_seconds: Wall time of its searches over all halves; 0 if it is not tuned.
        latency: Seconds to predict 1,000 rows, without loading the model.
        bytes: Size on disk.
    """

    parameters: float | None
    training_seconds: NullableFloat
    tuning_seconds: NullableFloat
    latency: NullableFloat
    bytes: NullableFloat


@dataclass(frozen=True, slots=True)
class ContestantResult:
    """The scores and the cost of one contestant.

    In JSON every metric is under its own name (`contestant_to_data`).

    Args:
        name: As in YAML.
        description: What it is, such as `one network for all heads, tuned`.
        scores: By head and `mean`, one score per half.
        metrics: The other metrics by name and head, one value per half; errors are in the head's unit.
        cost: What it costs.
        recipes: What was trained on each half, by the head it was trained for (empty for all heads): the params that were
            fixed or chosen. Empty for an estimator with its defaults.
        failure: Why it has no scores; empty if it has.
    """

    name: str
    description: str
    scores: ByHalf
    metrics: Mapping[str, ByHalf]
    cost: ContestantCost
    recipes: tuple[Mapping[str, Params], ...] = ()
    failure: str = ""

    def collapses_of(self, head: str) -> tuple[Collapse, ...]:
        """The halves in which its score of this head (or `mean`) lies far below the other halves."""
        halves = self.scores.get(head, ())
        return collapses({head: halves}, half_names(len(halves)))


@dataclass(frozen=True, slots=True)
class PairwiseDifference:
    """The difference between two contestants in the score of one head, or in the mean score.

    In JSON its first fields keep the names that they got first.

    Args:
        head: The head's name, or `mean`.
        contestant: The contestant's name.
        reference: The name of the contestant that it is compared with.
        difference: The contestant's score minus the reference's, averaged over the ten halves.
        low: Lower end of the confidence interval at 1 - alpha, by the corrected resampled t (Nadeau and Bengio 2003).
        high: Its upper end.
        f: Statistic of the combined 5x2cv F test (Alpaydin 1999).
        p: Its p-value.
        p_adjusted: The p-value with Holm's correction over the family of tests that the pair belongs to.
        p_t: Two-sided p-value of the corrected resampled t-test.
        effect: The difference divided by its standard deviation over the halves (Cohen's d of paired differences).
        is_significant: Whether `p_adjusted` is at most alpha and 0 is outside the interval.
        p_equivalence: The p-value of two one-sided tests against the equivalence margin, with the same correction; NaN where
            that was not tested.
        is_equivalent: Whether `p_equivalence` is at most alpha.
        collapsed: By contestant, the halves (from 1) in which its score lies far below its other halves.
    """

    head: str
    contestant: str
    reference: str
    difference: NullableFloat
    low: NullableFloat
    high: NullableFloat
    f: NullableFloat
    p: NullableFloat
    p_adjusted: NullableFloat
    p_t: NullableFloat
    effect: NullableFloat
    is_significant: bool
    p_equivalence: NullableFloat = math.nan
    is_equivalent: bool = False
    collapsed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """What is said of the contestant against the reference."""
        if self.is_significant:
            return "gains" if self.difference > 0 else "loses"
        return "equal" if self.is_equivalent else "undecided"

    @property
    def reversed(self) -> PairwiseDifference:
        """The same difference with the two contestants in each other's place."""
        return replace(
            self,
            contestant=self.reference,
            reference=self.contestant,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            effect=-self.effect,
        )


@dataclass(frozen=True, slots=True)
class SharingResult:
    """The scores of networks whose heads share a number of hidden layers.

    Args:
        layers: Hidden layers that all heads share, of `ComparisonResult.sharing_layers`.
        scores: By head and `mean`, one score per half.
        parameters: Weights and biases of all its networks.
    """

    layers: int
    scores: ByHalf
    parameters: int


class WarningCode(StrEnum):
    """What a warning of a comparison is about: its table, a budget of seconds, or a contestant that failed or collapsed."""

    TABLE = "table"
    BUDGET_SECONDS = "budget_seconds"
    CONTESTANT_FAILED = "contestant_failed"
    COLLAPSED = "collapsed"


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """How a comparison was done, as values.

    Args:
        halves: Where the halves are from, for display.
        trials: The budget of each contestant that is tuned.
        seconds: The wall time after which its searches end; None without a limit.
        tuning: `nested` in every half, or `once` before.
        folds: Folds of the cross-validation that scores trials; 0 for a hold-out.
        networks: Networks that are trained on every half.
        experiment: The name of the comparison's experiment.
    """

    halves: str
    trials: int
    seconds: float | None
    tuning: str
    folds: int
    networks: int
    experiment: str


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The result of a comparison.

    In JSON some fields keep the names that they got first.

    Args:
        comparison: The comparison's name.
        question: Its question.
        run_id: Its run in the tracking store.
        heads: Unit by head.
        data: `source`, `location`, `digest` and `rows` of the table.
        protocol: How it was done, as sentences made from `settings`.
        reference: The name of the contestant that all others are compared with.
        alpha: Level of the tests.
        equivalence_margin: What still counts as equal; NaN where equality was not tested.
        contestants: The contestants in order.
        differences: Every contestant against the reference, by head and `mean`.
        transfer: By head and `mean`, the contestant with shared layers against the one without; empty if there are none.
        conclusions: What follows, as sentences, the most important first.
        sharing: Scores by the number of shared layers; empty if that was not varied.
        sharing_layers: Hidden layers between inputs and heads in `sharing`.
        warnings: What a reader should know.
        cuts: What a quick form cut off, such as `4 trials of tuning instead of 24`; empty for a comparison in full.
        seconds: Wall time.
        score_metrics: The name of the metric that is the score, by head.
        settings: How it was done; None in the record of a version that did not keep it.
        transfer_tests: Of heads with classes, McNemar's and DeLong's tests of the pair of `transfer`, over the halves; evidence
            beside the verdict. Empty in such a record, too.
        warning_codes: What each of `warnings` is about; empty in such a record.
    """

    comparison: str
    question: str
    run_id: str
    heads: Mapping[str, str]
    data: Mapping[str, str | int]
    protocol: tuple[str, ...]
    reference: str
    alpha: NullableFloat
    contestants: tuple[ContestantResult, ...]
    differences: tuple[PairwiseDifference, ...]
    transfer: tuple[PairwiseDifference, ...]
    conclusions: tuple[str, ...]
    sharing: tuple[SharingResult, ...] = ()
    sharing_layers: int = 0
    warnings: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()
    equivalence_margin: NullableFloat = math.nan
    seconds: NullableFloat = field(default=0.0, compare=False)
    score_metrics: Mapping[str, str] = field(kw_only=True)
    settings: ComparisonSettings | None = None
    warning_codes: tuple[WarningCode, ...] = ()
    transfer_tests: tuple[PairedTest, ...] = ()

    @property
    def metric(self) -> str:
        """The name of the metric that the heads' scores share."""
        return common_metric(self.score_metrics.values())

    def to_json(self) -> str:
        """The result as JSON text, for programs and for `from_json`; null stands for NaN.

        Scores are under the name of their metric (`r2`), as the other metrics are under theirs.
        """
        data = to_data(self, nan=None)
        for name, differences in (("differences", self.differences), ("transfer", self.transfer)):
            data[name] = [
                {**fields, VERDICT: difference.verdict} for fields, difference in zip(data[name], differences, strict=True)
            ]
        data["contestants"] = [_with_metric_names(contestant, self.metric) for contestant in data["contestants"]]
        data["sharing"] = [_renamed(point, {"scores": self.metric}) for point in data["sharing"]]
        return json.dumps(data, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ComparisonResult:
        """The result that `to_json` wrote, in this or in an earlier version.

        Raises:
            ValueError: The text is no JSON, or does not describe a result.
        """
        data = _with_present_names(json.loads(text))
        data["score_metrics"] = score_metrics_of(data["heads"], data.get("score_metrics"))
        metric = common_metric(data["score_metrics"].values())
        for name in ("differences", "transfer"):
            data[name] = [{key: value for key, value in fields.items() if key != VERDICT} for fields in data[name]]
        data["contestants"] = [_without_metric_names(contestant, metric) for contestant in data["contestants"]]
        data["sharing"] = [_renamed(point, {metric: "scores"}) for point in data["sharing"]]
        return from_data(cls, data)


Data = Mapping[str, Any]
"""A JSON object."""

_FORMER_NAMES = {"measured": "contestants", "contrasts": "differences", "answer": "conclusions"}
_FORMER_NAMES_OF_CONTESTANTS = {"what": "description", "failed": "failure"}
_FORMER_NAMES_OF_DIFFERENCES = {"figure": "head", "one": "contestant", "other": "reference"}
"""The names that earlier versions gave to fields in JSON."""


def _with_present_names(data: Data) -> dict[str, Any]:
    """The JSON of a result, its fields under their present names."""
    present = _renamed(data, _FORMER_NAMES)
    if "measured" in data:
        for name in ("differences", "transfer"):
            present[name] = [_renamed(difference, _FORMER_NAMES_OF_DIFFERENCES) for difference in present[name]]
    return present


VERDICT = "verdict"
"""The verdict on a difference among its JSON fields, which follows from the others."""


def contestant_to_data(contestant: ContestantResult, metric: str) -> dict[str, Any]:
    """The contestant as JSON knows it, with every metric under its name.

    Args:
        contestant: The contestant.
        metric: The name of the metric that the scores are.
    """
    return _with_metric_names(to_data(contestant, nan=None), metric)


def contestant_from_data(data: Data, metric: str) -> ContestantResult:
    """The contestant that `contestant_to_data` described.

    Args:
        data: What it returned.
        metric: The name of the metric that the scores are.

    Raises:
        ValueError: The data does not describe a contestant.
    """
    return from_data(ContestantResult, _without_metric_names(data, metric))


def _with_metric_names(contestant: Data, metric: str) -> dict[str, Any]:
    """A contestant's data with every metric under its name: the scores in their place, the other metrics last."""
    named = _renamed(contestant, {"scores": metric})
    metrics: Data = named.pop("metrics")
    return {**named, **metrics}


def _without_metric_names(contestant: Data, metric: str) -> dict[str, Any]:
    """The inverse of `_with_metric_names`."""
    named = _renamed(contestant, {metric: "scores", **_FORMER_NAMES_OF_CONTESTANTS})
    fields = {"name", "description", "scores", "cost", "recipes", "failure"} & named.keys()
    return {**{name: named.pop(name) for name in fields}, "metrics": named}


def _renamed(data: Data, names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in data.items()}
