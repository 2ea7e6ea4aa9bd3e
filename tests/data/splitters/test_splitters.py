"""Every kind of row split keeps the contract, and is what scikit-learn cuts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection

from branchsweep.config.sections.split import RowSplit
from branchsweep.data.splitters.given import Given
from branchsweep.data.splitters.reading import splitter_of_cells
from branchsweep.data.splitters.shuffle import Shuffle
from branchsweep.data.splitters.splitter import Splitter
from branchsweep.data.splitters.stratify import Stratify
from branchsweep.data.splitters.time import Time
from branchsweep.errors import DataError
from contracts.splitter import FRACTION, HOLD_OUT, K_FOLD, ROWS, SplitterContract

RANDOM = np.random.default_rng(5)
SHUFFLED = RANDOM.permutation(ROWS)


def splitter_of(cells: Any, **split: Any) -> Splitter:
    series = pd.Series(cells, index=range(2, 2 + len(cells)))
    return splitter_of_cells(RowSplit(**split), series, "t.csv")


class TestShuffle(SplitterContract):
    @pytest.fixture
    def splitter(self) -> Splitter:
        return Shuffle()


@pytest.mark.parametrize("rows", [5, 17, 9568])
def test_shuffled_rows_are_those_that_scikit_learn_cuts(rows: int) -> None:
    some = np.random.default_rng(rows).permutation(rows) + 3
    for seed in (0, 1, 2**32 - 1):
        expected = [
            model_selection.train_test_split(some, test_size=share, random_state=seed) for share in (0.1, 0.2, 0.33, 0.5)
        ]
        found = [Shuffle().two_parts(some, share, seed) for share in (0.1, 0.2, 0.33, 0.5)]
        for folds in (2, 3, 5):
            divided = model_selection.KFold(folds, shuffle=True, random_state=seed).split(some)
            expected += [[some[train], some[held_out]] for train, held_out in divided]
            found += Shuffle().k_fold(some, folds, seed)
        for of_scikit_learn, ours in zip(expected, found, strict=True):
            for part, own in zip(of_scikit_learn, ours, strict=True):
                np.testing.assert_array_equal(own, part)


class TestGroup(SplitterContract):
    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of(SHUFFLED % 40, group="batch")


class TestStratify(SplitterContract):
    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of(np.where(SHUFFLED < 25, "rare", "frequent"), stratify="kind")


class TestStratifyByQuantiles(SplitterContract):
    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of(RANDOM.normal(size=ROWS), stratify="f", bins=8)


class TestTime(SplitterContract):
    has_halves = False
    validates_every_row = False

    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of(SHUFFLED, time="hour")


class TestTimeWithGap(SplitterContract):
    has_halves = False
    leaves_rows_out, validates_every_row = True, False

    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of(SHUFFLED, time="hour", gap=5)


class TestTimeOfDays(SplitterContract):
    """Dates of which many are equal, with a week between the parts."""

    has_halves = False
    leaves_rows_out, validates_every_row = True, False

    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of(pd.Timestamp("2024-01-01") + pd.to_timedelta(SHUFFLED // 3, unit="D"), time="day", gap="7d")


class TestGivenFolds(SplitterContract):
    has_halves = False

    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of([f"fold {row % 6}" for row in SHUFFLED], column="part")


class TestGivenFoldsWithTestRows(SplitterContract):
    has_halves = False

    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of(["TEST" if row % 5 == 0 else str(row % 5) for row in SHUFFLED], column="part")


class TestGivenTestRows(SplitterContract):
    has_halves = False

    @pytest.fixture
    def splitter(self) -> Splitter:
        return splitter_of(["test" if row % 5 == 0 else "train" for row in SHUFFLED], column="part")


class TestGivenHoldOut(SplitterContract):
    has_halves = False
    validates_every_row = False

    @pytest.fixture
    def splitter(self) -> Splitter:
        words = {0: "Test", 1: "val"}
        return splitter_of([words.get(row % 5, " Train ") for row in SHUFFLED], column="part")


# --- equality with scikit-learn ---


def test_folds_in_time_are_those_of_time_series_split() -> None:
    for gap in (0, 4):
        splitter = splitter_of(SHUFFLED, time="hour", gap=gap)
        ordered = np.argsort(SHUFFLED)
        found = splitter.folds(K_FOLD, np.arange(ROWS), 1)
        expected = model_selection.TimeSeriesSplit(3, gap=gap).split(ordered)
        for (train, held_out), (first, second) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(train, ordered[first])
            np.testing.assert_array_equal(held_out, ordered[second])


def test_stratified_parts_are_those_of_scikit_learn() -> None:
    kinds = np.where(SHUFFLED < 25, "rare", np.where(SHUFFLED < 100, "some", "frequent"))
    splitter, rows = splitter_of(kinds, stratify="kind"), np.arange(ROWS)
    codes = pd.factorize(kinds)[0]
    train, test = model_selection.train_test_split(rows, test_size=FRACTION, random_state=3, stratify=codes)
    for found, expected in zip(splitter.test_rows(rows, FRACTION, 3), (train, test), strict=True):
        np.testing.assert_array_equal(found, expected)
    k_fold = model_selection.StratifiedKFold(3, shuffle=True, random_state=3)
    divided = k_fold.split(train, codes[train])
    for (_, held_out), (_, positions) in zip(splitter.folds(K_FOLD, train, 3), divided, strict=True):
        np.testing.assert_array_equal(held_out, train[positions])


# --- time ---


TIMES: dict[str, list[Any]] = {
    "numbers": [*range(40)],
    "years as texts": [str(1980 + year) for year in range(40)],
    "ISO dates": [str(day.date()) for day in pd.date_range("2023-12-20", periods=40)],
    "ISO times": [hour.isoformat() for hour in pd.date_range("2023-12-31T03:00", periods=40, freq="h")],
    "dates and times": [
        (f"2024-01-{day:02}" if day % 2 else f"2024-01-{day:02} 12:30") for day in range(1, 31)
    ] + [f"2024-02-{day:02}" for day in range(1, 11)],
    "dates beyond the range of nanoseconds": [f"{year}-12-31" for year in range(9960, 10000)],
    "datetimes": list(pd.date_range("2023-12-20", periods=40).to_pydatetime()),
    "dates of Python": [day.date() for day in pd.date_range("2023-12-20", periods=40)],
    "datetime64": list(pd.date_range("2023-12-20", periods=40)),
    "time zones": [
        stamp.isoformat() for stamp in pd.date_range("2024-03-30T20:00", periods=40, freq="h", tz="Europe/Berlin")
    ],
}  # fmt: skip


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_rows_are_sorted_by_whatever_tells_the_time(times: list[Any]) -> None:
    order = np.random.default_rng(1).permutation(40)
    splitter = splitter_of([times[position] for position in order], time="when")
    train, test = splitter.test_rows(np.arange(40), 0.25, 1)
    np.testing.assert_array_equal(order[train], np.arange(30))
    np.testing.assert_array_equal(order[test], np.arange(30, 40))


def test_equal_times_stay_on_one_side() -> None:
    days = SHUFFLED // 7
    splitter = splitter_of(days, time="day", gap=3)
    train, test = splitter.test_rows(np.arange(ROWS), FRACTION, 1)
    folds = splitter.folds(K_FOLD, train, 1)
    for first, second in [(train, test), *folds, *splitter.confirmation_folds(3, train, 1, folds)]:
        assert days[first].max() < days[second].min()


def test_a_gap_of_days_keeps_that_much_time_between_parts() -> None:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(SHUFFLED // 2, unit="D")
    splitter = splitter_of(days, time="day", gap="5d")
    train, test = splitter.test_rows(np.arange(ROWS), FRACTION, 1)
    assert days[test].min() - days[train].max() == pd.Timedelta(days=5)


@pytest.mark.parametrize(
    ("cells", "split", "words"),
    [
        (["2024-01-01", "May 3rd"], {"time": "day"}, ["row 3", "May 3rd", "2024-05-31"]),
        ([1, 2, None], {"time": "day"}, ["row 4", "split.time"]),
        ([1, 2, 3], {"time": "day", "gap": "7d"}, ["split.gap", "numbers"]),
        ([1, "2024-01-01"], {"time": "day"}, ["row 2", "expected a number"]),
        ([1.0, np.inf], {"time": "day"}, ["row 3", "inf"]),
        ([[1], [2]], {"group": "batch"}, ["row 2", "lists"]),
        (["train", "fold 1"], {"column": "part"}, ["train beside", "fold 1"]),
        (["train", "validation"], {"column": "part"}, ["no row with test"]),
        ([*range(101)], {"column": "part"}, ["101", "100 folds at most"]),
        (["a", "b"] * 9, {"stratify": "kind", "bins": 4}, ["split.bins", "t.csv"]),
        (["a", "b", "c"] * 9, {"stratify": "kind", "bins": 2}, ["split.bins", "3 values"]),
    ],
)
def test_a_mistake_in_a_column_is_named(cells: list[Any], split: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        splitter_of(cells, **split)
    assert all(word in str(caught.value) for word in words)


def test_bins_leave_a_column_of_few_numbers_as_it_is() -> None:
    splitter = splitter_of([1, 2, None] * 9, stratify="kind", bins=4)
    assert isinstance(splitter, Stratify) and len(splitter.names) == 3


def test_a_description_shows_some_of_many_folds() -> None:
    description = splitter_of([*range(50)] * 2, column="part").description
    assert description.endswith("and 38 more")


def test_rare_classes_are_refused_by_name() -> None:
    splitter = splitter_of(["a"] * 30 + ["b"] * 30 + ["odd"], stratify="kind")
    with pytest.raises(DataError) as caught:
        splitter.test_rows(np.arange(61), 0.2, 1)
    assert "'odd'" in caught.value.message and "'kind'" in caught.value.message
    few = splitter_of(["a"] * 30 + ["odd"] * 3, stratify="kind")
    train, _ = few.test_rows(np.arange(33), 0.2, 1)
    with pytest.raises(DataError) as caught:
        few.folds(K_FOLD.model_copy(update={"folds": 5}), train, 1)
    assert "5 folds" in caught.value.message


def test_a_stratified_target_has_equal_quantiles_in_all_parts() -> None:
    values = np.random.default_rng(2).lognormal(sigma=2.0, size=ROWS)
    splitter = splitter_of(values, stratify="f", bins=10)
    train, test = splitter.test_rows(np.arange(ROWS), FRACTION, 1)
    edges = np.quantile(values, np.linspace(0, 1, 11)[1:-1])
    for rows in (train, test, *(held_out for _, held_out in splitter.folds(K_FOLD, train, 1))):
        counts = np.bincount(np.searchsorted(edges, values[rows]), minlength=10)
        assert np.ptp(counts) <= 2


# --- given ---


def test_a_given_column_says_how_trials_are_scored() -> None:
    def validation(cells: list[str]) -> Any:
        splitter = splitter_of(cells, column="part")
        assert isinstance(splitter, Given)
        return splitter.validation(0.2)

    assert validation(["train", "test"] * 9) is None
    assert validation(["train", "train", "train", "Validation", "test"]) == HOLD_OUT
    assert validation([*"1234", "test"]).folds == 4
    assert validation([*"12345"]).folds == 4  # one of five is the test rows


def test_given_parts_are_taken_as_they_are() -> None:
    cells = ["train", "test", "valid", "TRAIN", "Validation", "Test"]
    splitter = splitter_of(cells, column="part")
    train, test = splitter.test_rows(np.arange(6), 0.2, 1)
    ((learning, held_out),) = splitter.folds(HOLD_OUT, train, 1)
    assert (test.tolist(), learning.tolist(), held_out.tolist()) == ([1, 5], [0, 3], [2, 4])


def test_given_folds_are_in_their_order_each_once_held_out() -> None:
    cells = [10, 2, 1.0, 2, "test", 10, 1, "test"]
    splitter = splitter_of(cells, column="part")
    train, _ = splitter.test_rows(np.arange(8), 0.2, 1)
    assert [held_out.tolist() for _, held_out in splitter.folds(K_FOLD, train, 1)] == [[2, 6], [1, 3], [0, 5]]


def test_confirmation_in_time_has_windows_of_its_own_for_whatever_numbers_of_folds() -> None:
    splitter = splitter_of(SHUFFLED, time="hour")
    assert isinstance(splitter, Time)
    rows = np.arange(ROWS)
    for searched in range(2, 8):
        folds = splitter.folds(K_FOLD.model_copy(update={"folds": searched}), rows, 1)
        for number in range(2, 8):
            confirmation = splitter.confirmation_folds(number, rows, 1, folds)
            known = {held_out.tobytes() for _, held_out in folds}
            assert len(confirmation) == number
            assert not any(held_out.tobytes() in known for _, held_out in confirmation)
