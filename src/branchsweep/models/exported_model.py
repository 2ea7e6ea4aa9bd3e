"""Trained networks on their way into the files of an exported model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.experiment import Experiment
from branchsweep.models.recipe import Recipe
from branchsweep.types import Weights


@dataclass(frozen=True, slots=True)
class ModelMember:
    """One trained network of a model that leaves the house.

    Args:
        recipe: What was trained.
        weights: Its kept weights.
        share: Its part in the mean of the members' predictions; the shares of a model add up to 1.
        epochs: How many it was trained; 0 where nobody says.
    """

    recipe: Recipe
    weights: Weights
    share: float = 1.0
    epochs: int = 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a model's recipes leave open: with it, whoever has the table can train the model anew.

    Args:
        columns: The target column of each head, in order.
        losses: The loss of each head: `mse`, `mae` or `huber`.
        epochs: What a schedule is laid out for where a recipe does not say less.
        test_fraction: Of scikit-learn's `train_test_split`.
        test_seed: Likewise.
        sheet: The sheet of an xlsx file, by name or by position from 0; None for the first.
        duplicates: What became of rows that repeat an earlier one: `keep` or `drop`.
        invalid: What became of rows with a missing or non-numeric value: `error` or `drop`.
    """

    columns: Mapping[str, str]
    losses: Mapping[str, str]
    epochs: int
    test_fraction: float
    test_seed: int
    sheet: str | int | None = None
    duplicates: str = "keep"
    invalid: str = "error"

    @classmethod
    def of(cls, experiment: Experiment) -> Provenance:
        """What the models of an experiment come from."""
        return cls(
            columns=dict(experiment.columns),
            losses={name: head.loss for name, head in experiment.heads.items()},
            epochs=experiment.fit.epochs,
            test_fraction=experiment.test.fraction,
            test_seed=experiment.test.seed,
            sheet=experiment.table.sheet,
            duplicates=experiment.table.duplicates,
            invalid=experiment.table.invalid,
        )


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """What leaves the house: trained networks, and what their columns are called.

    Args:
        members: At least one; they may differ in anything but inputs and heads.
        inputs: Names of the input columns, in order.
        units: Unit by head, in the order of the heads.
        provenance: Written down for who wants to train the model anew; None where nobody knows.
    """

    members: Sequence[ModelMember]
    inputs: Sequence[str]
    units: Mapping[str, str]
    provenance: Provenance | None = None
