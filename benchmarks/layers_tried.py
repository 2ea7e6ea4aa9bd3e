"""Layers that were tried before the compiled program was to have them: test scores of the default recipe with and without each.

    python -m benchmarks.layers_tried [--tables FOLDER] [--names jura,enb,slump,edm] [--splits 5] [--networks 4]
                                      [--only NAME …] [--store FOLDER] [--data PATH] [--quick] [--json]

Layer normalisation, activations with learned slopes, trained periodic embeddings of the inputs, and TabM-mini: members of one
network that share the weights of its hidden layers. All of them are trained in plain TensorFlow (`_tried_networks`), by the
default recipe with the epochs and batches that `branchsweep init` writes for the table. Each table is divided at random several
times, a fifth of its rows for the test (2,500 rows of the power-plant table). R² on the test rows is averaged over heads, and
over networks from other initial weights; with and without a change these are the same, and so is the order of the rows.
TabM-mini is compared with the mean of as many separate networks. What is finished is kept in `--store`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import r2_score
from sklearn.model_selection import ShuffleSplit

from benchmarks import _measure, _tables
from benchmarks._tables import POWER_PLANT, table_of
from benchmarks._tried_networks import Network, Periodic, Rows, Training, trained_predictions
from branchsweep.data.encoders.inputs import InputEncoder, InputEncoding
from branchsweep.data.encoders.registry import fit_target_encoder
from branchsweep.types import Floats
from branchsweep.workflows.starting_point import Budget, budget_for, default_recipe

ROWS = 2_500
"""Of the power-plant table."""

CHANGES: dict[str, Network] = {
    "recipe": Network(),
    "no dropout": Network(dropout=0.0),
    "layer normalization": Network(normalization="scaled"),
    "layer normalization, no dropout": Network(normalization="scaled", dropout=0.0),
    "layer normalization without gain": Network(normalization="plain"),
    "relu": Network(activation="relu"),
    "leaky_relu": Network(activation="leaky_relu"),
    "elu": Network(activation="elu"),
    "tanh": Network(activation="tanh"),
    "prelu": Network(activation="prelu"),
    "parametric silu": Network(activation="parametric_silu"),
    "mish": Network(activation="mish"),
    "parametric mish": Network(activation="parametric_mish"),
    "periodic relu, sigma 0.1": Network(periodic=Periodic("plr", 0.1)),
    "periodic relu, sigma 0.3": Network(periodic=Periodic("plr", 0.3)),
    "periodic linear, sigma 0.1": Network(periodic=Periodic("pl", 0.1)),
    "periodic linear, sigma 0.3": Network(periodic=Periodic("pl", 0.3)),
    "periodic with phases, sigma 0.1": Network(periodic=Periodic("pbld", 0.1, width=3)),
    "fixed periodic, sigma 0.1": Network(periodic=Periodic("fixed", 0.1, frequencies=4)),
    "fixed periodic, sigma 0.3": Network(periodic=Periodic("fixed", 0.3, frequencies=4)),
    "periodic": Network(input_scaling="periodic"),
    "quantile": Network(input_scaling="quantile"),
    "piecewise_linear": Network(input_scaling="piecewise_linear"),
    "TabM-mini, 8 members": Network(members=8),
    "TabM-mini, 16 members": Network(members=16),
    "weight_decay 1": Network(weight_decay=1.0),
    "weight_decay 1, leaky_relu": Network(weight_decay=1.0, activation="leaky_relu"),
    "weight_decay 1, prelu": Network(weight_decay=1.0, activation="prelu"),
    "weight_decay 1, layer normalization": Network(weight_decay=1.0, normalization="scaled"),
    "weight_decay 1, TabM-mini, 8 members": Network(weight_decay=1.0, members=8),
}
"""The first one is what the others are compared with."""

OF_RECIPE = 16
"""Networks of the recipe, for means over as many as TabM-mini has members."""


def groups_of(change: str, networks: int) -> int:
    """How many networks of a change are trained on each split."""
    if CHANGES[change].members > 1:
        return max(1, networks // 2)
    return OF_RECIPE if change == next(iter(CHANGES)) else networks


class Table:
    """One table, divided and encoded as the default recipe says.

    Args:
        name: Of the table.
        options: Of the command line.
    """

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        experiment, dataset = table_of(name, options)
        chosen = np.random.default_rng(1).permutation(dataset.rows)[: ROWS if name == POWER_PLANT else dataset.rows]
        self.x, self.y, self.columns = dataset.x[chosen], dataset.y[chosen], tuple(dataset.columns)
        self.budget: Budget = budget_for(len(self.x))
        self.recipe = default_recipe(list(experiment.heads), self.budget)
        self.cuts = list(ShuffleSplit(options.splits, test_size=0.2, random_state=1).split(self.x))

    def encoded(self, input_scaling: str) -> tuple[Rows, Floats]:
        """The rows of one network per split, and the targets `(splits, t, H)` of the rows held out.

        Args:
            input_scaling: That of the recipe if empty.
        """
        parts = []
        for train, test in self.cuts:
            encoding = InputEncoding(input_scaling or str(self.recipe["input_scaling"]))
            inputs = InputEncoder(self.columns, encoding).fit(self.x[train], self.y[train])
            targets = fit_target_encoder(["standard"] * self.y.shape[1], self.y[train])
            x, y = inputs.transform(self.x), targets.transform(self.y)
            parts.append((x[train], y[train], x[test], y[test]))
        x, y, held_out, actual = (np.stack(part) for part in zip(*parts, strict=True))
        return Rows(*(values.astype(np.float32) for values in (x, y, held_out))), actual


def measured(table: Table, change: str, options: argparse.Namespace) -> dict[str, Any]:
    """R² `(splits, groups)` by the number of networks whose mean predicts, and processor seconds of a network."""
    network = CHANGES[change]
    rows, actual = table.encoded(network.input_scaling)
    training = Training(options.epochs or table.budget.epochs, table.budget.batch_size)
    splits, count = len(actual), groups_of(change, options.networks)
    at_once = max(1, min(count, 4 // network.members))
    predictions, seconds = [], 0.0
    for begin in range(0, count, at_once):
        seeds = [(split, number) for split in range(splits) for number in range(begin, begin + at_once)]
        repeated = Rows(*(np.repeat(values, at_once, axis=0) for values in (rows.x, rows.y, rows.held_out)))
        of_some, taken = trained_predictions(network, repeated, training, seeds)
        predictions.append(of_some.reshape(splits, at_once, *of_some.shape[1:]))
        seconds += taken
    every = np.concatenate(predictions, axis=1)  # (splits, networks, t, H)
    low, high = rows.y.min(axis=1)[:, None], rows.y.max(axis=1)[:, None]

    def scores(of_group: int) -> list[list[float]]:
        groups = range(count // of_group)
        means = [np.clip(every[:, group * of_group : (group + 1) * of_group].mean(axis=1), low, high) for group in groups]
        return [[_r2(actual[split], mean[split]) for mean in means] for split in range(splits)]

    sizes = [size for size in (1, 4, 8, 16) if size <= count]
    return {"r2": {str(size): scores(size) for size in sizes}, "seconds": seconds / (splits * count)}


def _r2(actual: Floats, predicted: Floats) -> float:
    """The mean over the heads; -1 where a network diverged."""
    return float(r2_score(actual, predicted)) if np.isfinite(predicted).all() else -1.0


def compared(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """By change: its mean R², what it gains over as many networks of the recipe split by split, and its seconds."""
    reference = next(iter(found.values()))

    def gained(values: list[list[float]], size: int) -> dict[str, float | None]:
        """Over the mean of `size` networks of the recipe, where there are as many."""
        others = reference["r2"][str(size)]
        count = min(len(values[0]), len(others[0]))
        pairs = [
            (statistics.fmean(own[:count]), statistics.fmean(other[:count])) for own, other in zip(values, others, strict=True)
        ]
        return _measure.paired_gain([own for own, _ in pairs], [other for _, other in pairs])

    summary: dict[str, Any] = {}
    for change, result in found.items():
        summary[change] = {
            "test_r2": float(np.mean(result["r2"]["1"])),
            "gained": gained(result["r2"]["1"], 1),
            "seconds": result["seconds"],
        }
        members = CHANGES[change].members
        if members > 1 and str(members) in reference["r2"]:
            summary[change][f"gained over the mean of {members} networks"] = gained(result["r2"]["1"], members)
            summary[change]["seconds of these"] = members * reference["seconds"]
        elif "4" in result["r2"] and "4" in reference["r2"]:
            summary[change]["gained by the mean of 4"] = gained(result["r2"]["4"], 4)
    return summary


def main() -> None:
    """Measures and prints."""
    parser = _tables.parser(__doc__, f"jura,enb,slump,edm,{POWER_PLANT}")
    _tables.add_only(parser)
    parser.add_argument("--store", type=Path, help="a folder in which finished measurements are kept, and found again")
    options = _tables.parsed(
        parser,
        splits=_tables.Size("how many", 5, 2),
        networks=_tables.Size("of a split and change", 4, 1),
        epochs=_tables.Size("of a network", None, 5),
    )
    _measure.import_tensorflow(threads=1)
    first, *_ = chosen = _tables.chosen(CHANGES, options.only)
    measurements: dict[str, Any] = {}
    for name in options.names:
        table, found = Table(name, options), {}
        for change in chosen:
            file = options.store and options.store / f"{name}, {change}, {options.splits} x {options.networks}.json"
            if file and file.exists():
                found[change] = json.loads(file.read_text(encoding="utf-8"))
            else:
                found[change] = measured(table, change, options)
                if file:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(json.dumps(found[change]), encoding="utf-8")
            _measure.note(f"{name}, {change}: {json.dumps(compared({first: found[first], change: found[change]})[change])}")
        measurements[name] = compared(found)
    _measure.conclude(measurements | {"splits": options.splits, "networks": options.networks}, options.json)


if __name__ == "__main__":
    main()
