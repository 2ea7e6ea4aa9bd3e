"""Selection bias is what a trial's difference has beyond the shift of all confirmed trials."""

from __future__ import annotations

import math

import pytest

from branchsweep.metrics.selection_bias import selection_bias

BASE = {"PE": 0.9, "V": 0.8, "mean": 0.85}


def shifted(by: float) -> dict[str, float]:
    """The scores with something added to each."""
    return {head: value + by for head, value in BASE.items()}


def test_a_shift_common_to_all_trials_is_no_selection_bias() -> None:
    separated = selection_bias({trial: (shifted(0.02 + trial / 100), shifted(trial / 100)) for trial in range(4)})
    assert separated.shift == pytest.approx(dict.fromkeys(BASE, 0.02))
    assert separated.trials == 4
    for trial in range(4):
        assert separated.by_trial[trial] == pytest.approx(dict.fromkeys(BASE, 0.0), abs=1e-12)


def test_the_bias_of_a_trial_is_its_difference_beyond_the_shift() -> None:
    confirmed = {1: 0.03, 5: 0.01, 7: 0.01}
    separated = selection_bias({trial: (shifted(gap), BASE) for trial, gap in confirmed.items()})
    assert separated.shift["mean"] == pytest.approx(0.01)
    assert separated.of(1, "PE") == pytest.approx(0.02)
    assert separated.of(5, "mean") == pytest.approx(0.0)


def test_a_trial_that_diverged_when_confirmed_moves_no_shift() -> None:
    diverged = dict.fromkeys(BASE, math.nan)
    separated = selection_bias({0: (shifted(0.01), BASE), 1: (shifted(0.01), BASE), 2: (BASE, diverged)})
    assert separated.trials == 2 and separated.shift["mean"] == pytest.approx(0.01)
    assert math.isnan(separated.of(2, "mean"))


def test_one_trial_is_not_enough_to_separate_them() -> None:
    separated = selection_bias({3: (shifted(0.01), BASE)})
    assert separated.shift == {} and math.isnan(separated.of(3, "mean"))
