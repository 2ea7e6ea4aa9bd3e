"""The learned metric of nearest neighbors: its gradient, what it finds, and estimators with it, alone and in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from scipy.optimize import check_grad
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_info, threadpool_limits

from branchsweep.models import metric_learning
from branchsweep.models.baselines import FittedBaseline, fit, make_estimators
from branchsweep.models.estimator_files import write_estimators
from branchsweep.models.exported_model import EstimatorMember
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.heads.regression import MSE
from branchsweep.models.metric_learning import LearnedMetric, learned_map
from branchsweep.models.serving import ESTIMATOR_TYPES, estimator_predictions
from branchsweep.types import Floats

HEADS: dict[str, Head] = {"PE": MSE, "V": MSE}


def along_one_direction(rows: int = 600, columns: int = 4) -> tuple[Floats, Floats]:
    """Inputs, and a target that changes along the difference of the first two alone."""
    x = np.random.default_rng(5).normal(size=(rows, columns))
    return x, np.sin(3.0 * (x[:, 0] - x[:, 1]))


def neighbors(metric: str, heads: dict[str, Head] = HEADS, name: str = "k_nearest_neighbors") -> object:
    return make_estimators(name, heads, params={"": {"metric": metric, "n_neighbors": 8}})


def fitted(metric: str, x: Floats, y: Floats, name: str = "k_nearest_neighbors") -> FittedBaseline:
    return fit(neighbors(metric, name=name), x, y)  # type: ignore[arg-type]


def test_the_gradient_is_that_of_the_error() -> None:
    random = np.random.default_rng(3)
    problem = metric_learning._LeaveOneOut(
        random.normal(size=(6, 5, 3)), random.normal(size=(6, 5, 2)), random.normal(size=(6, 2))
    )
    error = check_grad(
        lambda flat: problem.value_and_gradient(flat)[0],
        lambda flat: problem.value_and_gradient(flat)[1],
        random.normal(size=9),
    )
    assert error < 1e-6


def test_distances_grow_along_the_direction_in_which_targets_change() -> None:
    x, y = along_one_direction()
    found = learned_map(x, y[:, None])
    across, along, other = (
        np.linalg.norm(np.asarray(way) @ found) for way in ([0.7, 0.7, 0, 0], [0.7, -0.7, 0, 0], [0, 0, 1, 0])
    )
    assert along > 3 * max(across, other)


@pytest.mark.parametrize("name", ["k_nearest_neighbors", "joint_k_nearest_neighbors"])
def test_neighbors_of_a_learned_metric_predict_better_where_targets_change_along_one_direction(name: str) -> None:
    x, first = along_one_direction()
    y = np.column_stack([first, 400.0 + 0.1 * first])
    euclidean, learned = (
        r2_score(y[400:], fitted(metric, x[:400], y[:400], name).predict(x[400:]), multioutput="raw_values")
        for metric in ("euclidean", "learned")
    )
    assert (learned > euclidean + 0.2).all()


def test_a_sample_of_rows_learns_a_map_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_learning, "VALUES", 30 * 4 * 100)
    x, y = along_one_direction()
    found = learned_map(x, y[:, None])
    assert np.linalg.norm(np.array([1, -1, 0, 0]) @ found) > 3 * np.linalg.norm(np.array([1, 1, 0, 0]) @ found)


@pytest.mark.parametrize("rows", [1, 2, 3, 12])
def test_few_rows_and_equal_rows_have_a_map(rows: int) -> None:
    random = np.random.default_rng(2)
    for x in (random.normal(size=(rows, 3)), np.zeros((rows, 3))):
        for y in (random.normal(size=(rows, 1)), np.zeros((rows, 1))):
            found = learned_map(x, y)
            assert found.shape == (3, 3) and np.isfinite(found).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_few_rows_and_equal_rows_of_many_columns_have_a_map(rows: int) -> None:
    random = np.random.default_rng(2)
    for x in (random.normal(size=(rows, 200)), np.zeros((rows, 200))):
        found = learned_map(x, random.normal(size=(rows, 1)))
        assert len(found) == 200
        assert np.isfinite(found).all()


def test_a_map_is_learned_on_one_thread_of_blas_as_sums_of_several_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    real = metric_learning._nearest

    def nearest(*arguments: Any) -> Any:
        threads.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return real(*arguments)

    monkeypatch.setattr(metric_learning, "_nearest", nearest)
    x, y = along_one_direction(50)
    with threadpool_limits(2, "blas"):
        LearnedMetric().fit(x, y)
    assert set(threads) == {1}


def test_many_targets_use_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = metric_learning._nearest

    def nearest(x: Floats, sample: Any, neighbors: int) -> Any:
        asked.append(len(sample))
        return real(x, sample, neighbors)

    monkeypatch.setattr(metric_learning, "_nearest", nearest)
    monkeypatch.setattr(metric_learning, "VALUES", 30 * 50 * 20)
    x, y = along_one_direction(300)
    learned_map(x, np.repeat(y[:, None], 50, axis=1))
    assert set(asked) == {20}


def test_targets_of_other_units_give_the_same_map() -> None:
    x, y = along_one_direction(200)
    np.testing.assert_allclose(learned_map(x, y[:, None]), learned_map(x, 8.0 * y[:, None]))


@pytest.mark.parametrize("kind", ["binary", "multiclass(3)", "count"])
def test_heads_of_other_tasks_have_a_learned_metric(kind: str) -> None:
    x, y = along_one_direction()
    classes = {"binary": 2, "multiclass(3)": 3, "count": 9}[kind]
    targets = np.floor(classes * (y + 1.0) / 2.001)[:, None]
    heads = {"state": head_kind(kind)}
    right = []
    for metric in ("euclidean", "learned"):
        predicted = fit(neighbors(metric, heads), x[:400], targets[:400]).predict(x[400:])  # type: ignore[arg-type]
        values = predicted.argmax(axis=1) if predicted.shape[1] > 1 else np.round(predicted[:, 0])
        right.append(float((values == targets[400:, 0]).mean()))
    assert right[1] > right[0] + 0.05


def test_the_map_of_classes_is_that_of_a_target_for_each_class() -> None:
    x, y = along_one_direction(100)
    classes = np.digitize(y, [-0.5, 0.5]).astype(np.float64)
    found = LearnedMetric(of_classes=True).fit(x, classes).map_
    np.testing.assert_array_equal(found, learned_map(x, (classes[:, None] == np.arange(3)).astype(float)))


def test_columns_of_a_wide_table_have_factors_large_where_targets_change() -> None:
    x = np.random.default_rng(5).normal(size=(400, metric_learning.COLUMNS + 1))
    found = np.abs(learned_map(x, np.sin(2.0 * x[:, :1])))
    assert found.shape == (x.shape[1],)
    assert found[0] > 3 * found[1:].max()


def test_the_gradient_of_factors_is_that_of_a_map_along_its_diagonal() -> None:
    random = np.random.default_rng(3)
    problem = metric_learning._LeaveOneOut(
        random.normal(size=(6, 5, 3)), random.normal(size=(6, 5, 2)), random.normal(size=(6, 2))
    )
    factors = random.normal(size=3)
    error, gradient = problem.value_and_gradient(factors)
    expected, of_map = problem.value_and_gradient(np.diag(factors).ravel())
    assert error == pytest.approx(expected)
    np.testing.assert_allclose(gradient, of_map.reshape(3, 3).diagonal())


def test_distances_are_euclidean_in_the_mapped_inputs_whatever_p_is() -> None:
    x, y = along_one_direction(100)
    found = [
        fit(make_estimators("k_nearest_neighbors", HEADS, params={"": {"metric": "learned", **p}}), x, np.column_stack([y, y]))
        for p in ({}, {"p": 1.0})
    ]
    np.testing.assert_array_equal(found[0].predict(x), found[1].predict(x))


@pytest.mark.parametrize("wide", [2, 10])
def test_a_file_of_neighbors_holds_parts_of_scikit_learn_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wide: int
) -> None:
    monkeypatch.setattr(metric_learning, "COLUMNS", wide)
    x, first = along_one_direction(100)
    x[:, 3] = 1.0
    trained = fitted("learned", x, np.column_stack([first, first**2]))
    write_estimators(tmp_path, [EstimatorMember("", "k_nearest_neighbors", {}, trained, {"PE": 1.0, "V": 1.0})])
    [file] = tmp_path.iterdir()
    assert not [name for name in skops.io.get_untrusted_types(file=file) if "branchsweep" in name]
    read = skops.io.load(file, trusted=list(ESTIMATOR_TYPES))
    np.testing.assert_array_equal(np.column_stack([estimator_predictions(own, x) for own in read]), trained.predict(x))
