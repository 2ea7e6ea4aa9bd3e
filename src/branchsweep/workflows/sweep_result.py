"""What a finished sweep has to say, as a value: printed for people, as JSON for programs, and kept with the sweep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.metrics.names import STANDARD_ERROR, score_metrics_of, with_current_fields
from branchsweep.trial import Params, ParamValue


@dataclass(frozen=True, slots=True)
class BestTrial:
    """The best trial.

    Args:
        trial: Its number.
        params: What the search chose.
        recipe: Every tunable that was varied or fixed, for people.
        scores: Mean validation score by head, and `mean`.
        scores_se: Its standard error over the lanes, by head, and `mean`; NaN for one lane.
        parameters: Weights and biases of the network.
    """

    trial: int
    params: Params
    recipe: Mapping[str, ParamValue]
    scores: Mapping[str, float]
    scores_se: Mapping[str, float]
    parameters: int


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """What the best trial is compared with, on the same rows.

    Args:
        name: For people.
        scores: Mean validation score by head, and `mean`.
        scores_se: Its standard error over folds and seeds.
        test_scores: Score on the test rows by head.
    """

    name: str
    scores: Mapping[str, float]
    scores_se: Mapping[str, float]
    test_scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """What the registry holds after the sweep."""

    model: str
    version: int
    crowned: bool
    because: str


@dataclass(frozen=True, slots=True)
class ParetoTrial:
    """A trial on the Pareto front.

    Args:
        trial: Its number.
        scores: Mean validation score by head.
        values: What is maximised, one number per objective.
    """

    trial: int
    scores: Mapping[str, float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class ConfirmedScores:
    """One of the best trials, in the search and once more.

    Args:
        trial: Its number.
        searched: Mean score in the search, by head and `mean`: the best of many, which flatters.
        scores: Mean score from fresh seeds on fresh folds.
        scores_se: Its standard error over the lanes.
        parameters: Weights and biases.
    """

    trial: int
    searched: Mapping[str, float]
    scores: Mapping[str, float]
    scores_se: Mapping[str, float]
    parameters: int


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The end of a sweep.

    Args:
        sweep: The experiment's name.
        run_id: The sweep's run in the store.
        data: `source`, `digest`, `rows`, `location`.
        trials: How many are `complete`, `pruned`, `failed`.
        best: The finalist: of the best trials the one that was confirmed; None where there is none.
        test_scores: Score of the refitted best on the test rows, by head; None where there was no refit.
        references: What it is compared with.
        champion: None where nothing was registered.
        seconds: Wall time of this run of the sweep.
        search_seconds: Wall time of the search in it, and in earlier runs that came to their end.
        stopped_by: Which budget ended the search: `trials`, `seconds`, `target`, `patience`, or `exhausted`.
        stopped_because: The same in words.
        budget: The budgets that it had, by name; None for one that it had not.
        confirmed: The best trials, trained again from fresh seeds on fresh folds.
        members: Networks whose mean the finished model is; 0 where there is none.
        meetings: How many models have met these test rows, in all sweeps of the store.
        front: With several objectives, the trials that no other beats in all of them.
        unmet: Constraints that no complete trial meets, or that could not be checked.
        importance: By head, and for `mean`, each dimension's share in what made a trial one of the best, the largest first;
            empty where the trials are too few to say.
        edges: Where the best trial stands at the edge of what was searched, as sentences that propose the edit.
        score_metrics: The name of the metric that is the score, by head.
    """

    sweep: str
    run_id: str
    data: Mapping[str, str | int]
    trials: Mapping[str, int]
    best: BestTrial | None
    test_scores: Mapping[str, float] | None
    references: Sequence[BaselineResult]
    champion: PromotionResult | None
    seconds: float
    search_seconds: float
    stopped_by: str
    stopped_because: str
    budget: Mapping[str, float | None]
    confirmed: Sequence[ConfirmedScores] = ()
    members: int = 0
    meetings: int = 0
    front: Sequence[ParetoTrial] = ()
    unmet: Sequence[str] = ()
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    edges: Sequence[str] = ()
    score_metrics: Mapping[str, str] = field(kw_only=True)

    def to_json(self) -> str:
        """One JSON object, of the form that the documentation of `run --json` promises.

        Scores are under the name of the metric that the heads share, `r2`.
        """
        best, champion, metric = self.best, self.champion, self.metric
        error = STANDARD_ERROR.format(metric)
        return json.dumps(
            _plain(
                {
                    "sweep": self.sweep,
                    "run_id": self.run_id,
                    "data": {key: self.data[key] for key in ("source", "digest", "rows")},
                    "trials": dict(self.trials),
                    "best": best and {"trial": best.trial, "params": dict(best.params), metric: dict(best.scores)},
                    "test": self.test_scores and {metric: dict(self.test_scores)},
                    "champion": champion and asdict(champion),
                    "seconds": round(self.seconds, 1),
                    "stopped_by": self.stopped_by,
                    "confirmed": [
                        {
                            "trial": one.trial,
                            "searched": dict(one.searched),
                            metric: dict(one.scores),
                            error: dict(one.scores_se),
                        }
                        for one in self.confirmed
                    ],
                    "members": self.members,
                    "meetings": self.meetings,
                    "front": [{"trial": one.trial, metric: dict(one.scores)} for one in self.front],
                    "unmet": list(self.unmet),
                    "references": {
                        reference.name: {metric: dict(reference.scores), "test": {metric: dict(reference.test_scores)}}
                        for reference in self.references
                    },
                    "importance": {head: dict(shares) for head, shares in self.importance.items()},
                    "edges": list(self.edges),
                }
            )
        )

    @property
    def metric(self) -> str:
        """The name of the metric that the heads' scores share."""
        return common_metric(self.score_metrics.values())

    def dumps(self) -> str:
        """The whole value as text, for `loads`."""
        return json.dumps(_plain(asdict(self)))

    @classmethod
    def loads(cls, text: str) -> SweepResult:
        """The value that `dumps` wrote, this version's or an earlier one's, which had neither importance nor edges."""
        said = with_current_fields(json.loads(text))
        best = said["best"] and BestTrial(**_scores(said["best"]))
        return cls(
            **{
                **said,
                "best": best,
                "references": tuple(BaselineResult(**_scores(one)) for one in said["references"]),
                "champion": said["champion"] and PromotionResult(**said["champion"]),
                "confirmed": tuple(ConfirmedScores(**_scores(one)) for one in said["confirmed"]),
                "front": tuple(
                    ParetoTrial(**{**with_current_fields(one), "values": tuple(one["values"])}) for one in said["front"]
                ),
                "edges": tuple(said.get("edges", ())),
                "score_metrics": said.get("score_metrics") or _recorded_score_metrics(said),
            }
        )


def _plain(value: Any) -> Any:
    """The value with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _recorded_score_metrics(said: Mapping[str, Any]) -> Mapping[str, str]:
    """Of a value that an earlier version wrote, which does not name its heads."""
    scored = [one for one in (said["best"], *said["references"]) if one]
    heads = with_current_fields(scored[0])["scores"] if scored else ()
    return score_metrics_of(head for head in heads if head != MEAN)


def _scores(said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a value with scores, NaN where null stands for a standard error."""
    fields = with_current_fields(said)
    return {**fields, "scores_se": _numbers(fields["scores_se"])}


def _numbers(values: Mapping[str, float | None]) -> Mapping[str, float]:
    return {key: math.nan if value is None else value for key, value in values.items()}
