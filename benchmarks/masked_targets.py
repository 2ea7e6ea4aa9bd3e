"""What rows are worth that lack some targets: networks trained on them, and on the rows that are left without them.

    python -m benchmarks.masked_targets [--seeds 5] [--networks 4] [--epochs 300] [--missing 0.3]
                                        [--data PATH] [--quick] [--json]

In the training rows of the power-plant table each target's cells are emptied at random, 30 % of them. Networks of one recipe
are trained three ways, and tested on rows that have all targets:

- mask: on every row with a target, each head on the rows that have its own (`targets.missing: mask`);
- drop: on the rows that have all targets (`targets.missing: drop`), for as many epochs;
- drop_longer: on the same rows, for as many steps as `mask`.

A seed decides test rows, empty cells and initial weights. Its R² is the mean over several networks. Ways are compared seed by
seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks import _measure
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.scores import average_scores, head_scores
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import Params
from branchsweep.types import Positions

DEEPER: Params = {"trunk.depth": 3}
"""With `_measure.RECIPE`, like the best of `experiments/branched.yaml`."""


def test_r2(setting: _measure.Setting, rows: TrainingRows, networks: int, epochs: int) -> Mapping[str, float]:
    """R² on the test rows by head, the mean over networks that are trained for so many epochs.

    Args:
        setting: The experiment.
        rows: With one fold, whose validation rows are the test rows.
        networks: How many.
        epochs: The last weights are tested.
    """
    experiment = _measure.with_epochs(setting.experiment, epochs)
    (predictions,) = _measure.trained_predictions({"": DEEPER}, rows, experiment, networks)[""]
    actual, kinds = rows.actual.rows(rows.folds[0][1]), kinds_by_head(experiment)
    by_head, *_ = average_scores([head_scores(actual, of_network, kinds) for of_network in predictions])
    return {head: measured.score for head, measured in by_head.items()}


def one_seed(options: Any, seed: int) -> dict[str, Mapping[str, float]]:
    """R² by way and head."""
    overrides = (*_measure.SPACE, f"seed={seed}", f"test.seed={seed}", "fit.keep=last")
    setting = _measure.setting("branched", options.data, overrides)
    table, train, test = setting.dataset, setting.split.train, setting.split.test
    gaps = table.y.copy()
    gaps[train] = np.where(
        np.random.default_rng(seed).random((len(train), len(table.heads))) < options.missing, np.nan, gaps[train]
    )
    known = ~np.isnan(gaps[train])
    some, complete = train[known.any(axis=1)], train[known.all(axis=1)]

    def r2(learning: Positions, epochs: int) -> Mapping[str, float]:
        y = gaps if learning is some else table.y
        return test_r2(setting, TrainingRows(table.x, y, ((learning, test),), table.heads), options.networks, epochs)

    longer = round(options.epochs * len(some) / len(complete))
    ways = {"mask": r2(some, options.epochs), "drop": r2(complete, options.epochs), "drop_longer": r2(complete, longer)}
    _measure.note(f"seed {seed}: {len(some):,} rows with a target, {len(complete):,} with all; {ways}")
    return ways


def gains(seeds: list[dict[str, Mapping[str, float]]], other: str) -> dict[str, dict[str, float | None]]:
    """By head, the R² that masking gains over another way: the mean over the seeds, with its standard error."""
    by_head = {head: [[seed[way][head] for seed in seeds] for way in ("mask", other)] for head in seeds[0]["mask"]}
    return {head: _measure.paired_gain(*values) for head, values in by_head.items()}


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--seeds", type=int, help="how many: 5, or 2 with --quick")
    parser.add_argument("--networks", type=int, help="of a seed and way: 4, or 2 with --quick")
    parser.add_argument("--epochs", type=int, help="of a network: 300, or 10 with --quick")
    parser.add_argument("--missing", type=float, default=0.3, help="the share of each target's cells that is emptied")
    options = parser.parse_args()
    options.seeds, options.networks, options.epochs = (
        given or (small if options.quick else full)
        for given, small, full in ((options.seeds, 2, 5), (options.networks, 2, 4), (options.epochs, 10, 300))
    )
    seeds = [one_seed(options, seed) for seed in range(1, 1 + options.seeds)]
    r2 = {way: {head: statistics.fmean(seed[way][head] for seed in seeds) for head in seeds[0][way]} for way in seeds[0]}
    measurements = {
        "test_r2": r2,
        "gained_over_drop": gains(seeds, "drop"),
        "gained_over_drop_longer": gains(seeds, "drop_longer"),
        "seeds": options.seeds,
        "networks": options.networks,
        "epochs": options.epochs,
        "missing": options.missing,
    }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
