"""The summary of a finished sweep: printed for people, as JSON for programs, and recorded with the sweep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from branchsweep.config.codec import from_data, to_json
from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.metrics.names import STANDARD_ERROR, score_metrics_of, with_current_fields
from branchsweep.trial import Params, ParamValue


@dataclass(frozen=True, slots=True)
class BestTrial:
    """The best trial.

    Args:
        trial: Its number.
        params: What the search chose.
        recipe: Every hyperparameter that was varied or fixed, for people.
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
    """A baseline, scored on the same rows as the best trial.

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
    """The model that was registered.

    Args:
        model: The registered model's name.
        version: Its version.
        crowned: Whether the version is the champion.
        because: Why it is, or is not.
    """

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
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ConfirmedScores:
    """One of the best trials, with its score in the search and its confirmed score.

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
class SweepSummary:
    """The summary of a finished sweep.

    Args:
        sweep: The experiment's name.
        run_id: The sweep's run in the store.
        data: `source`, `digest`, `rows`, `location`.
        trials: How many are `complete`, `pruned`, `failed`.
        best: The finalist: of the best trials the one that was confirmed; None where there is none.
        test_scores: Score of the refitted best on the test rows, by head; None where there was no refit.
        references: The baselines.
        champion: The registered model; None where nothing was registered.
        seconds: Wall time of this run of the sweep.
        search_seconds: Wall time of the search in it, and in earlier runs that came to their end.
        stopped_by: Which budget ended the search: `trials`, `seconds`, `target`, `patience`, or `exhausted`.
        stopped_because: The same in words.
        budget: The stopping criteria that it had, by name; None for one that it had not.
        confirmed: The best trials, trained again from fresh seeds on fresh folds.
        members: Networks whose mean the exported model is; 0 where there is none.
        meetings: How many models were evaluated on these test rows, in all sweeps of the store.
        front: With several objectives, the trials that no other beats in all of them.
        unmet: Constraints that no complete trial meets, or that could not be checked.
        importance: By head, and for `mean`, each dimension's share in what made a trial one of the best, the largest first;
            empty where the trials are too few to say.
        edges: Hyperparameters of the best trial that are at a bound of the space, as sentences that propose the edit.
        score_metrics: The name of the metric that is the score, by head.
    """

    sweep: str
    run_id: str
    data: Mapping[str, str | int]
    trials: Mapping[str, int]
    best: BestTrial | None
    test_scores: Mapping[str, float] | None
    references: tuple[BaselineResult, ...]
    champion: PromotionResult | None
    seconds: float
    search_seconds: float
    stopped_by: str
    stopped_because: str
    budget: Mapping[str, int | float | None]
    confirmed: tuple[ConfirmedScores, ...] = ()
    members: int = 0
    meetings: int = 0
    front: tuple[ParetoTrial, ...] = ()
    unmet: tuple[str, ...] = ()
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    edges: tuple[str, ...] = ()
    score_metrics: Mapping[str, str] = field(kw_only=True)

    def to_json(self) -> str:
        """One JSON object, of the form that the documentation of `run --json` promises.

        Scores are under the name of the metric that the heads share, `r2`; null stands for what JSON has no number for.
        """
        best, champion, metric = self.best, self.champion, self.metric
        error = STANDARD_ERROR.format(metric)
        promised: dict[str, Any] = {
            "sweep": self.sweep,
            "run_id": self.run_id,
            "data": {key: self.data[key] for key in ("source", "digest", "rows")},
            "trials": self.trials,
            "best": best and {"trial": best.trial, "params": best.params, metric: best.scores},
            "test": self.test_scores and {metric: self.test_scores},
            "champion": champion and asdict(champion),
            "seconds": round(self.seconds, 1),
            "stopped_by": self.stopped_by,
            "confirmed": [
                {"trial": each.trial, "searched": each.searched, metric: each.scores, error: each.scores_se}
                for each in self.confirmed
            ],
            "members": self.members,
            "meetings": self.meetings,
            "front": [{"trial": each.trial, metric: each.scores} for each in self.front],
            "unmet": self.unmet,
            "references": {
                reference.name: {metric: reference.scores, "test": {metric: reference.test_scores}}
                for reference in self.references
            },
            "importance": self.importance,
            "edges": self.edges,
        }
        return json.dumps(_with_null(promised))

    @property
    def metric(self) -> str:
        """The name of the metric that the heads' scores share."""
        return common_metric(self.score_metrics.values())

    def dumps(self) -> str:
        """The whole value as JSON, for `loads`."""
        return to_json(self)

    @classmethod
    def loads(cls, text: str) -> SweepSummary:
        """The value that `dumps` wrote, in this version or an earlier one.

        Raises:
            ValueError: The text is not of that form.
        """
        data = json.loads(text)
        return from_data(cls, _with_current_form(data) if "score_metrics" not in data else data)


def _with_null(value: Any) -> Any:
    """JSON data with null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: _with_null(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_null(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_current_form(data: Any) -> dict[str, Any]:
    """What a version wrote that had no other score than R², in the present form: null stood for a number that is not finite."""
    try:
        result = with_current_fields(data)
        best = result["best"] and _scored(result["best"])
        references, confirmed, front = (
            [_scored(each) for each in result[name]] for name in ("references", "confirmed", "front")
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not the summary of a sweep: {error!r}") from error
    heads: Mapping[str, float] = next((each["scores"] for each in (best, *references) if each), {})
    return {
        **result,
        "best": best,
        "references": references,
        "confirmed": confirmed,
        "front": front,
        "importance": {head: _numbers(shares) for head, shares in result.get("importance", {}).items()},
        "score_metrics": score_metrics_of(head for head in heads if head != MEAN),
    }


def _scored(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a value with scores, in the present form."""
    fields = with_current_fields(data)
    return {name: _numbers(value) if name == "scores_se" else value for name, value in fields.items()}


def _numbers(values: Mapping[str, float | None]) -> dict[str, float | str]:
    return {name: "nan" if value is None else value for name, value in values.items()}
