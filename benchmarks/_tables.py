"""Benchmarks on several tables: their options, the experiment and rows of each table, and how changes compare on it."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks import _measure
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.promotion import Confirmation
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.sections.training import Fit
from branchsweep.config.sections.validation import KFold, TestRows
from branchsweep.data.dataset import Dataset
from branchsweep.data.loading import load_dataset, with_named_inputs
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import TrainingRows, training_rows
from branchsweep.workflows.starting_point import budget_for, starting_dimensions, starting_values

POWER_PLANT = "power plant"

Change = TypeVar("Change")


@dataclass(frozen=True)
class Size:
    """An option that is a number, and a smaller one with `--quick`.

    Args:
        meaning: For `--help`.
        full: The number; None for the one that `branchsweep init` writes for a table.
        quick: The number with `--quick`.
    """

    meaning: str
    full: int | None
    quick: int

    @property
    def help(self) -> str:
        """What `--help` says of the option."""
        full = "as `init` writes them for the table" if self.full is None else self.full
        return f"{self.meaning}: {full}, or {self.quick} with --quick"


def parser(description: str | None, names: str) -> argparse.ArgumentParser:
    """The parser of the options that benchmarks on several tables have.

    Args:
        description: Of the benchmark.
        names: The tables, unless the user names others.
    """
    made = _measure.parser(description)
    made.add_argument("--tables", type=Path, help="a folder of arff files and targets.json; the power plant alone if absent")
    made.add_argument("--names", help=f"of tables in it, and `{POWER_PLANT}`", default=names)
    return made


def parsed(reader: argparse.ArgumentParser, **sizes: Size) -> argparse.Namespace:
    """The options of a benchmark, `names` as a list of tables.

    Args:
        reader: As of `parser`.
        sizes: Further options, by name.
    """
    for name, size in sizes.items():
        reader.add_argument(f"--{name}", type=int, help=size.help)
    options = reader.parse_args()
    for name, size in sizes.items():
        setattr(options, name, getattr(options, name) or (size.quick if options.quick else size.full))
    options.names = options.names.split(",") if options.tables else [POWER_PLANT]
    return options


def add_only(reader: argparse.ArgumentParser) -> None:
    """Adds the option that `chosen` takes."""
    reader.add_argument("--only", nargs="+", help="changes whose names begin like this, beside the first one", default=[""])


def chosen(changes: Mapping[str, Change], only: Sequence[str]) -> dict[str, Change]:
    """The first of the changes, and those whose names begin as the user says."""
    first, *others = changes
    return {name: changes[name] for name in (first, *(name for name in others if name.startswith(tuple(only))))}


def compared(scores: Mapping[str, Sequence[float]], score: str) -> dict[str, dict[str, object]]:
    """By change, the mean score and what was gained over the first change.

    Args:
        scores: By change, one for each seed or split.
        score: What the scores are, such as `test_r2`.
    """
    reference = next(iter(scores.values()))
    return {
        change: {score: statistics.fmean(values), "gained": _measure.paired_gain(values, reference)}
        for change, values in scores.items()
    }


def table_of(name: str, options: argparse.Namespace, epochs: int = 1) -> tuple[Experiment, Dataset]:
    """An experiment on one of the tables, with its rows."""
    power_plant = name == POWER_PLANT
    heads: dict[str, dict[str, str]] = {"PE": {}, "V": {}}
    table: dict[str, object] = {"source": "ccpp", "inputs": ["AT", "AP", "RH"]}
    if not power_plant:
        targets = json.loads((options.tables / "targets.json").read_text(encoding="utf-8"))[name]
        heads = {f"head_{number}": {"column": target} for number, target in enumerate(targets)}
        table = {"source": str(options.tables / f"{name}.arff"), "inputs": {"*": {"missing": "indicator"}}}
    experiment = Experiment.model_validate(
        {
            "name": "encoders",
            "table": table,
            "heads": heads,
            "space": {"dimensions": {}},
            "fit": {"epochs": epochs, "keep": "last"},
        }
    )
    data = options.data if power_plant else None
    experiment = with_named_inputs(experiment, data)
    dataset = load_dataset(experiment, data)
    return experiment.with_inputs(dataset.input_columns), dataset


def setting_of(name: str, seed: int, options: argparse.Namespace) -> tuple[Experiment, TrainingRows]:
    """The experiment of a table, as `branchsweep init` writes it, and its training rows."""
    setting = full_setting_of(name, seed, options)
    return setting.experiment, training_rows(setting.dataset, setting.split)


def full_setting_of(name: str, seed: int, options: argparse.Namespace) -> _measure.Setting:
    """The same with the whole table."""
    found, dataset = table_of(name, options)
    budget = budget_for(len(dataset.x))
    heads = list(found.heads)
    dimensions = starting_dimensions(heads, budget)
    if options.quick or name == POWER_PLANT:  # one program
        few = {"type": "choice", "choices": [16, 32], "ordered": True}
        dimensions |= {"trunk.width": few, "branch.width": few}
    experiment = found.model_copy(
        update={
            "seed": seed,
            "space": SearchSpace.model_validate({"dimensions": dimensions, "fixed": starting_values(heads, budget)}),
            "validation": KFold(method="k_fold", folds=max(3, budget.folds)),
            "confirmation": Confirmation(folds=5, seeds=1),
            "fit": Fit(epochs=options.epochs or budget.epochs, keep="last"),
            "test": TestRows(seed=seed),
        }
    )
    return _measure.Setting(experiment, dataset, split_rows(experiment, dataset))
