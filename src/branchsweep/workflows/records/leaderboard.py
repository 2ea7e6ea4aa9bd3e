"""The leaderboard of a recorded sweep: its trials, filtered and sorted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.codec import Inline, to_public_json
from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEASURED_NETWORK_METRICS, PARAMETERS
from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.objectives import ObjectiveEvaluator, make_evaluator
from branchsweep.models.recipe import recipe_for
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.trial import Result, Status
from branchsweep.workflows.records.trial_filter import NUMBER, OBJECTIVE, SECONDS, TrialFilter, value_of
from branchsweep.workflows.records.trial_json import TrialJson


@dataclass(frozen=True, slots=True)
class RankedTrialJson:
    """A trial in a leaderboard, as JSON.

    Args:
        trial: The trial with its score.
        objective: By which trials are ranked, the highest first; None for a trial that is not complete.
        eligible: Whether it meets the constraints.
        counted: `parameters`, where weights and biases were counted; null where a builder fails.
    """

    trial: Inline[TrialJson]
    objective: float | None
    eligible: bool
    counted: Inline[Mapping[str, int | None]]


@dataclass(frozen=True, slots=True)
class LeaderboardJson:
    """A leaderboard as `branchsweep show --json` prints it. See `Leaderboard` for what its fields are."""

    sweep: str
    run_id: str
    heads: Mapping[str, str]
    objective: Sequence[str]
    sort: str
    recorded: int
    status: str
    counts: Mapping[str, int]
    trials: Sequence[RankedTrialJson]


@dataclass(frozen=True, slots=True)
class SweepTrials:
    """The trials of a recorded sweep, with their runs.

    Args:
        run_id: The sweep's run.
        record: What was recorded of the sweep when it began.
        results: All trials of the sweep.
        run_ids: The trials' runs by trial number.
        status: Of the sweep, in small letters: `running`, `interrupted`, `finished`, ….
    """

    run_id: str
    record: SweepRecord
    results: Sequence[Result]
    run_ids: Mapping[int, str]
    status: str = "finished"


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Trials of a sweep, filtered and sorted.

    Args:
        sweep: The experiment's name.
        run_id: The sweep's run.
        heads: Unit by head.
        score_metrics: The name of the metric that is the score, by head.
        objective: The objective of the search.
        sort: The sort key.
        evaluator: The objective with bounds from all trials of the sweep.
        shown: The trials, in order.
        run_ids: The trials' runs by trial number.
        parameters: Weights and biases by trial number, 0 where a builder fails; empty if not counted.
        matching: How many trials pass the filter, shown or not.
        recorded: How many trials the sweep has.
        status: Of the sweep, in small letters.
        counts: How many trials the sweep has of each status.
    """

    sweep: str
    run_id: str
    heads: Mapping[str, str]
    score_metrics: Mapping[str, str]
    objective: Objective
    sort: str
    evaluator: ObjectiveEvaluator
    shown: Sequence[Result]
    run_ids: Mapping[int, str]
    parameters: Mapping[int, int]
    matching: int
    recorded: int
    status: str
    counts: Mapping[str, int]

    def to_json(self) -> str:
        """The leaderboard as a JSON object; null stands for NaN and infinities."""
        trials = [
            RankedTrialJson(
                trial=TrialJson.of(result, self.run_ids[result.trial.number], self.score_metrics),
                objective=_ranked_by(self.evaluator, result),
                eligible=self.evaluator.is_eligible(result),
                counted={"parameters": self.parameters[result.trial.number] or None} if self.parameters else {},
            )
            for result in self.shown
        ]
        return to_public_json(
            LeaderboardJson(
                sweep=self.sweep,
                run_id=self.run_id,
                heads=self.heads,
                objective=self.objective.maximize,
                sort=self.sort,
                recorded=self.recorded,
                status=self.status,
                counts=self.counts,
                trials=trials,
            ),
            ascii_only=False,
        )


def leaderboard(trials: SweepTrials, trial_filter: TrialFilter, experiment: Experiment | None = None) -> Leaderboard:
    """Filter and sort the trials of a sweep.

    Args:
        trials: All trials of the sweep.
        trial_filter: Which trials, and in which order.
        experiment: The recorded experiment, see `TrialFilter.needs_experiment`.
    """
    record, results = trials.record, trials.results
    heads, score_metrics = record.heads, record.score_metrics
    evaluator = make_evaluator(record.objective, results)
    fixed = experiment.space.fixed if experiment else {}
    matching = [
        result
        for result in results
        if (not trial_filter.statuses or result.score.status in trial_filter.statuses)
        and all(
            condition.is_met(value_of(condition.name, result.trial.params, fixed, list(heads)))
            for condition in trial_filter.conditions
        )
    ]
    counts = Counter(result.score.status for result in results)
    counted = parameters(matching, experiment) if experiment else {}
    ordered = sorted(matching, key=lambda result: _sort_key(result, trial_filter.sort, evaluator, counted))
    return Leaderboard(
        sweep=record.name,
        run_id=trials.run_id,
        heads=heads,
        score_metrics=score_metrics,
        objective=record.objective,
        sort=trial_filter.sort,
        evaluator=evaluator,
        shown=ordered[: trial_filter.most],
        run_ids=trials.run_ids,
        parameters=counted,
        matching=len(matching),
        recorded=len(results),
        status=trials.status,
        counts={status.value.lower(): count for status in Status if (count := counts[status])},
    )


def parameters(results: Sequence[Result], experiment: Experiment) -> dict[int, int]:
    """The number of weights and biases of the networks, by trial number."""
    inputs = experiment.table.inputs.values()
    return {result.trial.number: recipe_for(experiment, result.trial.params).parameters(inputs) for result in results}


def _sort_key(
    result: Result, sort: str, evaluator: ObjectiveEvaluator, counted: Mapping[int, int]
) -> tuple[bool, bool, float, int]:
    """The key of a trial: eligible trials first, then complete ones, by the sort key, and of equals by trial number.

    By a key that all trials have, all of them are in one order.
    """
    number, score = result.trial.number, result.score
    if sort == NUMBER:
        return False, False, 0.0, number
    if sort == SECONDS:
        return False, False, score.seconds, number
    if sort == PARAMETERS:
        return False, not counted[number], counted[number], number
    if sort in MEASURED_NETWORK_METRICS:
        known = score.network.get(sort, math.inf)
        return False, math.isinf(known), known, number
    if sort == OBJECTIVE:
        value = -evaluator.rank(score) if score.is_complete else 0.0
        return not evaluator.is_eligible(result), not score.is_complete, value, number
    value = score.scores.get(sort.partition("/")[2], math.nan)
    return not score.is_complete, math.isnan(value), 0.0 if math.isnan(value) else -value, number


def _ranked_by(evaluator: ObjectiveEvaluator, result: Result) -> float | None:
    return evaluator.ranked_by(result.score) if result.score.is_complete else None
