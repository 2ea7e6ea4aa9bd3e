"""What every kind of row split must do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from branchsweep.config.sections.validation import HoldOut, KFold
from branchsweep.data.splitters.splitter import Splitter
from branchsweep.errors import DataError
from branchsweep.types import Fold, Positions

ROWS = 240
FRACTION = 0.25
K_FOLD = KFold(method="k_fold", folds=3)
HOLD_OUT = HoldOut(method="hold_out", fraction=0.25)


class SplitterContract:
    """A subclass has a fixture `splitter` of `ROWS` rows, and says which rows may be left out."""

    leaves_rows_out = False
    """Whether rows may be in neither part, such as those of a gap."""

    validates_every_row = True
    """Whether each training row is a validation row of one fold of a k-fold."""

    has_halves = True
    """Whether all rows may be cut into halves, for a comparison."""

    @pytest.fixture
    def splitter(self) -> Splitter:
        raise NotImplementedError

    def divided(self, splitter: Splitter, seed: int = 1) -> tuple[Fold, Sequence[Fold], Sequence[Fold]]:
        train, test = splitter.test_rows(np.arange(ROWS), FRACTION, seed)
        folds = splitter.folds(K_FOLD, train, seed)
        return (train, test), folds, splitter.confirmation_folds(5, train, seed + 1, folds)

    def test_no_row_is_on_two_sides(self, splitter: Splitter) -> None:
        test, folds, confirmation = self.divided(splitter)
        for first, second in (test, *folds, *confirmation, *splitter.folds(HOLD_OUT, test[0], 1)):
            assert len(first) >= 2 and len(second) >= 2
            assert not set(first) & set(second)
            assert len(set(first)) == len(first) and len(set(second)) == len(second)

    def test_test_rows_are_in_no_fold(self, splitter: Splitter) -> None:
        (train, _), folds, confirmation = self.divided(splitter)
        for first, second in (*folds, *confirmation):
            assert {*first, *second} <= set(train)

    def test_all_rows_are_used_but_those_of_gaps(self, splitter: Splitter) -> None:
        (train, test), folds, _ = self.divided(splitter)
        if not self.leaves_rows_out:
            assert sorted([*train, *test]) == list(range(ROWS))
        validated = np.concatenate([held_out for _, held_out in folds])
        assert len(set(validated)) == len(validated)
        if self.validates_every_row:
            assert sorted(validated) == sorted(train)
            assert all(sorted([*first, *second]) == sorted(train) for first, second in folds)

    def test_confirmation_folds_are_others_than_the_searchs(self, splitter: Splitter) -> None:
        _, folds, confirmation = self.divided(splitter)
        assert len(confirmation) >= 2
        searched = {frozenset(held_out) for _, held_out in folds}
        assert not any(frozenset(held_out) in searched for _, held_out in confirmation)

    def test_the_same_seed_divides_rows_in_the_same_way(self, splitter: Splitter) -> None:
        first, again, *others = (_spelt(self.divided(splitter, seed)) for seed in (3, *range(3, 12)))
        assert first == again
        assert any(first != other for other in others) == splitter.is_random

    def test_some_of_the_rows_are_divided_like_all(self, splitter: Splitter) -> None:
        some = np.random.default_rng(0).permutation(ROWS)[:150]
        train, test = splitter.test_rows(some, FRACTION, 1)
        assert {*train, *test} <= set(some)

    def test_halves_have_all_rows_or_are_refused_with_the_key_that_forbids_them(self, splitter: Splitter) -> None:
        if not self.has_halves:
            with pytest.raises(DataError) as refused:
                splitter.halves(ROWS, 1)
            assert refused.value.where in {"split.time", "split.column"} and "comparison" in refused.value.message
            return
        halves = splitter.halves(ROWS, 1)
        assert [sorted([*first, *second]) for first, second in halves] == [list(range(ROWS))] * 5
        assert len({tuple(sorted(first)) for first, _ in halves}) == 5
        assert all(abs(len(first) - len(second)) <= 0.1 * ROWS for first, second in halves)

    def test_it_says_how_rows_are_divided(self, splitter: Splitter) -> None:
        assert splitter.description


def _spelt(divided: tuple[Fold, Sequence[Fold], Sequence[Fold]]) -> list[list[int]]:
    test, folds, confirmation = divided
    parts: list[Positions] = [rows for fold in (test, *folds, *confirmation) for rows in fold]
    return [rows.tolist() for rows in parts]
