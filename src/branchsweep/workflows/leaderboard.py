"""A recorded sweep as somebody wants to see it: which trials, in which order; and one trial with all that is known of it.

A condition is about what a trial was in full: a param that the search left open in it has the value that the space fixes, or
the tunable's default.
"""

from __future__ import annotations

import json
import math
import operator
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import find_hyperparameter, unknown_name_problem
from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.config.objective import Objective
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.metrics.names import STANDARD_ERROR, other_metrics, score_names
from branchsweep.metrics.objectives import ObjectiveEvaluator, make_evaluator
from branchsweep.models.drawing import COLUMNS, draw_network
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.trial import Params, ParamValue, Result, Score, Status

Points = Sequence[tuple[int, float]]
"""Epochs (from 1) and values, in order."""

OBJECTIVE, NUMBER, SECONDS, PARAMETERS = "objective", "number", "seconds", "parameters"
"""What trials are sorted by, beside the scores by head (`r2/HEAD`) and their mean (`r2/mean`)."""

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What a trial must be to be shown.

    Args:
        name: Of the tunable, as a space may name it.
        comparison: One of `COMPARISONS`.
        value: What it is compared with.
    """

    name: str
    comparison: str
    value: ParamValue

    @classmethod
    def parsed(cls, text: str, heads: Sequence[str]) -> Condition:
        """From `trunk.depth>=2`, `activation=relu`.

        Raises:
            ConfigError: It is no condition, or on nothing that a trial has.
        """
        match = re.fullmatch(r"\s*([^<>=!\s]+)\s*(<=|>=|!=|==|<|>|=)\s*(.*?)\s*", text)
        if not match or not match[3]:
            raise ConfigError(f"got '{text}', expected KEY=VALUE, KEY!=VALUE, KEY<VALUE or the like", "--where")
        name, comparison, given = match[1], match[2].replace("==", "="), match[3]
        tunable = find_hyperparameter(name, heads)
        if tunable is None:
            raise ConfigError(unknown_name_problem(name, heads), "--where")
        if isinstance(tunable.default, str):
            if comparison not in {"=", "!="}:
                raise ConfigError(f"got '{text}', but {name} is a word: it can be compared by = and !=", "--where")
            if given not in tunable.choices:
                raise ConfigError(
                    f"{name}: got '{given}', expected {tunable.expected}{did_you_mean(given, tunable.choices)}", "--where"
                )
            return cls(name, comparison, given)
        try:
            return cls(name, comparison, float(given))
        except ValueError as error:
            raise ConfigError(f"got '{text}', but {name} is a number, and '{given}' is none", "--where") from error

    def is_met(self, value: ParamValue) -> bool:
        """Whether a trial with this value is shown. A number equals another to nine digits, for nobody types seventeen."""
        if self.comparison in {"=", "!="} and not isinstance(self.value, str) and not isinstance(value, str):
            return math.isclose(value, self.value, rel_tol=1e-9) == (self.comparison == "=")
        return COMPARISONS[self.comparison](value, self.value)


@dataclass(frozen=True, slots=True)
class TrialFilter:
    """Which trials of a sweep are shown, and in which order.

    Args:
        sort: What they are sorted by; see `sorts`.
        statuses: How they ended; any if empty.
        conditions: All of them are met.
        most: How many, at most; None for all.
    """

    sort: str = OBJECTIVE
    statuses: frozenset[Status] = frozenset()
    conditions: Sequence[Condition] = ()
    most: int | None = None

    @classmethod
    def parsed(
        cls, sort: str, statuses: Sequence[str], where: Sequence[str], most: int | None, score_metrics: Mapping[str, str]
    ) -> TrialFilter:
        """From the words of the command line.

        Raises:
            ConfigError: One of them means nothing here.
        """
        heads, orders = list(score_metrics), sorts(score_metrics)
        if sort not in orders:
            message = f"got '{sort}', expected one of {', '.join(orders)}{did_you_mean(sort, orders)}"
            raise ConfigError(message, "--sort")
        words = [word.strip() for given in statuses for word in given.split(",")]
        known = {status.value.lower(): status for status in Status}
        for word in words:
            if word.lower() not in known:
                message = f"got '{word}', expected one of {', '.join(known)}{did_you_mean(word, known)}"
                raise ConfigError(message, "--status")
        conditions = [Condition.parsed(text, heads) for text in where]
        return cls(sort, frozenset(known[word.lower()] for word in words), conditions, most)

    @property
    def needs_experiment(self) -> bool:
        """Whether the experiment must be known, because params alone do not say enough."""
        return bool(self.conditions) or self.sort == PARAMETERS


def sorts(score_metrics: Mapping[str, str]) -> list[str]:
    """All that trials may be sorted by. Scores and the objective: the highest first; others: the lowest first."""
    names = dict(score_names(score_metrics))
    return [OBJECTIVE, names.pop(MEAN), *names.values(), NUMBER, SECONDS, PARAMETERS]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Trials of a sweep in an order.

    Args:
        sweep: The experiment's name.
        run_id: The sweep's.
        heads: Units by head.
        score_metrics: The name of the metric that is the score, by head.
        objective: What the search was for.
        sort: What the trials are sorted by.
        judged: By all trials of the sweep.
        shown: In order.
        run_ids: Runs by the trials' numbers.
        parameters: Weights and biases by the trials' numbers; empty where nobody counted.
        meeting: How many trials meet the wishes, shown or not.
        recorded: How many the sweep has.
    """

    sweep: str
    run_id: str
    heads: Mapping[str, str]
    score_metrics: Mapping[str, str]
    objective: Objective
    sort: str
    judged: ObjectiveEvaluator
    shown: Sequence[Result]
    run_ids: Mapping[int, str]
    parameters: Mapping[int, int]
    meeting: int
    recorded: int

    def to_json(self) -> str:
        """One JSON object."""
        trials = [
            _plain(result, self.run_ids[result.trial.number], self.score_metrics)
            | {"objective": _rank(self.judged, result), "eligible": self.judged.is_eligible(result)}
            | ({"parameters": self.parameters[result.trial.number]} if self.parameters else {})
            for result in self.shown
        ]
        return _json(
            {
                "sweep": self.sweep,
                "run_id": self.run_id,
                "heads": dict(self.heads),
                "objective": list(self.objective.maximize),
                "sort": self.sort,
                "recorded": self.recorded,
                "trials": trials,
            }
        )


def leaderboard(
    record: SweepRecord,
    run_id: str,
    results: Sequence[Result],
    run_ids: Mapping[int, str],
    wishes: TrialFilter,
    experiment: Experiment | None = None,
) -> Leaderboard:
    """The trials that meet the wishes, in the order that is wished.

    Args:
        record: What was recorded of the sweep when it began.
        run_id: The sweep's.
        results: All trials of the sweep.
        run_ids: Runs by the trials' numbers.
        wishes: Which, and in which order.
        experiment: Says what params leave open; not needed unless the wishes say so.
    """
    heads, score_metrics = record.heads, record.score_metrics
    judged = make_evaluator(record.objective, results)
    fixed = experiment.space.fixed if experiment else {}
    met = [
        result
        for result in results
        if (not wishes.statuses or result.score.status in wishes.statuses)
        and all(each.is_met(valued(each.name, result.trial.params, fixed, list(heads))) for each in wishes.conditions)
    ]
    counted = parameters(met, experiment) if experiment else {}
    ordered = sorted(met, key=lambda result: _place(result, wishes.sort, judged, counted))
    return Leaderboard(
        sweep=record.name,
        run_id=run_id,
        heads=heads,
        score_metrics=score_metrics,
        objective=record.objective,
        sort=wishes.sort,
        judged=judged,
        shown=ordered[: wishes.most],
        run_ids=run_ids,
        parameters=counted,
        meeting=len(met),
        recorded=len(results),
    )


def parameters(results: Sequence[Result], experiment: Experiment) -> dict[int, int]:
    """Weights and biases of the networks, by the trials' numbers."""
    inputs = len(experiment.table.inputs)
    return {result.trial.number: recipe_for(experiment, result.trial.params).parameters(inputs) for result in results}


def valued(name: str, params: Params, fixed: Params, heads: Sequence[str]) -> ParamValue:
    """What a tunable is in a trial: as the search chose it, else as the space fixes it, else its default.

    One of a head alone (`PE.depth`) is what that of all heads is, where nobody says otherwise.
    """
    said = {**fixed, **params}
    tunable = find_hyperparameter(name, heads)
    assert tunable is not None, "only tunables are asked for"
    return said.get(name, said.get(tunable.name, tunable.default))


def _place(result: Result, sort: str, judged: ObjectiveEvaluator, counted: Mapping[int, int]) -> tuple[bool, bool, float, int]:
    """Where a trial stands: who may be the best first, then who is complete, by the figure, and of equals the one asked first.

    By a figure that all trials have, all of them are in one order.
    """
    number, score = result.trial.number, result.score
    if sort == NUMBER:
        return False, False, 0.0, number
    if sort == SECONDS:
        return False, False, score.seconds, number
    if sort == PARAMETERS:
        return False, False, counted[number], number
    if sort == OBJECTIVE:
        return not judged.is_eligible(result), not score.is_complete, -judged.rank(score) if score.is_complete else 0.0, number
    value = score.scores.get(sort.partition("/")[2], math.nan)
    return not score.is_complete, math.isnan(value), 0.0 if math.isnan(value) else -value, number


@dataclass(frozen=True, slots=True)
class TrialDetails:
    """All that is known of one trial.

    Args:
        sweep: The experiment's name.
        sweep_id: The sweep's run.
        run_id: The trial's.
        result: The trial with its score.
        heads: Units by head.
        score_metrics: The name of the metric that is the score, by head.
        fixed: What the space fixed.
        recipe: What was trained, in full.
        picture: The network, line by line.
        parameters: Its weights and biases.
        lanes: By lane, its name and its score by head; empty where they were not recorded.
        curves: Learning curves by head, as far as they were written down.
        replay: The command that trains it again.
    """

    sweep: str
    sweep_id: str
    run_id: str
    result: Result
    heads: Mapping[str, str]
    score_metrics: Mapping[str, str]
    fixed: Params
    recipe: Recipe
    picture: Sequence[str]
    parameters: int
    lanes: Mapping[str, Mapping[str, float]]
    curves: Mapping[str, Points]
    replay: str

    def to_json(self) -> str:
        """One JSON object."""
        return _json(
            {
                "sweep": self.sweep,
                "sweep_id": self.sweep_id,
                **_plain(self.result, self.run_id, self.score_metrics),
                "heads": dict(self.heads),
                "fixed": dict(self.fixed),
                "recipe": asdict(self.recipe),
                "parameters": self.parameters,
                "picture": list(self.picture),
                "lane_scores": {name: dict(by_head) for name, by_head in self.lanes.items()},
                "rungs": self.result.score.rungs,
                "curves": self.curves,
                "replay": self.replay,
            }
        )


def trial_details(
    experiment: Experiment,
    sweep_id: str,
    run_id: str,
    result: Result,
    curves: Mapping[str, Points],
    tracking_uri: str | None = None,
    columns: int = COLUMNS,
) -> TrialDetails:
    """One trial of a sweep.

    Args:
        experiment: As it was recorded.
        sweep_id: The sweep's run.
        run_id: The trial's.
        result: The trial with its score.
        curves: Its learning curves.
        tracking_uri: The store as somebody named it; None for the one that is found without words.
        columns: Letters of the picture's lines, at most.
    """
    full = recipe_for(experiment, result.trial.params)
    inputs = experiment.table.inputs
    return TrialDetails(
        sweep=experiment.name,
        sweep_id=sweep_id,
        run_id=run_id,
        result=result,
        heads={name: head.unit for name, head in experiment.heads.items()},
        score_metrics=experiment.score_metrics,
        fixed=experiment.space.fixed,
        recipe=full,
        picture=draw_network(full.architecture, inputs, columns, full.encoded_width(len(inputs))),
        parameters=full.parameters(len(inputs)),
        lanes=_lanes(result.score, experiment.validation.seeds),
        curves=curves,
        replay=f"branchsweep replay {run_id[:12]}{f' --tracking-uri {shlex.quote(tracking_uri)}' if tracking_uri else ''}",
    )


def find_trial(results: Sequence[Result], number: int, where: str) -> Result:
    """The trial of this number.

    Raises:
        ConfigError: There is none.
    """
    found = next((result for result in results if result.trial.number == number), None)
    if found is None:
        there = f"its {len(results)} trials are numbered up to {results[-1].trial.number}" if results else "it has none yet"
        raise ConfigError(f"{where} has no trial {number}; {there}")
    return found


def _lanes(score: Score, seeds: int) -> dict[str, dict[str, float]]:
    """The score of each lane by head; lanes stand in order of (fold, seed)."""
    count = max(map(len, score.lane_scores.values()), default=0)
    return {
        f"fold {lane // seeds}, seed {lane % seeds}": {head: scores[lane] for head, scores in score.lane_scores.items()}
        for lane in range(count)
    }


def _rank(judged: ObjectiveEvaluator, result: Result) -> float | None:
    return judged.rank(result.score) if result.score.is_complete else None


def _plain(result: Result, run_id: str, score_metrics: Mapping[str, str]) -> dict[str, Any]:
    """A trial with its score, as JSON knows them; every metric is under its name."""
    trial, score = result.trial, result.score
    metric = common_metric(score_metrics.values())
    return {
        "trial": trial.number,
        "run_id": run_id,
        "status": score.status.value.lower(),
        "reason": score.reason,
        "known": trial.known,
        "params": dict(trial.params),
        metric: dict(score.scores),
        STANDARD_ERROR.format(metric): dict(score.scores_se),
        **{
            name: {head: measured.metrics[name] for head, measured in score.heads.items() if name in measured.metrics}
            for name in other_metrics(score_metrics)
        },
        "epochs": score.epochs,
        "seconds": score.seconds,
        "lanes": score.lanes,
    }


def _json(said: Any) -> str:
    """JSON that every reader takes: what is no number is null."""
    return json.dumps(_finite(said), ensure_ascii=False, allow_nan=False)


def _finite(said: Any) -> Any:
    if isinstance(said, float):
        return said if math.isfinite(said) else None
    if isinstance(said, Mapping):
        return {name: _finite(value) for name, value in said.items()}
    if isinstance(said, list | tuple):
        return [_finite(value) for value in said]
    return said
