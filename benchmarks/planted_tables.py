"""Tables whose structure is planted: a categorical column that matters, and rows that a random split must not divide.

    python -m benchmarks.planted_tables [--trials 8] [--epochs 40] [--quick] [--json]

- season: the load depends on temperature, hour and season. A sweep that reads the season is compared with one that does not.
- groups: 60 groups of ten rows; the inputs tell the group, and the target is a number of the group. Nothing is there to learn
  for another group, which a sweep whose rows are divided at random does not see, and one that keeps groups together does.

Each is a whole sweep (search, confirmation on new folds, refit, test rows) of the same space.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import _measure
from branchsweep.api.running import sweep
from branchsweep.config.experiment import Experiment
from branchsweep.data.loading import load_dataset
from branchsweep.runtime import temporary_folder

LOAD_BY_SEASON = {"spring": 0.0, "summer": 12.0, "autumn": -4.0, "winter": 8.0}
LEARNING_RATE = {"type": "float", "low": 0.002, "high": 0.02, "log": True}
SMALL = {"dimensions": {"trunk.width": {"type": "choice", "choices": [16, 32]}, "learning_rate": LEARNING_RATE}}
LARGE = {
    "dimensions": {"trunk.width": {"type": "choice", "choices": [64, 128]}, "learning_rate": LEARNING_RATE},
    "fixed": {"trunk.depth": 3, "batch_size": 32},
}
"""Networks that can learn the sixty groups by heart."""


def season_table(rows: int = 600) -> pd.DataFrame:
    """A season, which is missing in a twentieth of the rows, temperature, wind with gaps, and the hour; two targets."""
    random = np.random.default_rng(0)
    season = random.choice(list(LOAD_BY_SEASON), rows)
    temperature, wind = random.normal(15, 8, rows), random.gamma(2, 2, rows)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 365 * 24, rows), unit="h")
    daily = 3 * np.sin(2 * np.pi * when.hour.to_numpy() / 24)
    by_season = np.array([LOAD_BY_SEASON[name] for name in season])
    load = 20 + 0.5 * temperature + by_season + daily + random.normal(0, 1, rows)
    price = 0.3 * load + wind + random.normal(0, 1, rows)
    columns = {
        "season": pd.Series(season).mask(random.random(rows) < 0.05),
        "T": temperature,
        "wind": np.where(random.random(rows) < 0.2, np.nan, wind),
        "when": when,
    }
    return pd.DataFrame({**columns, "load": load, "price": price})


def group_table(groups: int = 60, rows_of_each: int = 10) -> pd.DataFrame:
    """Inputs that tell the group of a row, and targets that are numbers of the group; `batch` is the group."""
    random = np.random.default_rng(1)
    batch, rows = np.repeat(np.arange(groups), rows_of_each), groups * rows_of_each
    places, targets = random.normal(size=(groups, 2)), random.normal(size=(groups, 2))
    values = {name: places[batch, axis] + random.normal(size=rows) * 1e-2 for axis, name in enumerate("ab")}
    values |= {name: targets[batch, axis] + random.normal(size=rows) * 1e-2 for axis, name in enumerate("fg")}
    return pd.DataFrame({**values, "batch": batch})


def swept(name: str, frame: pd.DataFrame, written: dict[str, Any], options: Namespace, store: Path) -> dict[str, Any]:
    """Confirmed R² and R² on the test rows by head, and how many warnings the table has.

    Args:
        name: Of the sweep.
        frame: The table.
        written: Inputs, heads, split and space, as in YAML.
        options: Trials and epochs.
        store: A file of SQLite.
    """
    experiment = Experiment.model_validate(
        {
            "name": name,
            "table": {"source": "dataframe", "inputs": written["inputs"]},
            "heads": {head: {} for head in written["heads"]},
            "split": written.get("split", {}),
            "space": written["space"],
            "search": {"driver": "random", "trials": options.trials, "batch": options.trials},
            "fit": {"epochs": options.epochs},
            "confirmation": {"trials": 2},
            "promotion": {"model": name, "gate": {"first": "any"}},
        }
    )
    result = sweep(experiment, frame, tracking_uri=f"sqlite:///{store}", verbose=False)
    summary = result.summary
    assert summary is not None
    confirmed = next(trial for trial in summary.confirmed if summary.finalist and trial.trial == summary.finalist.trial)
    measured = {
        "confirmed_r2": dict(confirmed.scores.values),
        "test_r2": dict(summary.test_scores or {}),
        "warnings": len(load_dataset(experiment, frame).warnings),
    }
    _measure.note(f"{name}: {measured}")
    return measured


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--trials", type=int, help="of each sweep: 8, or 2 with --quick")
    parser.add_argument("--epochs", type=int, help="of each network: 40 (groups: 200), or 10 with --quick")
    options = parser.parse_args()
    options.trials = options.trials or (2 if options.quick else 8)
    options.epochs = options.epochs or (10 if options.quick else 40)
    longer = Namespace(trials=options.trials, epochs=options.epochs * (1 if options.quick else 5))
    inputs = {"T": {}, "wind": {"missing": "indicator"}, "when": {"kind": "date", "parts": ["hour"]}}
    seasons = {"inputs": inputs, "heads": ["load", "price"], "space": SMALL}
    groups: dict[str, Any] = {"inputs": ["a", "b"], "heads": ["f", "g"], "space": LARGE}
    with temporary_folder() as folder:
        store, by_season, by_group = folder / "mlflow.db", season_table(), group_table()
        measurements = {
            "with_season": swept("with_season", by_season, {**seasons, "inputs": {"season": {}, **inputs}}, options, store),
            "without_season": swept("without_season", by_season, seasons, options, store),
            "rows_divided_at_random": swept("at_random", by_group, groups, longer, store),
            "groups_kept_together": swept("by_group", by_group, {**groups, "split": {"group": "batch"}}, longer, store),
        }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
