"""An experiment: one YAML file. The question, the table, the heads, the space, the means, the policy of promotion.

These are the words that people write, so they are validated when they are made, and frozen. Reading them from a file, with the
file's lines in every message, is `config`'s work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from branchsweep.config.config_model import ConfigModel, KeyMistake, KeyPath, Name
from branchsweep.config.dimensions import Choice, Dimension
from branchsweep.config.file_paths import YAML_SUFFIXES
from branchsweep.config.heads import Head
from branchsweep.config.hyperparameters import HYPERPARAMETERS, find_hyperparameter, unknown_name_problem, value_problem
from branchsweep.config.metric_names import ObjectiveMetric, objective_metrics
from branchsweep.config.objective import Objective
from branchsweep.config.promotion import Confirmation, Promotion
from branchsweep.config.search import DRIVERS, MAX_BATCH, MULTI_OBJECTIVE_ALGORITHMS, SEQUENTIAL_ALGORITHMS, Search
from branchsweep.config.search_space import SearchSpace
from branchsweep.config.table import Table
from branchsweep.config.training import Fit, Pruning, default_pruning
from branchsweep.config.validation import HoldOut, KFold, TestRows
from branchsweep.config.workers import LocalWorkersConfig, Workers
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.trial import Params, ParamValue

Values = list[tuple[KeyPath, ParamValue]]
"""Values of a tunable, each with its place below the tunable's."""

SKLEARN_BASELINES = ("linear_regression",)
"""The baselines that scikit-learn trains."""


class Experiment(ConfigModel):
    """One YAML file."""

    name: Name = Field(description="Names the sweep in the terminal and in MLflow.")
    question: str = Field("", description="What the experiment wants to know, in a sentence.")
    seed: int = Field(1, ge=0, description="All randomness derives from it and from the trials' numbers.")
    table: Table = Field(description="Where the rows come from.")
    heads: Mapping[Name, Head] = Field(min_length=1, description="The outputs by name, in order.")
    space: SearchSpace = Field(description="What is varied: a path to a file of search_spaces/, or the space itself.")
    objective: Objective = Field(
        default_factory=Objective, description="What the search is for; the mean of the heads' R² if absent."
    )
    search: Search = Field(default_factory=Search, description="Who asks, and how much.")
    fit: Fit = Field(default_factory=Fit, description="How each network is trained.")
    pruning: Pruning | None = Field(
        None,
        description="Which trials train to their end. Absent: rungs up to two fifths of the epochs, at each the better half.",
    )
    test: TestRows = Field(default_factory=TestRows, description="The rows that the search never sees.")
    validation: Annotated[KFold | HoldOut, Field(discriminator="method")] = Field(
        default_factory=lambda: KFold(method="k_fold"), description="How a trial is scored inside the training rows."
    )
    baselines: list[str] = Field(
        default_factory=list,
        description="What the best trial is compared with: names of scikit-learn baselines (linear_regression), or paths to "
        "experiments of one trial.",
    )
    confirmation: Confirmation = Field(
        default_factory=Confirmation, description="How the best trials are confirmed before one is chosen."
    )
    promotion: Promotion | None = Field(None, description="None: nothing is registered.")
    workers: Annotated[Workers, Field(discriminator="kind")] = Field(
        default_factory=lambda: LocalWorkersConfig(kind="local"),
        description="Who trains; what comes out does not depend on it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = (
            self._head_mistakes(),
            self._tunable_mistakes(),
            self._objective_mistakes(),
            self._rung_mistakes(),
            self._baseline_mistakes(),
        )
        self._raise_mistakes(chain.from_iterable(mistakes))
        return self

    def _head_mistakes(self) -> Iterator[KeyMistake]:
        taken = {name.split(".")[0] for name in HYPERPARAMETERS} | {"mean"}
        predicted: dict[str, str] = {}
        for head, column in self.columns.items():
            if head in taken:
                yield ("heads", head), "the name is taken by a tunable or a metric; choose another (and give its column)"
            if column in self.table.inputs:
                yield ("heads", head), f"column '{column}' is an input; a network may not read what it predicts"
            if column in predicted:
                yield ("heads", head), f"column '{column}' is already the target of {predicted[column]}"
            predicted[column] = head

    def _tunable_mistakes(self) -> Iterator[KeyMistake]:
        heads = list(self.heads)
        for place, name, values in self._settings():
            if find_hyperparameter(name, heads) is None:
                yield place, unknown_name_problem(name, heads)
                continue
            for below, value in values:
                wrong = value_problem(name, value, heads)
                if wrong:
                    yield (*place, *below), wrong

    def _settings(self) -> Iterator[tuple[KeyPath, str, Values]]:
        """Every place where a tunable is named, with its name and the values it gets there."""
        for name, dimension in self.space.dimensions.items():
            yield ("space", "dimensions", name), name, list(_decisive(dimension))
        for name, value in self.space.fixed.items():
            yield ("space", "fixed", name), name, [((), value)]
        for trial, params in self.search.initial_trials.items():
            for name, value in params.items():
                yield ("search", "initial_trials", trial, name), name, [((), value)]

    def _objective_mistakes(self) -> Iterator[KeyMistake]:
        objective, metrics = self.objective, objective_metrics(self.score_metrics)

        def wrong(place: KeyPath, metric: str | None) -> Iterator[KeyMistake]:
            if metric is not None and metric not in metrics:
                yield (
                    ("objective", *place),
                    f"got '{metric}', expected one of {', '.join(metrics)}{did_you_mean(metric, metrics)}",
                )

        for position, metric in enumerate(objective.maximize):
            yield from wrong(("maximize", position), metric)
        yield from wrong(("choose",), objective.choose)
        for head in objective.weights:
            if head not in self.heads:
                yield ("objective", "weights", head), f"got '{head}', expected a head{did_you_mean(head, self.heads)}"
        for position, constraint in enumerate(objective.parsed_constraints):
            yield from wrong(("constraints", position), constraint.metric)
            initial_trials = self.search.initial_trials
            if constraint.reference and constraint.reference not in initial_trials:
                message = f"got '{constraint.reference}', expected the name of an initial trial (search.initial_trials)"
                yield ("objective", "constraints", position), message + did_you_mean(constraint.reference, initial_trials)
        if objective.is_multi_objective and self.algorithm not in MULTI_OBJECTIVE_ALGORITHMS[self.search.driver]:
            able = ", ".join(sorted(MULTI_OBJECTIVE_ALGORITHMS["optuna"]))
            message = f"{self.algorithm} of {self.search.driver} knows one objective, not several; of optuna these know: {able}"
            yield ("objective", "maximize"), message

    def _rung_mistakes(self) -> Iterator[KeyMistake]:
        for position, rung in enumerate(self.pruning_schedule.rungs):
            if rung >= self.fit.epochs:
                place = ("pruning", "rungs", position)
                yield place, f"got {rung}, expected fewer epochs than a trial has (fit.epochs {self.fit.epochs})"

    def _baseline_mistakes(self) -> Iterator[KeyMistake]:
        for position, baseline in enumerate(self.baselines):
            if baseline not in SKLEARN_BASELINES and not baseline.endswith(YAML_SUFFIXES):
                expected = f"expected one of {', '.join(SKLEARN_BASELINES)}, or a path to an experiment (.yaml)"
                yield ("baselines", position), f"got '{baseline}', {expected}{did_you_mean(baseline, SKLEARN_BASELINES)}"

    @property
    def columns(self) -> Mapping[str, str]:
        """The target column of each head."""
        return {name: head.column or name for name, head in self.heads.items()}

    @property
    def score_metrics(self) -> Mapping[str, str]:
        """The name of the metric that is the head's score, by head."""
        return {name: head.score_metric for name, head in self.heads.items()}

    @property
    def algorithm(self) -> str:
        """The driver's algorithm, the default spelled out."""
        return self.search.algorithm or next(iter(DRIVERS[self.search.driver]))

    @property
    def batch(self) -> int:
        """Trials of a round: as many as are asked for at once, and no more than the algorithm should be asked for."""
        return min(self.search.batch, MAX_BATCH.get((self.search.driver, self.algorithm), self.search.batch))

    @property
    def pending_rounds(self) -> int:
        """Rounds that are asked before the results of the last one are there; none of an algorithm that needs them."""
        return self.search.pending_rounds if self.can_ask_ahead else 0

    @property
    def can_ask_ahead(self) -> bool:
        """Whether the algorithm can ask without the last round's answers."""
        return (self.search.driver, self.algorithm) not in SEQUENTIAL_ALGORITHMS

    @property
    def pruning_schedule(self) -> Pruning:
        """The rungs, the default ones spelled out. Hyperband halves by itself."""
        if self.pruning is None and self.algorithm == "hyperband":
            return Pruning(rungs=[])
        return self.pruning or default_pruning(self.fit.epochs)

    @property
    def folds(self) -> int:
        """Parts of the training rows that validate in turn: one for a hold-out."""
        return self.validation.folds if isinstance(self.validation, KFold) else 1

    @property
    def lanes_per_trial(self) -> int:
        """Networks behind one score: folds x seeds."""
        return self.folds * self.validation.seeds

    def with_fixed(self, fixed: Params) -> Experiment:
        """The same experiment with these tunables held at a value, in the space and in the initial trials.

        What is asked only if a dimension has some value is asked always where the held value is one of them, and never where it
        is not.
        """
        dimensions: dict[str, Dimension] = {}
        for name, it in self.space.dimensions.items():
            when = it.when or {}
            asked = all(fixed[other] in allowed if other in fixed else other in dimensions for other, allowed in when.items())
            if asked and name not in fixed:
                dimensions[name] = _under({other: allowed for other, allowed in when.items() if other not in fixed}, it)
        initial_trials = {
            trial: {name: fixed.get(name, value) for name, value in params.items()}
            for trial, params in self.search.initial_trials.items()
        }
        return self.model_copy(
            update={
                "space": SearchSpace(dimensions=dimensions, fixed={**self.space.fixed, **fixed}),
                "search": self.search.model_copy(update={"initial_trials": initial_trials}),
            }
        )

    def for_single_head(self, head: str) -> Experiment:
        """The single-output baseline: the same experiment with this head alone.

        Dimensions, fixed values and initial trials that name other heads fall away, and so do those that weigh heads
        against each other, and conditions on such dimensions. What is maximised is this head's R², under the constraints that
        it had.
        """
        if head not in self.heads:
            raise ConfigError(f"got head '{head}', expected one of {', '.join(self.heads)}{did_you_mean(head, self.heads)}")
        gone = tuple(f"{other}." for other in self.heads if other != head)

        weighing = ("loss_weight", f"{head}.loss_weight", "loss_balancing")

        def kept(params: Mapping[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in params.items() if name not in weighing and not name.startswith(gone)}

        return self.model_copy(
            update={
                "name": f"{self.name}-{head}",
                "heads": {head: self.heads[head]},
                "space": SearchSpace(
                    dimensions={name: _under(kept(it.when or {}), it) for name, it in kept(self.space.dimensions).items()},
                    fixed=kept(self.space.fixed),
                ),
                "search": self.search.model_copy(
                    update={"initial_trials": {trial: kept(params) for trial, params in self.search.initial_trials.items()}}
                ),
                "objective": Objective(
                    constraints=[
                        text
                        for text, bound in zip(self.objective.constraints, self.objective.parsed_constraints, strict=True)
                        if ObjectiveMetric.parsed(bound.metric).head == head
                    ]
                ),
            }
        )


def _under(when: Mapping[str, list[ParamValue]], dimension: Dimension) -> Dimension:
    """The same dimension under these conditions."""
    return dimension.model_copy(update={"when": when or None})


def _decisive(dimension: Dimension) -> Iterator[tuple[KeyPath, ParamValue]]:
    """The values of a dimension that decide whether all of it is within a tunable's bounds, each with its place."""
    if isinstance(dimension, Choice):
        yield from ((("choices", position), value) for position, value in enumerate(dimension.choices))
    else:
        yield ("low",), dimension.low
        yield ("high",), dimension.high
