"""An experiment: one YAML file. The question, the table, the heads, the search space, the search, the promotion policy.

An experiment is frozen and validated when it is constructed. `yaml/loading.py` reads one from a file, with the file's lines in
every message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from branchsweep.config.builders import is_own, no_effect, own_problem, without_effect
from branchsweep.config.config_model import LONG_TEXT, Name, Seed, dotted
from branchsweep.config.experiment_checks import experiment_mistakes, resolved_head_mistakes, rung_mistakes
from branchsweep.config.file_model import FileModel, file_path
from branchsweep.config.hyperparameters import Hyperparameter, find_hyperparameter, value_problem
from branchsweep.config.metric_names import SAME_ORDER, ObjectiveMetric
from branchsweep.config.sections.columns import Column, as_written
from branchsweep.config.sections.dimensions import Dimension, When
from branchsweep.config.sections.driver_options import MAX_BATCH, SEQUENTIAL_ALGORITHMS
from branchsweep.config.sections.estimators import Baseline
from branchsweep.config.sections.heads import MAX_HEADS, Head, named_heads
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.promotion import Confirmation, Promotion
from branchsweep.config.sections.search import Rounds, Search
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.sections.split import RowSplit
from branchsweep.config.sections.table import Table
from branchsweep.config.sections.targets import Targets
from branchsweep.config.sections.training import Fit, Phase, Pruning, default_pruning
from branchsweep.config.sections.validation import HoldOut, KFold, TestRows
from branchsweep.config.sections.workers import LocalWorkersConfig, Workers
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.trial import Params, ParamValue, Score, Status

MAX_BASELINES = 32
"""The most baselines."""


class Experiment(FileModel):
    """One YAML file, or the same values in Python.

        Experiment(
            name="boiler",
            table={"inputs": ["load", "wind"]},
            heads={"heat": Head(unit="MW"), "steam": Head()},
            space={"trunk.depth": Int(1, 4), "learning_rate": Float(1e-4, 1e-1, log=True), "batch_size": 64},
        )

    In Python a table without a source is a DataFrame that is passed to the sweep, heads may be a list of columns, a space may
    be a mapping from hyperparameters to what they are varied in, or fixed at, and a promotion may be the model's name.
    Shorthands of YAML are read, too; paths are looked up from the working directory.

    Raises:
        ConfigError: Everything that is wrong, one line per mistake.
    """

    name: Name = Field(description="Names the sweep in the terminal and in MLflow.")
    question: str = Field("", max_length=LONG_TEXT, description="The question that the experiment answers, in a sentence.")
    seed: Seed = Field(1, description="All randomness derives from it and from the trials' numbers.")
    table: Table = Field(description="Where the rows come from.")
    heads: Annotated[Mapping[Name, Head], BeforeValidator(named_heads)] = Field(
        min_length=1, max_length=MAX_HEADS, description="The outputs by name, in order."
    )
    targets: Targets = Field(default_factory=Targets, description="What happens to rows without the target of some head.")
    space: SearchSpace = Field(description="What is varied: a path to a file of search_spaces/, or the space itself.")
    objective: Objective = Field(
        default_factory=Objective,
        validate_default=True,
        description="What the search optimizes; the mean of the heads' scores (R² of regressions) if absent.",
    )
    search: Search = Field(default_factory=Search, description="Which trials are tried, and how many.")
    fit: Fit = Field(default_factory=Fit, description="How each network is trained.")
    pruning: Pruning | None = Field(
        None,
        description="Which trials stop early. Absent: rungs up to two fifths of the epochs, at each the better half trains on.",
    )
    test: TestRows = Field(default_factory=TestRows, description="The rows that the search never uses.")
    split: RowSplit = Field(default_factory=RowSplit, description="How rows are divided into test rows and folds.")
    validation: Annotated[KFold | HoldOut, Field(discriminator="method")] = Field(
        default_factory=lambda: KFold(method="k_fold"), description="How a trial is scored within the training rows."
    )
    baselines: list[Baseline] = Field(
        default_factory=list,
        max_length=MAX_BASELINES,
        description="What the best trial is compared with: names of scikit-learn estimators (linear_regression, random_forest, "
        "joint_random_forest), paths to experiments of one trial, or estimators with hyperparameters of their own.",
    )
    confirmation: Confirmation = Field(
        default_factory=Confirmation, description="How the best trials are evaluated again before one is chosen."
    )
    promotion: Promotion | None = Field(None, description="How the finalist is registered. None: nothing is registered.")
    workers: Annotated[Workers, Field(discriminator="kind")] = Field(
        default_factory=lambda: LocalWorkersConfig(kind="local"),
        description="What trains the networks; results do not depend on it.",
    )

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """The experiment in a YAML file.

        Args:
            path: The file. Paths in it are looked up from its folder, then from the working directory.

        Raises:
            ConfigError: Everything that is wrong, one line per mistake, each with its file and line.
        """
        from branchsweep.config.yaml.loading import load_experiment  # noqa: PLC0415  # reading files knows this module

        return cls.model_validate(load_experiment(file_path(path)))

    @field_validator("objective")
    @classmethod
    def _of_the_heads_scores(cls, objective: Objective, info: ValidationInfo) -> Objective:
        heads: Mapping[str, Head] = info.data.get("heads", {})
        return objective.for_scores(head.score_metric for head in heads.values()) if heads else objective

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._raise_mistakes(experiment_mistakes(self))
        return self

    def hyperparameter(self, name: str) -> Hyperparameter | None:
        """The hyperparameter of this name: one of training or of the built-in networks, or the builder's own; None for none."""
        return self.space.own_hyperparameter(name, list(self.heads)) or find_hyperparameter(name, self.heads)

    def value_problem(self, name: str, value: ParamValue) -> str:
        """What is wrong with a value of a hyperparameter of this name, as a message; empty where nothing is."""
        heads, space = list(self.heads), self.space
        if space.builder and is_own(name, heads):
            return own_problem(name, [*space.dimensions, *space.fixed], [value])
        if space.builder and without_effect(name, heads):
            return no_effect(name, space.builder)
        return value_problem(name, value, heads)

    @property
    def columns(self) -> Mapping[str, str]:
        """The target column of each head."""
        return {name: head.column or name for name, head in self.heads.items()}

    def with_inputs(self, inputs: Mapping[str, Column]) -> Experiment:
        """The same experiment with these input columns."""
        return self.model_copy(update={"table": self.table.model_copy(update={"inputs": dict(inputs), "exclude": []})})

    def resolved_by(self, inputs: Mapping[str, Column], classes: Mapping[str, Sequence[str]]) -> Experiment:
        """The same experiment with what its table says; itself where that is nothing more than it says.

        Args:
            inputs: What the inputs are.
            classes: As of `with_classes`.

        Raises:
            ConfigError: As of `with_classes`.
        """
        resolved = self if as_written(inputs) == as_written(self.table.inputs) else self.with_inputs(inputs)
        return resolved.with_classes(classes)

    def with_epochs(self, rows: int) -> Experiment:
        """The same experiment with epochs in place of `fit.steps`; itself where it says epochs.

        Args:
            rows: That the networks of the search train on, at least.

        Raises:
            ConfigError: A rung comes after the last epoch.
        """
        if self.fit.steps is None:
            return self
        resolved = self.model_copy(update={"fit": self.fit.in_epochs(rows, self.space.largest_batch_size)})
        for path, message in rung_mistakes(resolved):
            raise ConfigError(message, dotted(path))
        return resolved

    def with_classes(self, classes: Mapping[str, Sequence[str]]) -> Experiment:
        """The same experiment with the classes of its binary and multiclass heads.

        Args:
            classes: By head that has some, the classes that its column has; of a binary one the positive one last.

        Raises:
            ConfigError: The objective or a baseline does not fit the heads whose classes the table gave.
        """
        heads = {name: head.with_classes(classes[name]) if name in classes else head for name, head in self.heads.items()}
        objective = self.objective.for_scores(head.score_metric for head in heads.values())
        resolved = self.model_copy(update={"heads": heads, "objective": objective}) if classes else self
        for path, message in resolved_head_mistakes(resolved):
            raise ConfigError(message, dotted(path))
        return resolved

    @property
    def resolved_split(self) -> RowSplit:
        """How rows are divided, by columns of the table only."""
        return self.split.resolved(self.columns)

    @property
    def split_description(self) -> str:
        """How rows are divided into test rows and folds, for display."""
        together = self.table.duplicates == "together"
        return "at random, equal rows on one side" if together else self.split.description

    @property
    def weight_columns(self) -> Mapping[str, str]:
        """The columns of weights, each with the key that names it."""
        own = {head.weight: f"heads.{name}.weight" for name, head in self.heads.items() if head.weight is not None}
        return own | ({} if self.table.weight is None else {self.table.weight: "table.weight"})

    @property
    def head_weight_columns(self) -> Mapping[str, list[str]]:
        """By head, the columns whose product weighs its rows; heads without any are left out."""
        columns = {name: [self.table.weight, head.weight] for name, head in self.heads.items()}
        given = {name: [column for column in pair if column is not None] for name, pair in columns.items()}
        return {name: of_head for name, of_head in given.items() if of_head}

    @property
    def score_metrics(self) -> Mapping[str, str]:
        """The name of the metric that is the head's score, by head."""
        return {name: head.score_metric for name, head in self.heads.items()}

    @property
    def epoch_metric(self) -> ObjectiveMetric | None:
        """The metric of a head by which epochs are chosen; None where scores choose them, or nothing does.

        It is the metric by which trials are ranked. Where that is a score, or orders epochs as the head's score does, scores
        choose them; the latter not where the size of a difference counts (`min_delta`), which is then one of the metric.
        """
        ranked = ObjectiveMetric.parsed(self.objective.ranking_metric)
        if not self.fit.chooses_epochs or ranked.head not in self.heads:
            return None
        score, stopping = self.heads[ranked.head].score_metric, self.fit.early_stopping
        orders_alike = ranked.metric == SAME_ORDER.get(score) and not (stopping and stopping.min_delta)
        return None if ranked.metric == score or orders_alike else ranked

    @property
    def algorithm(self) -> str:
        """The driver's algorithm, with its default."""
        return self.search.chosen_algorithm

    @property
    def batch(self) -> int:
        """Trials of a round: `search.batch`, but no more than the algorithm suggests in reasonable time."""
        return min(self.search.batch, MAX_BATCH.get((self.search.driver, self.algorithm), self.search.batch))

    @property
    def pending_rounds(self) -> int:
        """Rounds that are suggested before the results of the last one are there; 0 for an algorithm that needs them."""
        return self.search.pending_rounds if self.can_ask_ahead else 0

    @property
    def first_batch(self) -> int:
        """Trials of the first round; as many as of the others for an algorithm that needs the results of the last round."""
        return self.batch if self._is_sequential else min(self.search.first_batch or self.batch, self.batch)

    @property
    def rounds(self) -> Rounds:
        """How trials are divided into rounds, and which results a round learns from."""
        return Rounds(self.first_batch, self.batch, self.pending_rounds)

    @property
    def can_ask_ahead(self) -> bool:
        """Whether a round can be suggested before the last one has ended: latency is measured while nothing trains."""
        return not self._is_sequential and not self.objective.optimizes_latency

    @property
    def _is_sequential(self) -> bool:
        """Whether the algorithm makes a round from the results of the last one."""
        return (self.search.driver, self.algorithm) in SEQUENTIAL_ALGORITHMS

    @property
    def pruning_schedule(self) -> Pruning:
        """The rungs, with their defaults; none for Hyperband, which does successive halving itself."""
        if self.pruning is None and self.algorithm == "hyperband":
            return Pruning(rungs=[])
        return self.pruning or default_pruning(self.fit.epochs)

    @property
    def phases(self) -> list[Phase]:
        """The training of a trial from rung to rung, and to its end."""
        return [self.phase_to(epoch) for epoch in (*self.pruning_schedule.rungs, self.fit.epochs)]

    def phase_to(self, epoch: int) -> Phase:
        """The training up to a rung; up to any other epoch a trial trains on all folds."""
        schedule, folds, seeds = self.pruning_schedule, self.folds, self.validation.seeds
        if epoch not in schedule.rungs:
            return Phase(epoch, folds, seeds)
        rung = schedule.rungs.index(epoch)
        folds_at, seeds_at = (
            counts[rung] if counts else most for counts, most in ((schedule.folds, folds), (schedule.seeds, seeds))
        )
        return Phase(epoch, min(folds_at, folds), min(seeds_at, seeds))

    def phase_of(self, score: Score) -> Phase:
        """The phase in which a trial was scored last: its scores are over the networks of that phase."""
        return self.phase_to(score.ended_at if score.status is Status.PRUNED else self.fit.epochs)

    @property
    def folds(self) -> int:
        """Folds of the training rows; 1 for a hold-out."""
        return self.validation.folds if isinstance(self.validation, KFold) else 1

    @property
    def lanes_per_trial(self) -> int:
        """Networks per trial: folds x seeds."""
        return self.folds * self.validation.seeds

    @property
    def registers_model(self) -> bool:
        """Whether the finalist's model is registered; those of an outer cross-validation only estimate, and are not."""
        return self.promotion is not None and self.test.folds is None

    def with_test_table(self, path: Path) -> Experiment:
        """The same experiment with the rows of this table as test rows.

        Raises:
            ConfigError: A column of the experiment's table says which rows are test rows, or all are in turn.
        """
        if self.test.folds is not None:
            raise ConfigError(
                f"the test rows are each of {self.test.folds} parts of one table in turn (test.folds); leave one of them out",
                "--test-data",
            )
        if self.split.column is not None:
            raise ConfigError(
                "split.column says which rows of the table are in which part; leave one of them out", "--test-data"
            )
        return self.model_copy(update={"test": TestRows(path=str(path.expanduser().absolute()))})

    def for_outer_fold(self, number: int) -> Experiment:
        """The sweep of one fold of an outer cross-validation, counted from 1: its rows are the test rows."""
        name, test = outer_fold_name(self.name, number), self.test.model_copy(update={"fold": number})
        return self.model_copy(update={"name": name, "test": test})

    def with_fixed(self, fixed: Params) -> Experiment:
        """The same experiment with hyperparameters fixed at a value, in the space and in the initial trials.

        A condition on a fixed hyperparameter is removed where its value fulfils it; else the dimension is removed.

        Args:
            fixed: Values by the names of hyperparameters.
        """
        dimensions: dict[str, Dimension] = {}
        for name, dimension in self.space.dimensions.items():
            when = dimension.when or {}
            holds = all(fixed[other] in allowed if other in fixed else other in dimensions for other, allowed in when.items())
            if holds and name not in fixed:
                remaining = {other: allowed for other, allowed in when.items() if other not in fixed}
                dimensions[name] = _with_conditions(dimension, remaining)
        initial_trials = {
            trial: {name: fixed.get(name, value) for name, value in params.items()}
            for trial, params in self.search.initial_trials.items()
        }
        return self.model_copy(
            update={
                "space": self.space.replaced(dimensions, {**self.space.fixed, **fixed}),
                "search": self.search.model_copy(update={"initial_trials": initial_trials}),
            }
        )

    def for_single_head(self, head: str) -> Experiment:
        """The single-output baseline: the same experiment with one head alone.

        Hyperparameters of other heads are removed from the space and the initial trials, and so are those that weigh heads
        against each other or let the head read another, and conditions on them. The head's score is maximized, or the
        metric of it by which trials are ranked, under the constraints on it and on the network.

        Args:
            head: The name of the head.

        Raises:
            ConfigError: There is no such head.
        """
        if head not in self.heads:
            raise ConfigError(f"got head '{head}', expected one of {', '.join(self.heads)}{did_you_mean(head, self.heads)}")
        other_heads = tuple(f"{other}." for other in self.heads if other != head)
        between_heads = ("loss_weight", f"{head}.loss_weight", "loss_balancing", f"{head}.reads")

        def kept(params: Mapping[str, Any]) -> dict[str, Any]:
            return {
                name: value for name, value in params.items() if name not in between_heads and not name.startswith(other_heads)
            }

        dimensions = {
            name: _with_conditions(dimension, kept(dimension.when or {}))
            for name, dimension in kept(self.space.dimensions).items()
        }
        initial_trials = {trial: kept(params) for trial, params in self.search.initial_trials.items()}

        return self.model_copy(
            update={
                "name": f"{self.name}-{head}",
                "heads": {head: self.heads[head]},
                "space": self.space.replaced(dimensions, kept(self.space.fixed)),
                "search": self.search.model_copy(update={"initial_trials": initial_trials}),
                "objective": self._objective_of(head),
            }
        )

    def _objective_of(self, head: str) -> Objective:
        """The objective of a head alone: its score, or the metric of it that trials are ranked by."""
        objective, score = self.objective, self.heads[head].score_metric
        ranking = ObjectiveMetric.parsed(objective.ranking_metric)
        own = {"maximize": [objective.ranking_metric]} if ranking.head == head and ranking.metric != score else {}
        constraints = [
            text
            for text, constraint in zip(objective.constraints, objective.parsed_constraints, strict=True)
            if (metric := ObjectiveMetric.parsed(constraint.metric)).head == head or metric.is_of_network
        ]
        return Objective(**own, constraints=constraints).for_scores([score])


def outer_fold_name(name: str, number: int) -> str:
    """The name of the sweep of one fold of an outer cross-validation."""
    return f"{name}-fold-{number}"


def _with_conditions(dimension: Dimension, when: When) -> Dimension:
    """The same dimension with other conditions."""
    return dimension.model_copy(update={"when": when or None})
