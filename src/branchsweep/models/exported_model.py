"""Trained networks on their way into the files of an exported model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from branchsweep.config.experiment import Experiment
from branchsweep.config.kinds import DEFAULT_HEAD, quantile_levels
from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.config.sections.split import RowSplit
from branchsweep.metrics.prediction_intervals import PredictionIntervals
from branchsweep.models.baselines import FittedBaseline
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.recipe import Recipe
from branchsweep.trial import Params
from branchsweep.types import Weights


@dataclass(frozen=True, slots=True)
class ModelMember:
    """One trained network of an exported model.

    Args:
        recipe: What was trained.
        weights: Its kept weights.
        share: Its weight in the mean of the members' predictions; the shares of a model add up to 1.
        epochs: Epochs that it was trained for; 0 where that is not known.
        head_shares: By head its weight, where it has another one for each; `share` is their mean then.
    """

    recipe: Recipe
    weights: Weights
    share: float = 1.0
    epochs: int = 0
    head_shares: Mapping[str, float] = field(default_factory=dict)

    def share_of(self, head: str) -> float:
        """Its weight in the mean of the members' predictions for one head."""
        return self.head_shares.get(head, self.share)


@dataclass(frozen=True, slots=True)
class EstimatorMember:
    """A fitted estimator of scikit-learn beside the networks of an exported model.

    Args:
        label: For people; no two members of a model have the same.
        name: Of `config/estimator_names.py`.
        params: By head, or under `ALL_HEADS` for all of them, hyperparameters other than scikit-learn's defaults.
        fitted: Predicts all heads of the model.
        head_shares: By head its weight in the mean of the members' predictions; with those of the networks they add up to 1.
    """

    label: str
    name: str
    params: Mapping[str, Params]
    fitted: FittedBaseline
    head_shares: Mapping[str, float]

    @property
    def described(self) -> EstimatorMember:
        """The same without what has been fitted, which may take hundreds of megabytes; it predicts nothing."""
        return replace(self, fitted=self.fitted.described)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a model's recipes leave open: with it the model can be trained anew on its table.

    Args:
        columns: The target column of each head, in order.
        losses: The loss of each head, which names its kind.
        epochs: Epochs that a schedule is laid out for where a recipe has no fewer.
        test_fraction: Of scikit-learn's `train_test_split`.
        test_seed: Likewise.
        sheet: The sheet of an xlsx file, by name or by position from 0; None for the first.
        duplicates: What was done with rows that repeat an earlier one: `keep`, `drop` or `together`.
        invalid: What was done with rows that have a missing or non-numeric value: `error` or `drop`.
        missing: The numbers and texts that stand for a missing value.
        group: In place of `split`, of a model that an earlier version registered: the column of its groups.
        csv_arguments: How `pandas.read_csv` reads the table, where it is a csv file that is not of the plain kind.
        csv: The options of a csv file that the experiment gave (`table.csv`).
        query: The query that reads the table from a database; None where it is a file.
        split: How rows are divided.
        partial_targets: Whether there were rows that had the targets of some heads only, and were used.
        weights: By head, the columns whose product weighs its rows.
        has_test_table: Whether the test rows were a table of their own.
        has_words: Of a model that an earlier version registered: whether classes of some binary head are words.
        classes: By head with classes, what the numbers from 0 are in the table.
        class_weights: By head that has some, what the rows of its classes counted in the loss: `balanced`, or by class.
        outer_fold: The number of the outer fold whose rows are the test rows, and how many there are; None without outer folds.
    """

    columns: Mapping[str, str]
    losses: Mapping[str, str]
    epochs: int
    test_fraction: float
    test_seed: int
    sheet: str | int | None = None
    duplicates: str = "keep"
    invalid: str = "error"
    missing: Sequence[float | str] = field(default_factory=list)
    group: str | None = None
    csv_arguments: Mapping[str, str | int] = field(default_factory=dict)
    csv: Mapping[str, str] = field(default_factory=dict)
    query: str | None = None
    split: RowSplit = field(default_factory=RowSplit)
    partial_targets: bool = False
    weights: Mapping[str, Sequence[str]] = field(default_factory=dict)
    has_test_table: bool = False
    outer_fold: tuple[int, int] | None = None
    has_words: bool = False
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    class_weights: Mapping[str, str | Mapping[str, float]] = field(default_factory=dict)

    @property
    def named_classes(self) -> dict[str, Sequence[str]]:
        """By target column, its classes where they are not the whole numbers from 0."""
        return {
            self.columns[head]: labels
            for head, labels in self.classes.items()
            if list(labels) != [str(number) for number in range(len(labels))]
        }

    @property
    def row_split(self) -> RowSplit:
        """How rows are divided, also of a model that an earlier version registered."""
        return self.split if self.group is None else RowSplit(group=self.group)

    @classmethod
    def of(
        cls, experiment: Experiment, csv_arguments: Mapping[str, str | int] | None = None, partial_targets: bool = False
    ) -> Provenance:
        """The provenance of an experiment's models, which were trained on such a table."""
        test = experiment.test
        return cls(
            columns=dict(experiment.columns),
            losses={name: head.kind for name, head in experiment.heads.items()},
            epochs=experiment.fit.epochs,
            test_fraction=test.fraction,
            test_seed=test.seed,
            has_test_table=test.path is not None,
            outer_fold=(test.fold, test.folds) if test.fold and test.folds else None,
            sheet=experiment.table.sheet,
            duplicates=experiment.table.duplicates,
            invalid=experiment.table.invalid,
            missing=list(experiment.table.missing),
            csv_arguments=dict(csv_arguments or {}),
            csv=experiment.table.csv.given if experiment.table.csv else {},
            query=experiment.table.query,
            split=experiment.resolved_split,
            partial_targets=partial_targets,
            weights=experiment.head_weight_columns,
            class_weights={name: head.class_weight for name, head in experiment.heads.items() if head.class_weight},
            classes={name: head.classes for name, head in experiment.heads.items() if head.classes},
        )


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """Trained networks, and what their columns are called.

    Args:
        members: The networks, at least one; they may differ in anything but inputs and heads.
        inputs: Names of the input columns, in order.
        units: Unit by head, in the order of the heads.
        provenance: Recorded, so that the model can be trained anew; None where it is not known.
        losses: Loss by head, which names its kind; regressions where absent.
        columns: What the inputs are, in order; numbers without gaps where they are not given.
        estimators: What stands beside the networks.
        classes: By head with classes, what the numbers from 0 are among its targets.
        intervals: The prediction intervals of its heads; None where there are none.
    """

    members: Sequence[ModelMember]
    inputs: Sequence[str]
    units: Mapping[str, str]
    provenance: Provenance | None = None
    losses: Mapping[str, str] = field(default_factory=dict)
    columns: Sequence[Column] = ()
    estimators: Sequence[EstimatorMember] = ()
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    intervals: PredictionIntervals | None = None

    @property
    def input_columns(self) -> dict[str, Column]:
        """The inputs, each with what it is."""
        return dict(zip(self.inputs, self.columns or [NUMERIC] * len(self.inputs), strict=True))

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        members: Sequence[ModelMember],
        csv_arguments: Mapping[str, str | int] | None = None,
        partial_targets: bool = False,
        estimators: Sequence[EstimatorMember] = (),
    ) -> ExportedModel:
        """The model of these members, which were trained as the experiment says.

        Args:
            experiment: The experiment.
            members: The members.
            csv_arguments: As of `Dataset`.
            partial_targets: As of `Dataset`.
            estimators: What stands beside the members.
        """
        return cls(
            members,
            list(experiment.table.inputs),
            units={name: head.unit for name, head in experiment.heads.items()},
            losses={name: head.kind for name, head in experiment.heads.items()},
            provenance=Provenance.of(experiment, csv_arguments, partial_targets),
            columns=list(experiment.table.inputs.values()),
            estimators=estimators,
            classes={name: head.classes for name, head in experiment.heads.items() if head.classes},
        )

    @property
    def described(self) -> ExportedModel:
        """The same without its fitted estimators, which are written apart."""
        return replace(self, estimators=[member.described for member in self.estimators])

    def network_share(self, head: str) -> float:
        """What the networks together weigh for a head; 1 but for rounding where there are no estimators."""
        return sum(member.share_of(head) for member in self.members)

    @property
    def kinds(self) -> dict[str, Head]:
        """The kind of each head."""
        return {head: head_kind(self.losses.get(head, DEFAULT_HEAD)) for head in self.units}

    @property
    def described_heads(self) -> list[dict[str, Any]]:
        """The heads as `serving.json` has them: name and unit, and classes or quantiles where there are any."""
        return [{"name": head, "unit": unit, **self._described_outputs(head)} for head, unit in self.units.items()]

    def _described_outputs(self, head: str) -> dict[str, Any]:
        """What is said of the columns of a head's predictions."""
        if head in self.classes:
            return {"classes": list(self.classes[head])}
        levels = quantile_levels(self.losses.get(head, DEFAULT_HEAD))
        if len(levels) > 1:
            return {"quantiles": list(levels)}
        names = self.kinds[head].output_names
        return {"outputs": list(names)} if names else {}
