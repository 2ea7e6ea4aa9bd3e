"""Checks that need several parts of an experiment: names of heads, hyperparameters, metrics, rungs and baselines.

Each check yields the path of a wrong value with the message about it. The parts check themselves what concerns them alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from branchsweep.config.builders import is_own, no_effect, own_problem, without_effect
from branchsweep.config.config_model import MAX_NAME, KeyMistake, KeyPath
from branchsweep.config.estimator_names import ESTIMATORS, estimator_hint, estimators_of_task
from branchsweep.config.estimator_parameters import of_regression_alone
from branchsweep.config.hyperparameters import HYPERPARAMETERS, find_hyperparameter, unknown_name_problem, value_problem
from branchsweep.config.kinds import BINARY, output_names
from branchsweep.config.metric_names import MEAN
from branchsweep.config.objective_checks import objective_mistakes, resolved_metric_mistakes
from branchsweep.config.sections.dimensions import Choice, Dimension, Float, extreme_values
from branchsweep.config.sections.driver_options import MAX_REFERENCE_POINTS, reference_points
from branchsweep.config.sections.heads import probability_columns, quantile_columns
from branchsweep.config.yaml.file_paths import YAML_SUFFIXES
from branchsweep.trial import ParamValue

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment

INPUT_LAYER = "inputs"
"""The name of the input layer of an exported network."""

OUTSIDE_COLUMN = "outside"
"""The column beside the predictions that warns of a row outside the range of the training rows (`models/serving.py`)."""

_LAYER_NAME = re.compile(r"(?P<part>.+)_\d+(_dropout)?")
"""The names of its hidden layers: `trunk_1`, and `PE_1` of a head `PE`; and of the dropout after them, `trunk_1_dropout`."""

MAX_LANES = 1000
"""The most networks of one trial."""

MAX_PARAMS = 8000
"""The most characters of a trial's hyperparameters as JSON: what a tag of MLflow holds."""

LONGEST_FLOAT = 24
"""The most characters of a floating-point number as JSON."""

_WHAT_A_COLUMN_SAYS = {
    "group": "to which group a row belongs",
    "time": "when a row was measured",
    "column": "to which part a row belongs",
}
"""What a column that is no target tells of a row, by the kind of the split."""


def experiment_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """All that is wrong with the parts of an experiment together."""
    yield from _head_mistakes(experiment)
    yield from _weight_mistakes(experiment)
    yield from _split_mistakes(experiment)
    yield from _test_mistakes(experiment)
    yield from _hyperparameter_mistakes(experiment)
    yield from objective_mistakes(experiment)
    yield from _driver_mistakes(experiment)
    yield from _size_mistakes(experiment)
    yield from rung_mistakes(experiment)
    yield from _baseline_mistakes(experiment)
    yield from _ensemble_mistakes(experiment)


def _head_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    reserved = {name.split(".")[0] for name in HYPERPARAMETERS} | {MEAN}
    heads_by_target: dict[tuple[str, str], str] = {}
    for head, column in experiment.columns.items():
        path = ("heads", head)
        if head in reserved:
            yield path, "the name is taken by a hyperparameter or a metric; choose another (and give its column)"
        if head == OUTSIDE_COLUMN:
            yield path, "the name is that of the column of predict --warn; choose another (and give its column)"
        layer = _LAYER_NAME.fullmatch(head)
        if head == INPUT_LAYER or (layer and layer["part"] in {"trunk", *experiment.heads}):
            yield path, "the name is that of a layer in the exported network; choose another (and give its column)"
        if column in experiment.table.inputs:
            yield path, f"column '{column}' is an input; a network may not read what it predicts"
        target = (column, experiment.heads[head].kind)
        if target in heads_by_target:
            yield path, f"column '{column}' is already the target of {heads_by_target[target]}"
        heads_by_target[target] = head
    yield from _prediction_name_mistakes(experiment)


def _prediction_name_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """Heads with the name of another one's further columns in predictions."""
    for head, settings in experiment.heads.items():
        has_classes = settings.task == BINARY or settings.classes is not None
        taken = {
            "the probabilities": probability_columns(head, settings.classes or []) if has_classes else [],
            "a quantile": quantile_columns(head, settings.quantiles or []),
            "an output": [f"{head}_{name}" for name in output_names(settings.kind)],
        }
        for what, names in taken.items():
            for name in experiment.heads.keys() & names:
                yield ("heads", name), f"the name is that of {what} of head {head}; choose another (and give its column)"


def resolved_head_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """What is wrong with an experiment because of what its table says of the heads."""
    yield from _prediction_name_mistakes(experiment)
    yield from resolved_metric_mistakes(experiment)
    yield from _estimator_mistakes(experiment)


def _weight_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    for column, key in experiment.weight_columns.items():
        path = tuple(key.split("."))
        if column in experiment.table.inputs:
            yield path, f"column '{column}' is an input; expected a column of weights, which no network reads"
        if column in experiment.columns.values():
            yield path, f"column '{column}' is a target; expected a column of weights"
    for name, head in experiment.heads.items():
        if head.weight is not None and head.weight == experiment.table.weight:
            yield ("heads", name, "weight"), f"column '{head.weight}' is table.weight already, which weighs rows for all heads"


def _split_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    split, kind = experiment.split, experiment.split.kind
    if kind in _WHAT_A_COLUMN_SAYS and split.column_name in experiment.columns.values():
        yield (
            ("split", kind),
            f"column '{split.column_name}' is a target; expected a column that says {_WHAT_A_COLUMN_SAYS[kind]}",
        )
    if kind != "shuffle" and experiment.table.duplicates == "together":
        message = f"equal rows cannot be kept together where rows are divided by split.{kind}; give keep or drop"
        yield ("table", "duplicates"), message


def _test_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    if experiment.test.path is not None and experiment.split.column is not None:
        yield ("test", "path"), "split.column says which rows of the table are in which part; give one of them"
    if experiment.test.folds is not None and experiment.split.column is not None:
        yield (
            ("test", "folds"),
            "split.column says which rows are in which part, and these folds are other ones; give one of them",
        )
    if not experiment.test.is_outer_cross_validation:
        return
    longest = MAX_NAME - len(f"-fold-{experiment.test.folds}")
    if len(experiment.name) > longest:
        yield (
            ("name",),
            f"got {len(experiment.name)} letters, expected at most {longest}: the sweeps of the folds add their number",
        )
    if experiment.search.warm_start:
        message = "an earlier sweep was scored on rows that are test rows here; leave it out, or leave out test.folds"
        yield ("search", "warm_start"), message


def _hyperparameter_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    heads, space = list(experiment.heads), experiment.space
    if space.builder and experiment.search.default_trial:
        message = f"the default trial is a built-in network, and {space.builder} builds those of this sweep; leave it out"
        yield ("search", "default_trial"), message
    for path, name, values in _hyperparameter_values(experiment):
        if space.builder and is_own(name, heads):
            problem = own_problem(name, [*space.dimensions, *space.fixed], [value for _, value in values])
            if problem:
                yield path, problem
            continue
        if space.builder and without_effect(name, heads):
            yield path, no_effect(name, space.builder)
            continue
        if find_hyperparameter(name, heads) is None:
            yield path, unknown_name_problem(name, heads)
            continue
        for inner, value in values:
            problem = value_problem(name, value, heads)
            if problem:
                yield (*path, *inner), problem


def _hyperparameter_values(experiment: Experiment) -> Iterator[tuple[KeyPath, str, list[tuple[KeyPath, ParamValue]]]]:
    """Where a hyperparameter is named: the path, the name, and its values there, each with its path from that one."""
    for name, dimension in experiment.space.dimensions.items():
        yield ("space", "dimensions", name), name, list(extreme_values(dimension))
    for name, value in experiment.space.fixed.items():
        yield ("space", "fixed", name), name, [((), value)]
    for trial, params in experiment.search.initial_trials.items():
        for name, value in params.items():
            yield ("search", "initial_trials", trial, name), name, [((), value)]


def _driver_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    parts = experiment.search.options.get("dividing_parameter")
    if experiment.algorithm == "nsga3" and isinstance(parts, int):
        objectives = len(experiment.objective.maximize)
        points = reference_points(objectives, parts)
        if points > MAX_REFERENCE_POINTS:
            message = f"got {parts}, which makes {points:,} reference points of {objectives} metrics"
            yield ("search", "options", "dividing_parameter"), f"{message}, expected at most {MAX_REFERENCE_POINTS:,}"


def _size_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """Numbers that are sound by themselves and too large together."""
    confirmed = experiment.confirmation.folds * experiment.confirmation.seeds
    for key, networks in (("validation", experiment.lanes_per_trial), ("confirmation", confirmed)):
        if networks > MAX_LANES:
            yield (key, "seeds"), f"got {networks:,} networks per trial (folds times seeds), expected at most {MAX_LANES:,}"
    always = {name: dimension for name, dimension in experiment.space.dimensions.items() if not dimension.when}
    described: dict[KeyPath, int] = {
        ("space", "dimensions"): sum(len(f'"{name}":,') + _longest_text(always[name]) for name in always)
    }
    for trial, params in experiment.search.initial_trials.items():
        described["search", "initial_trials", trial] = len(json.dumps(dict(params), separators=(",", ":")))
    for path, length in described.items():
        if length > MAX_PARAMS:
            message = f"the hyperparameters of a trial take {length:,} characters as JSON, expected at most {MAX_PARAMS:,}"
            yield path, f"{message}: vary fewer of them and fix the rest (space.fixed)"


def _longest_text(dimension: Dimension) -> int:
    """Characters that a value of the dimension takes at most, as JSON."""
    if isinstance(dimension, Choice):
        return max(len(json.dumps(value)) for value in dimension.choices)
    return LONGEST_FLOAT if isinstance(dimension, Float) else len(str(dimension.high))


def rung_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """What is wrong with the rungs; where `fit.steps` are given, when each comes is known with the rows only."""
    for index, rung in enumerate(experiment.pruning_schedule.rungs):
        if experiment.fit.steps is None and rung >= experiment.fit.epochs:
            message = f"got {rung}, expected fewer epochs than a trial has (fit.epochs {experiment.fit.epochs})"
            yield ("pruning", "rungs", index), message
    counts = {"folds": (experiment.pruning_schedule.folds, experiment.folds)}
    counts["seeds"] = (experiment.pruning_schedule.seeds, experiment.validation.seeds)
    for key, (at_rungs, most) in counts.items():
        for index, count in enumerate(at_rungs or ()):
            if count > most:
                yield (
                    ("pruning", key, index),
                    f"got {count}, expected at most the {key} of the validation (validation.{key} {most})",
                )


def _baseline_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    named: set[str] = set()
    for index, baseline in enumerate(experiment.baselines):
        if not isinstance(baseline, str):
            if baseline.estimator in named:
                yield (
                    ("baselines", index, "estimator"),
                    f"{baseline.estimator} is already a baseline with hyperparameters of its own",
                )
            named.add(baseline.estimator)
        elif baseline not in ESTIMATORS and not baseline.endswith(YAML_SUFFIXES):
            expected = f"expected one of {', '.join(ESTIMATORS)}, or a path to an experiment (.yaml)"
            yield ("baselines", index), f"got '{baseline}', {expected}{estimator_hint(baseline)}"

    yield from _estimator_mistakes(experiment)


def _estimator_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    """Baselines that are no estimators for the task of some head."""
    for index, baseline in enumerate(experiment.baselines):
        name = baseline if isinstance(baseline, str) else baseline.estimator
        for head, settings in experiment.heads.items() if name in ESTIMATORS else ():
            if name not in (possible := estimators_of_task(settings.task)):
                message = f"got '{name}', which is no estimator for the {settings.task} head {head}"
                yield ("baselines", index), f"{message}; expected one of {', '.join(possible)}"
                break
            given = () if isinstance(baseline, str) else (*baseline.fixed, *baseline.space)
            if of_regression := of_regression_alone(settings.task, given):
                message = f"{of_regression} is for regressions, and head {head} is a {settings.task} head; leave it out"
                yield ("baselines", index), message
                break


def _ensemble_mistakes(experiment: Experiment) -> Iterator[KeyMistake]:
    ensemble = experiment.promotion.ensemble if experiment.promotion else None
    if ensemble is None or ensemble.members != "any":
        return
    path = ("promotion", "ensemble", "members")
    if ensemble.choose == "seeds":
        yield path, "got any with choose: seeds, which takes networks of one trial; expected choose: greedy or stack"
    elif all(isinstance(baseline, str) and baseline not in ESTIMATORS for baseline in experiment.baselines):
        names = ", ".join(ESTIMATORS)
        yield path, f"got any, but no estimator is under baselines; name at least one there ({names}), or give networks"
