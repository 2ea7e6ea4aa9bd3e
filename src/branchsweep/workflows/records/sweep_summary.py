"""The summary of a finished sweep: printed for people, as JSON for programs, and recorded with the sweep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from branchsweep.config.codec import from_data, to_json, to_public_json
from branchsweep.config.metric_names import MEAN, ObjectiveMetric, common_metric
from branchsweep.errors import UnreadableRecordError
from branchsweep.metrics.names import STANDARD_ERROR, score_metrics_of, with_current_fields
from branchsweep.metrics.paired_tests import PairedTest
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.metrics.selection_bias import SelectionBias, selection_bias
from branchsweep.tracking.protocols import SweepConclusion
from branchsweep.tracking.registry_protocols import PromotionCause
from branchsweep.trial import MeanScores, Params, ParamValue
from branchsweep.workflows.records.baseline_result import BaselineResult, BestBaseline, best_baselines, best_first
from branchsweep.workflows.records.ensemble_summary import EnsembleSummary, model_description
from branchsweep.workflows.records.sweep_summary_json import (
    BaselineJson,
    BestBaselineJson,
    ConfirmedTrialJson,
    EnsembleJson,
    EnsembleMemberJson,
    FinalistJson,
    ParetoTrialJson,
    SweepSummaryJson,
    VersionJson,
)
from branchsweep.workflows.stages import rounded_stages


@dataclass(frozen=True, slots=True)
class TrialSummary:
    """One trial: the finalist, or before the end the best one so far.

    Args:
        trial: Its number.
        params: What the search chose.
        recipe: Every hyperparameter that was varied or fixed, for people.
        scores: Its scores in the search.
        parameters: Weights and biases of the network.
        has_branches: Whether some head has hidden layers of its own; None in the record of a version that did not keep it.
    """

    trial: int
    params: Params
    recipe: Mapping[str, ParamValue]
    scores: MeanScores
    parameters: int
    has_branches: bool | None = None


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """The model that was registered.

    Args:
        model: The registered model's name.
        version: Its version.
        promoted: Whether the version is the champion.
        because: Why it is, or is not.
        cause: The same as a code; None in the record of a version that did not keep it.
    """

    model: str
    version: int
    promoted: bool
    because: str
    cause: PromotionCause | None = None


@dataclass(frozen=True, slots=True)
class ParetoTrial:
    """A trial on the Pareto front.

    Args:
        trial: Its number.
        scores: Mean validation score by head.
        values: The objectives' values, one number each.
        others: Those that are no scores, by name (`rmse/PE`, `parameters`).
    """

    trial: int
    scores: Mapping[str, float]
    values: tuple[float, ...]
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConfirmedTrial:
    """One of the best trials, with its scores in the search and its confirmed scores.

    Args:
        trial: Its number.
        searched: Scores in the search by head, and `mean`, with their selection bias, for they are the best of many.
        scores: Scores from fresh seeds on fresh folds.
        parameters: Weights and biases.
        latency: Seconds in which a network of this trial predicts 1,000 rows; None where it was not measured.
        others: By name (`rmse/PE`) what else the objective names of the predictions: in the search, and confirmed.
    """

    trial: int
    searched: Mapping[str, float]
    scores: MeanScores
    parameters: int
    latency: float | None = None
    others: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """The summary of a finished sweep.

    Args:
        sweep: The experiment's name.
        run_id: The sweep's run in the store.
        data: `source`, `digest`, `rows`, `location`.
        trials: How many are `complete`, `pruned`, `failed`.
        finalist: The trial that was chosen by confirmation, among the best ones of the search; None where there is none.
        test_scores: Score of the refitted finalist on the test rows, by head; None where there was no refit.
        test_metrics: All metrics of it there, by head and name; empty in the record of a version that did not keep them.
        baselines: The baselines.
        registered: The registered model; None where nothing was registered.
        seconds: Wall time of this run of the sweep, from the start of its command.
        search_seconds: Wall time of the search in it, and in earlier runs that came to their end.
        stopped_by: Which budget ended the search: `trials`, `seconds`, `target`, `patience`, `exhausted`,
            or `callback`.
        stopped_because: The same in words.
        budget: The stopping criteria that it had, by name; None for one that it had not.
        confirmed: The best trials, trained again from fresh seeds on fresh folds.
        to_confirm: How many of them there are to be (`confirmation.trials`), which are fewer where fewer are complete; 0 in the
            record of a version that did not keep it.
        members: Networks of the exported model; 0 where there is none.
        ensemble: What it consists of and is worth, where an ensemble was asked for; None where there is none, and in the record
            of a version that did not keep it.
        test_evaluations: How many models were evaluated on these test rows, in all sweeps of the store.
        pareto_front: With several objectives, the trials that no other beats in all of them.
        unmet_constraints: Constraints that no complete trial meets, or that could not be checked.
        importance: By head, and for `mean`, each dimension's share in what made a trial one of the best, the largest first;
            empty where it cannot be estimated.
        without_importance: Why not, as a sentence; empty where there is an estimate, and in records of earlier versions.
        boundary_warnings: Hyperparameters of the finalist that are at a bound of the space, as sentences that propose the
            edit.
        collapses: Networks of the confirmation, and refits, whose scores lie far below those of their siblings, as sentences.
        intervals: The prediction intervals of the model, as the test rows have checked them; None where there are none, and in
            the record of a version that did not keep them.
        paired_tests: Of heads with classes, McNemar's and DeLong's tests of the model against the champion on the test rows;
            empty without a champion, and in the record of a version that did not keep them.
        stages: The same by what the sweep did, in order; empty in the record of a version that did not keep it.
        score_metrics: The name of the metric that is the score, by head.
    """

    sweep: str
    run_id: str
    data: Mapping[str, str | int]
    trials: Mapping[str, int]
    finalist: TrialSummary | None
    test_scores: Mapping[str, float] | None
    baselines: tuple[BaselineResult, ...]
    registered: PromotionResult | None
    seconds: float
    search_seconds: float
    stopped_by: str
    stopped_because: str
    budget: Mapping[str, int | float | None]
    confirmed: tuple[ConfirmedTrial, ...] = ()
    to_confirm: int = 0
    members: int = 0
    test_evaluations: int = 0
    pareto_front: tuple[ParetoTrial, ...] = ()
    unmet_constraints: tuple[str, ...] = ()
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    without_importance: str = ""
    boundary_warnings: tuple[str, ...] = ()
    collapses: tuple[str, ...] = ()
    ensemble: EnsembleSummary | None = None
    intervals: CheckedIntervals | None = None
    paired_tests: tuple[PairedTest, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    test_metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    score_metrics: Mapping[str, str] = field(kw_only=True)

    def to_json(self) -> str:
        """One JSON object, of the form that the documentation of `run --json` promises.

        Scores are under the name of the metric that the heads share, `r2`; null stands for what JSON has no number for.
        """
        finalist, registered, metric, bias = self.finalist, self.registered, self.metric, self.selection_bias
        error = STANDARD_ERROR.format(metric)
        return to_public_json(
            SweepSummaryJson(
                sweep=self.sweep,
                run_id=self.run_id,
                data={key: self.data[key] for key in ("source", "digest", "rows")},
                trials=self.trials,
                finalist=FinalistJson(finalist.trial, finalist.params, {metric: finalist.scores.values}) if finalist else None,
                test=_test_json(metric, self.test_scores, self.test_metrics) if self.test_scores else None,
                registered=_version_json(registered) if registered else None,
                seconds=round(self.seconds, 1),
                stages=rounded_stages(self.stages),
                stopped_by=self.stopped_by,
                confirmed=[
                    ConfirmedTrialJson(
                        trial.trial,
                        trial.searched,
                        {metric: trial.scores.values, error: trial.scores.errors},
                        bias.by_trial.get(trial.trial, {}),
                        trial.latency,
                        {name: {"searched": before, "confirmed": after} for name, (before, after) in trial.others.items()},
                    )
                    for trial in self.confirmed
                ],
                to_confirm=self.to_confirm,
                shift=bias.shift,
                members=self.members,
                ensemble=_ensemble_json(self.ensemble, metric) if self.ensemble else None,
                test_evaluations=self.test_evaluations,
                pareto_front=[
                    ParetoTrialJson(trial.trial, {metric: trial.scores}, trial.others) for trial in self.pareto_front
                ],
                unmet_constraints=self.unmet_constraints,
                baselines={
                    baseline.name: BaselineJson(
                        {metric: baseline.scores.values},
                        _test_json(metric, baseline.test_scores, baseline.test_metrics),
                        baseline.params,
                        baseline.trials,
                        baseline.estimators,
                    )
                    for baseline in self.baselines
                },
                best_baselines={
                    head: BestBaselineJson(best.name, {metric: best.score}, best.difference)
                    for head, best in self.best_baselines.items()
                },
                importance=self.importance,
                without_importance=self.without_importance,
                boundary_warnings=self.boundary_warnings,
                collapses=self.collapses,
                intervals=self.intervals,
                paired_tests=self.paired_tests,
            )
        )

    @property
    def trial_counts(self) -> str:
        """How many trials there are, how they ended, and how many were confirmed, in words."""
        by_status = ", ".join(f"{count:,} {status}" for status, count in self.trials.items() if count)
        counts = f"{sum(self.trials.values()):,} trials ({by_status})"
        return f"{counts}, {self.confirmed_counts}" if self.confirmed_counts else counts

    @property
    def confirmed_counts(self) -> str:
        """How many trials were confirmed, of how many that were to be; empty where none was, or where that is not recorded."""
        count = len(self.confirmed)
        if not self.confirmed or not self.to_confirm:
            return ""
        missing = " (no more are complete)" if count < self.to_confirm and count == self.trials.get("complete") else ""
        return f"{count} of {self.to_confirm} confirmed{missing}"

    @property
    def confirmed_finalist(self) -> ConfirmedTrial | None:
        """The finalist with its confirmed scores; None if it was not confirmed."""
        return next((trial for trial in self.confirmed if self.finalist and trial.trial == self.finalist.trial), None)

    @property
    def model_description(self) -> str:
        """What the exported model is in words, such as `the mean of 8 networks`; empty for one network."""
        return model_description(self.members, self.ensemble.members if self.ensemble else ())

    @property
    def selection_bias(self) -> SelectionBias:
        """The differences between searched and confirmed scores: the shift that all share, and the selection bias of each."""
        return selection_bias({trial.trial: (trial.searched, trial.scores.values) for trial in self.confirmed})

    @property
    def finalist_scores(self) -> MeanScores | None:
        """The scores of the ensemble, if it is judged by them; else those of the finalist; None without one.

        These are its confirmed scores, or those in the search if it was not confirmed.
        """
        if self.ensemble and self.ensemble.scores:
            return self.ensemble.scores
        scored = self.confirmed_finalist or self.finalist
        return scored.scores if scored else None

    @property
    def baselines_best_first(self) -> Sequence[BaselineResult]:
        """The baselines by the mean of their confirmed scores."""
        return best_first(self.baselines)

    @property
    def best_baselines(self) -> Mapping[str, BestBaseline]:
        """By head and for `mean`, the baseline with the best confirmed score; empty without a finalist to compare it with."""
        return best_baselines(self.baselines, self.finalist_scores, self.score_metrics) if self.finalist_scores else {}

    @property
    def objective_metrics(self) -> Sequence[str]:
        """What the objective names of the predictions and is no score, by its full name (`accuracy/trip`)."""
        others = self.confirmed[0].others if self.confirmed else {}
        return [name for name in others if ObjectiveMetric.parsed(name).head]

    @property
    def without_finalist(self) -> str:
        """Why there is no finalist, as the beginning of a sentence."""
        return f"No trial {'meets the constraints' if self.trials.get('complete') else 'is complete'}"

    @property
    def metric(self) -> str:
        """The name of the metric that the heads' scores share."""
        return common_metric(self.score_metrics.values())

    def timed(self, stages: Mapping[str, float]) -> SweepSummary:
        """The summary with the wall time of its stages, and their sum as its own."""
        return replace(self, seconds=sum(stages.values()), stages=stages)

    def dumps(self) -> str:
        """The whole value as JSON, for `loads`."""
        return to_json(self)

    @classmethod
    def of_conclusion(cls, conclusion: SweepConclusion | None) -> SweepSummary | None:
        """The summary that a sweep recorded when it finished; None for one that has not, or whose summary cannot be read.

        Such a summary was written by another version, or edited: concluding the sweep again costs a refit, no trial.
        """
        try:
            return cls.loads(conclusion.summary) if conclusion and conclusion.summary else None
        except UnreadableRecordError:
            return None

    @classmethod
    def loads(cls, text: str) -> SweepSummary:
        """The value that `dumps` wrote, in this version or an earlier one.

        Raises:
            UnreadableRecordError: The text is not of that form.
        """
        try:
            data = json.loads(text)
            data = data if "baselines" in data else _with_current_form(data)
            return from_data(cls, {"finalist": data.pop("best"), **data} if "best" in data else data)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableRecordError(f"the summary of the sweep cannot be read ({type(error).__name__})") from error


def _ensemble_json(ensemble: EnsembleSummary, metric: str) -> EnsembleJson:
    scores = {metric: ensemble.scores.values, STANDARD_ERROR.format(metric): ensemble.scores.errors} if ensemble.scores else {}
    members = [EnsembleMemberJson(member.name, member.networks, member.weights) for member in ensemble.members]
    return EnsembleJson(ensemble.choose, members, scores)


def _test_json(
    metric: str, scores: Mapping[str, float], metrics: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """What was measured on the test rows by name of the metric and head, the scores first.

    Args:
        metric: The name of the metric that the heads' scores share.
        scores: By head.
        metrics: All metrics, by head and name.
    """
    by_name = {metric: dict(scores)}
    for head, own in metrics.items():
        for name, value in own.items():
            by_name.setdefault(name, {})[head] = value
    return by_name


def _version_json(registered: PromotionResult) -> VersionJson:
    return VersionJson(registered.model, registered.version, registered.promoted, registered.because, registered.cause)


_FORMER_FIELDS = {
    "references": "baselines",
    "champion": "registered",
    "crowned": "promoted",
    "meetings": "test_evaluations",
    "front": "pareto_front",
    "unmet": "unmet_constraints",
    "edges": "boundary_warnings",
}
"""The names that earlier versions gave to fields of a summary, and to those of the values in it."""


def _with_current_form(data: Any) -> dict[str, Any]:
    """What a version wrote that had no other score than R², in the present form."""
    try:
        summary = _with_current_fields(data)
        best, registered = summary["best"], summary["registered"]
        summary |= {
            "best": best and _with_mean_scores(best),
            "registered": registered and _with_current_fields(registered),
            "pareto_front": [_with_current_fields(trial) for trial in summary["pareto_front"]],
            "importance": {head: _numbers(shares) for head, shares in summary.get("importance", {}).items()},
            **{name: [_with_mean_scores(scored) for scored in summary[name]] for name in ("baselines", "confirmed")},
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not the summary of a sweep: {error!r}") from error
    scored = [result for result in (summary["best"], *summary["baselines"]) if result]
    heads = [head for head in scored[0]["scores"]["values"] if head != MEAN] if scored else []
    return {"score_metrics": score_metrics_of(heads), **summary}


def _with_current_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one value under their present names."""
    return {_FORMER_FIELDS.get(name, name): value for name, value in with_current_fields(data).items()}


def _with_mean_scores(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one value, its scores and their standard errors in one field."""
    fields = _with_current_fields(data)
    fields["scores"] = {"values": _numbers(fields["scores"]), "errors": _numbers(fields.pop("scores_se"))}
    return fields


def _numbers(values: Mapping[str, float | None]) -> dict[str, float | str]:
    """Numbers as the present form writes them; null stood for one that is not finite."""
    return {name: "nan" if value is None else value for name, value in values.items()}
