"""Checks of the objective: that its metrics exist for the heads, and that constraints and the target look the right way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from branchsweep.config.config_model import KeyMistake, KeyPath
from branchsweep.config.kinds import BINARY, REGRESSION, TASK_SCORES
from branchsweep.config.metric_names import (
    COVERAGE,
    LATENCY,
    MEAN_PREFIX,
    MEASURED_NETWORK_METRICS,
    METRICS,
    METRICS_BESIDE,
    MIN_PREFIX,
    MIXED,
    MULTIPLICATIONS,
    PARAMETERS,
    SIZE,
    ObjectiveMetric,
    metric_of_head,
    objective_metrics,
)
from branchsweep.config.sections.driver_options import MULTI_OBJECTIVE_ALGORITHMS, supports_several_objectives
from branchsweep.errors import did_you_mean

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment


def objective_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """What is wrong with the objective, before the table says which heads have classes."""
    objective, search = experiment.objective, experiment.search
    yield from _metric_mistakes(experiment, _possible_scores(experiment), _possible_metrics(experiment))
    for head in objective.weights:
        if head not in experiment.heads:
            yield ("objective", "weights", head), f"got '{head}', expected a head{did_you_mean(head, experiment.heads)}"
    yield from _constraint_mistakes(experiment)
    yield from _target_mistakes(experiment)
    if objective.is_multi_objective and not supports_several_objectives(search.driver, experiment.algorithm):
        valid = ", ".join(sorted(MULTI_OBJECTIVE_ALGORITHMS["optuna"]))
        message = f"{experiment.algorithm} of {search.driver} supports one objective; of optuna these support several: {valid}"
        yield ("objective", "maximize"), message


def resolved_metric_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """Metrics of the objective that the heads do not have, now that the table has said what they are."""
    metrics = {name: head.metrics for name, head in experiment.heads.items()}
    yield from _metric_mistakes(experiment, objective_metrics(experiment.score_metrics), metrics)


def _possible_scores(experiment: Experiment) -> list[str]:
    """The scores that an objective may name: also those of heads whose column may hold classes."""
    known = experiment.score_metrics
    could_be = {name: TASK_SCORES[BINARY] if head.may_have_classes else known[name] for name, head in experiment.heads.items()}
    mixed = [f"{prefix}{MIXED}" for prefix in (MEAN_PREFIX, MIN_PREFIX)] if could_be != known and len(known) > 1 else []
    return list(dict.fromkeys([*objective_metrics(known), *objective_metrics(could_be), *mixed]))


def _possible_metrics(experiment: Experiment) -> Mapping[str, Sequence[str]]:
    """By head the metrics that it has: also those of classes where its column may hold some."""
    score = TASK_SCORES[BINARY]
    of_classes = (score, *METRICS_BESIDE[score])
    return {
        name: tuple(dict.fromkeys((*head.metrics, *(of_classes if head.may_have_classes else ()))))
        for name, head in experiment.heads.items()
    }


def _metric_mistakes(
    experiment: Experiment, scores: Sequence[str], metrics: Mapping[str, Sequence[str]]
) -> Iterator[KeyMistake]:
    """Metrics of the objective that are none of the possible ones.

    Args:
        experiment: With the objective.
        scores: The names of the possible scores.
        metrics: By head the metrics that it may have.
    """
    objective = experiment.objective
    named: list[tuple[KeyPath, str]] = [(("maximize", index), metric) for index, metric in enumerate(objective.maximize)]
    named += [(("choose",), objective.choose)] if objective.choose is not None else []
    constraints = enumerate(objective.parsed_constraints)
    named += [(("constraints", index), constraint.metric) for index, constraint in constraints]
    of_heads = {head: [metric_of_head(metric, head) for metric in own] for head, own in metrics.items()}
    every = [*scores, *(name for own in of_heads.values() for name in own)]
    is_of_network_alone = set(objective.maximize) <= set(MEASURED_NETWORK_METRICS)
    for path, name in named:
        if name in every:
            continue
        parsed, of_network = _parsed(name), _network_metrics(path, objective.is_multi_objective)
        if name in of_network and not (path[0] == "maximize" and is_of_network_alone):
            if experiment.space.builder and name in (MULTIPLICATIONS, LATENCY):
                message = f"got '{name}', which is known of built-in networks alone: expected {PARAMETERS} or {SIZE}"
                yield ("objective", *path), f"{message} beside space.builder"
            continue
        if parsed and parsed.is_of_network:
            problem = _network_problem(name, scores[0])
        elif parsed and parsed.head in of_heads:
            own, head = of_heads[parsed.head], experiment.heads[parsed.head]
            what = f"the {head.task or REGRESSION} head" if not head.may_have_classes else "the head"
            problem = f"got '{name}', expected a metric of {what} {parsed.head}: {', '.join(own)}{did_you_mean(name, own)}"
        else:
            expected = ", ".join((*scores, *of_network))
            problem = f"got '{name}', expected one of {expected}, or METRIC/HEAD for another metric of a head ({every[-1]})"
            problem += did_you_mean(name, (*every, *of_network))
        yield ("objective", *path), problem


def _network_metrics(path: KeyPath, several: bool) -> tuple[str, ...]:
    """The metrics of a network that may stand at a path of the objective."""
    if path[0] == "constraints":
        return MEASURED_NETWORK_METRICS
    return MEASURED_NETWORK_METRICS if path[0] == "maximize" and several else ()


def _network_problem(name: str, score: str) -> str:
    """What is wrong with a metric of the network where it may not stand.

    Args:
        name: The metric.
        score: What may stand beside it.
    """
    return (
        f"got '{name}', by which alone the smallest network would be the best: name a score beside it in a list "
        f"([{score}, {name}]), or bound it in constraints ({name} <= NUMBER)"
    )


def _constraint_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """Constraints on what no initial trial has, and those that look the wrong way."""
    metrics = _possible_metrics(experiment)
    for index, constraint in enumerate(experiment.objective.parsed_constraints):
        path, metric = ("objective", "constraints", index), _parsed(constraint.metric)
        reference, initial_trials = constraint.reference, experiment.search.initial_trials
        if reference and reference not in initial_trials:
            message = f"got '{reference}', expected the name of an initial trial (search.initial_trials)"
            yield path, message + did_you_mean(reference, initial_trials)
        if metric is None or (metric.head and metric.metric not in metrics.get(metric.head, ())):
            continue  # what is a mistake of its own
        known = METRICS.get(metric.metric)
        less_is_better = metric.is_of_network or bool(known and not known.higher_is_better)
        both = metric.metric == COVERAGE or (known is None and metric.head)  # a package's metric may say later which is better
        if less_is_better != constraint.at_most and not both:
            better, sign = ("less", "<=") if less_is_better else ("more", ">=")
            yield (
                path,
                f"got {constraint.sign}, but {better} of {constraint.metric} is better; expected {constraint.metric} {sign} …",
            )
        elif not reference and (limit := _limit(metric, constraint.factor, constraint.at_most)) is not None:
            which = "least" if constraint.at_most else "most"
            yield path, f"got {constraint.factor:g}, but {constraint.metric} is at {which} {limit:g}: no trial meets this"
        if metric.metric == LATENCY and reference:
            yield path, f"got '{reference}', expected a number of seconds"


def _target_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """A target that nothing reaches."""
    target, rule = experiment.search.target, experiment.objective.ranking_metric
    metric = _parsed(rule)
    if target is None or metric is None or metric.is_of_network:
        return
    known = METRICS.get(metric.metric)
    at_most = known is not None and not known.higher_is_better
    limit = _limit(metric, target, at_most)
    if (known.is_score if known else not metric.head) and target >= 1:
        yield ("search", "target"), f"got {target:g}, expected less than 1, the {rule} of a perfect prediction"
    elif limit is not None:
        yield ("search", "target"), f"got {target:g}, expected at {'least' if at_most else 'most'} {limit:g}"


def _limit(metric: ObjectiveMetric, bound: float, at_most: bool) -> float | None:
    """The value that no network surpasses, if the bound of a metric is beyond it; None where it can be met.

    Args:
        metric: The metric.
        bound: The bound.
        at_most: Whether the bound is an upper one.
    """
    known = METRICS.get(metric.metric)
    if metric.is_of_network:
        return 0.0 if bound <= 0 else None
    if known is None and metric.head:  # a package's metric
        return None
    if at_most:
        return 0.0 if bound < 0 and not (known and known.is_score) else None
    highest = known.highest if known else 1.0  # the mean of unlike scores
    return highest if bound > highest else None


def _parsed(name: str) -> ObjectiveMetric | None:
    """The metric of a name; None for one of another form, which is a mistake of its own."""
    try:
        return ObjectiveMetric.parsed(name)
    except ValueError:
        return None
