"""Benchmarks: each can be started, for one that is broken would show on the day when its figure is wanted; and their parts."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from arff_tables import write_arff_table
from branchsweep.data.splits import outer_splits
from branchsweep.errors import UserError
from branchsweep.workflows.session import Session, load_outer_rows

FOLDER = Path(__file__).parents[1] / "benchmarks"

TABLES = {"slump", "edm", "flare1", "jura", "enb", "water-quality", "scpf", "oes97", "atp1d", "osales"}


@pytest.mark.slow
def test_every_benchmark_imports_what_it_needs() -> None:
    names = sorted(file.stem for file in FOLDER.glob("[a-z]*.py"))
    assert "widths" in names
    imports = "; ".join(f"import benchmarks.{name}" for name in names)
    done = subprocess.run([sys.executable, "-c", imports], cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`benchmarks.mtr`."""
    monkeypatch.syspath_prepend(FOLDER.parent)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    return importlib.import_module("benchmarks.mtr")


@pytest.fixture
def ranks(benchmark: ModuleType) -> ModuleType:
    """`benchmarks._ranks`."""
    return importlib.import_module("benchmarks._ranks")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder with one table, called slump, of two inputs and two targets."""
    write_arff_table(tmp_path, "slump", 40)
    return tmp_path


def options(folder: Path, **changes: object) -> Namespace:
    return Namespace(**{"tables": folder, "folds": 4, "quick": False, "set": [], "workers": 1, **changes})


def results(benchmark: ModuleType, ours: float) -> dict[str, object]:
    """Results on all tables: ours is so many times the best published figure, the estimators twice that."""
    best = {name: min(figures.values()) for name, figures in benchmark.PUBLISHED.items()}
    return {
        name: benchmark.TableResult(
            10,
            {benchmark.OURS: benchmark.Measured(ours * figure, 0.01)}
            | {model: benchmark.Measured(2 * ours * figure, 0.01) for model in benchmark.ESTIMATORS},
            1.0,
        )
        for name, figure in best.items()
    }


def test_every_table_has_a_published_figure_of_every_method(benchmark: ModuleType) -> None:
    assert set(benchmark.PUBLISHED) == TABLES
    assert all(tuple(figures) == benchmark.METHODS for figures in benchmark.PUBLISHED.values())
    best = {name: min(figures.values()) for name, figures in benchmark.PUBLISHED.items()}
    assert best == pytest.approx(
        {"slump": 0.555, "edm": 0.698, "flare1": 0.932, "jura": 0.576, "enb": 0.09, "water-quality": 0.899, "scpf": 0.801}
        | {"oes97": 0.462, "atp1d": 0.37, "osales": 0.709}
    )


def test_the_experiment_has_the_targets_of_the_table_and_the_folds_that_are_asked_for(
    benchmark: ModuleType, table: Path
) -> None:
    experiment = benchmark.experiment_of("slump", options(table, set=["search.trials=3"]))
    assert list(experiment.columns.values()) == ["y", "z"]
    assert (experiment.name, experiment.test.folds, experiment.search.trials) == ("slump", 4, 3)


def test_a_table_that_the_folder_lacks_is_named(benchmark: ModuleType, table: Path) -> None:
    with pytest.raises(UserError, match="edm"):
        benchmark.experiment_of("edm", options(table))


def test_the_relative_rmse_of_an_estimator_is_about_the_mean_of_the_training_rows(benchmark: ModuleType, table: Path) -> None:
    experiment = benchmark.completed_by_table(benchmark.experiment_of("slump", options(table)), None)
    dataset, splits = load_outer_rows(experiment, Session())
    assert [split.digest for split in splits] == [split.digest for split in outer_splits(experiment, dataset)]
    split = splits[0]
    measured = benchmark.estimator_relative_rmse("linear_regression", experiment, dataset, split)
    x, y = np.column_stack([np.ones(len(dataset.x)), dataset.x]), dataset.y
    weights, *_ = np.linalg.lstsq(x[split.train], y[split.train], rcond=None)
    squared = np.square(x[split.test] @ weights - y[split.test]).sum(axis=0)
    about_mean = np.square(y[split.test] - y[split.train].mean(axis=0)).sum(axis=0)
    assert measured == pytest.approx(np.sqrt(squared / about_mean))


def test_estimators_are_measured_once(benchmark: ModuleType, table: Path, tmp_path: Path) -> None:
    experiment = benchmark.completed_by_table(benchmark.experiment_of("slump", options(table)), None)
    dataset, splits = load_outer_rows(experiment, Session())
    first = benchmark.estimator_results(experiment, dataset, splits, tmp_path)
    (kept,) = tmp_path.glob("*joint_extra_trees*.json")
    kept.write_text(kept.read_text().replace(str(first["joint_extra_trees"].mean), "0.25"))
    assert benchmark.estimator_results(experiment, dataset, splits, tmp_path)["joint_extra_trees"].mean == 0.25
    assert len(benchmark.estimator_results(experiment, dataset, splits[:2], tmp_path)) == len(benchmark.ESTIMATORS)


def test_the_mean_over_folds_and_heads_has_the_standard_error_over_folds(benchmark: ModuleType) -> None:
    measured = benchmark.Measured.of(np.array([[0.2, 0.4], [0.4, 0.6], [0.3, 0.5]]))
    assert measured.mean == pytest.approx(0.4)
    assert measured.error == pytest.approx(0.1 / math.sqrt(3))


def test_equal_figures_share_the_mean_of_their_ranks(ranks: ModuleType) -> None:
    compared = ranks.compare_ranks({"one": {"a": 0.1, "b": 0.2, "c": 0.2}, "two": {"a": 0.3, "b": 0.1, "c": 0.5}})
    assert compared.mean_ranks == {"a": 1.5, "b": 1.75, "c": 2.75}
    assert list(compared.mean_ranks) == ["a", "b", "c"]


def test_friedmans_test_is_that_of_the_article(ranks: ModuleType) -> None:
    """Demšar's example without ties: chi-squared is 12 n / (k (k + 1)) * (sum of squared mean ranks - k (k + 1)² / 4)."""
    figures = {str(table): {"a": 1.0, "b": 2.0, "c": 3.0} for table in range(4)}
    squared = 12 * 4 / (3 * 4) * (1 + 4 + 9 - 3 * 16 / 4)
    assert ranks.compare_ranks(figures).p == pytest.approx(math.exp(-squared / 2))  # of two degrees of freedom


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_the_published_quantiles(ranks: ModuleType, methods: int, quantile: float) -> None:
    expected = quantile * math.sqrt(methods * (methods + 1) / (6 * 10))
    assert ranks.critical_difference(methods, 10) == pytest.approx(expected, abs=2e-3)


def test_methods_of_a_group_are_closer_than_the_critical_difference(ranks: ModuleType) -> None:
    compared = ranks.RankComparison({"a": 1.0, "b": 2.0, "c": 2.9, "d": 5.0}, 10, 0.01, 1.5)
    assert compared.groups == [("a", "b"), ("b", "c")]


def test_wins_and_losses_are_counted(benchmark: ModuleType) -> None:
    better, worse = (results(benchmark, factor) for factor in (0.99, 1.01))
    assert set(benchmark.wins(better).values()) == {10}
    assert benchmark.wins(worse)[benchmark.BEST] == 0
    assert benchmark.comparisons(better)[0].mean_ranks[benchmark.OURS] == 1.0


def test_what_is_written_has_every_table_and_stands_between_the_marks(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme, picture = tmp_path / "README.md", tmp_path / "mtr.png"
    readme.write_text("before\n<!-- figures: mtr -->\nstale\n<!-- end -->\nafter\n", encoding="utf-8")
    monkeypatch.setattr(benchmark, "README", readme)
    monkeypatch.setattr(benchmark, "PICTURE", picture)
    found = results(benchmark, 0.99)
    benchmark.write(found, benchmark.comparisons(found))
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("<!-- end -->\nafter\n") and "stale" not in text
    assert all(text.count(f"| {name} ") == 2 for name in TABLES)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_readme_of_the_benchmarks_has_the_marks(benchmark: ModuleType) -> None:
    text = benchmark.README.read_text(encoding="utf-8")
    assert text.count(benchmark.MARKS[0]) == 1
    assert benchmark.MARKS[1] in text[text.index(benchmark.MARKS[0]) :]


def test_a_search_over_the_epochs_begins_with_the_trial_of_the_most(benchmark: ModuleType, table: Path) -> None:
    starting_space, tables = (importlib.import_module(f"benchmarks.{name}") for name in ("starting_space", "_tables"))
    setting = tables.full_setting_of("slump", 1, Namespace(tables=table, quick=True, epochs=40, data=None))
    written, changed = (
        change.of(setting.experiment, len(setting.dataset.x), None)
        for change in (starting_space.Change(), starting_space.Change(least_epochs=0.25))
    )
    epochs = changed.space.dimensions["epochs"]
    assert (epochs.low, epochs.high) == (10, 40)
    assert changed.space.dimensions == {**written.space.dimensions, "epochs": epochs}
    assert changed.search.initial_trials["default"] == {**written.search.initial_trials["default"], "epochs": 40}
    assert (written.search.trials, written.batch, written.first_batch) == (64, 32, 1)


def test_a_search_that_is_replayed_asks_as_many_trials_as_its_epochs_suffice_for(benchmark: ModuleType, table: Path) -> None:
    folds, tables = (importlib.import_module(f"benchmarks.{name}") for name in ("pruning_folds", "_tables"))
    experiment = tables.full_setting_of("slump", 1, Namespace(tables=table, quick=True, epochs=40, data=None)).experiment
    trials = np.arange(16)
    pool = folds.Pool(np.broadcast_to(trials[:, None, None, None] / 16, (16, 5, 40, 2)), 1.0 - trials / 16)
    rungs = experiment.pruning_schedule.rungs
    assert rungs == [3, 6, 16]
    epochs = 5 * (8 * 3 + 4 * 3 + 2 * 10 + 1 * 24)
    assert folds.halved(pool, list(range(8)), experiment) == ([7], epochs)
    assert folds.searched(pool, trials, 8, 2 * epochs, experiment) == (1 / 16, 9 / 16, 16)
    fewer = folds.schedules(experiment)["1, 1, 1"]
    pruned = experiment.model_copy(update={"pruning": fewer})
    assert folds.halved(pool, list(range(8)), pruned) == ([7], 8 * 3 + 4 * 3 + 2 * 10 + 1 * (5 * 40 - 16))
    asked = [folds.searched(pool, trials, 8, 1.5 * epochs, each)[2] for each in (experiment, pruned)]
    assert asked == [9, 16]


@pytest.mark.slow
def test_a_network_that_is_tried_with_layer_normalisation_is_that_of_keras(benchmark: ModuleType) -> None:
    """Over eighteen steps, with batches that are not full."""
    tried = importlib.import_module("benchmarks._tried_networks")
    random = np.random.default_rng(0)
    x, y, held_out = (random.normal(size=(1, rows, columns)).astype(np.float32) for rows, columns in ((40, 3), (40, 2), (7, 3)))
    network = tried.Network(activation="relu", normalization="scaled", dropout=0.0)
    training, seeds = tried.Training(epochs=6, batch_size=16), [(0, 0)]
    predicted, _ = tried.trained_predictions(network, tried.Rows(x, y, held_out), training, seeds)
    model = _keras_network(tried.initial_variables(network, 3, 2, tried.Draws(seeds)))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(training.learning_rate, 18), weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["gamma"])
    model.compile(optimizer, loss=["mse", "mse"])
    for epoch in range(training.epochs):
        for batch in tried.orders(40, training.batch_size, seeds, epoch)[0]:
            rows = batch[batch >= 0]
            model.train_on_batch(x[0, rows], [y[0, rows, :1], y[0, rows, 1:]])
    np.testing.assert_allclose(predicted[0], np.concatenate(model.predict(held_out[0], verbose=0), axis=1), atol=1e-5)


def _keras_network(variables: dict[str, NDArray[np.float32]]) -> keras.Model:
    """Two trunk layers and a branch of one layer for each of two heads, all normalised."""
    read = keras.Input((3,))

    def hidden(tensor: Any, name: str, *head: int) -> Any:
        kernel, gain, bias = (variables[f"{name}.{part}"][(0, *head)] for part in ("kernel", "gain", "bias"))
        product, normalization = keras.layers.Dense(len(bias), use_bias=False), keras.layers.LayerNormalization()
        output = keras.layers.Activation("relu")(normalization(product(tensor)))
        product.set_weights([kernel])
        normalization.set_weights([gain, bias])
        return output

    trunk = hidden(hidden(read, "trunk_1"), "trunk_2")
    outputs = []
    for head in range(2):
        layer = keras.layers.Dense(1)
        outputs.append(layer(hidden(trunk, "branches", head)))
        layer.set_weights([variables["outputs.kernel"][0, 0, head][:, None], variables["outputs.bias"][0, 0, head : head + 1]])
    return keras.Model(read, outputs)
