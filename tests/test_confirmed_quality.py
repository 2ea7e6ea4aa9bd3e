"""The benchmark of confirmed quality: what a search would have chosen over time, and how two searches are compared."""

from __future__ import annotations

import importlib
import math
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from arff_tables import write_arff_table

FOLDER = Path(__file__).parents[1]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`benchmarks.confirmed_quality`."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    return importlib.import_module("benchmarks.confirmed_quality")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A folder with one table, called jura, of two inputs and two targets."""
    write_arff_table(tmp_path, "jura", 80)
    return tmp_path


def curve(benchmark: ModuleType, *choices: tuple[float, float]) -> Any:
    """A curve with choices from these seconds on, worth so much."""
    return benchmark.Curve(tuple(benchmark.Choice(seconds, 0.0, {}, score) for seconds, score in choices), len(choices))


def test_each_trial_that_is_better_than_all_before_would_be_chosen(benchmark: ModuleType) -> None:
    values = [math.nan, 0.3, 0.2, 0.3, 0.7, math.nan, 0.6]
    trials = [benchmark.EndedTrial(10.0 * n, value, {"trunk.depth": n}) for n, value in enumerate(values)]
    chosen = benchmark.choices_of(trials)
    assert [(choice.seconds, choice.value, choice.params) for choice in chosen] == [
        (10.0, 0.3, {"trunk.depth": 1}),
        (40.0, 0.7, {"trunk.depth": 4}),
    ]


def test_before_a_sweep_can_confirm_it_would_choose_its_best_trial(benchmark: ModuleType) -> None:
    choices = [benchmark.Choice(seconds, 0.0, {"trunk.depth": n}) for n, seconds in enumerate((5.0, 20.0, 50.0))]
    finalists = [benchmark.Finalist(seconds, 0.0, {"trunk.depth": n}) for n, seconds in ((1, 60.0), (3, 30.0), (3, 40.0))]
    made = benchmark.with_finalists(choices, finalists)
    assert [(choice.seconds, choice.params["trunk.depth"]) for choice in made] == [(5, 0), (20, 1), (30, 3), (60, 1)]
    assert benchmark.with_finalists(choices, []) == choices


def test_the_best_trials_until_a_moment_are_confirmed() -> None:
    from benchmarks._searches import EndedTrial, best_trials

    trials = [EndedTrial(10.0 * n, value, {}) for n, value in enumerate([0.3, math.nan, 0.9, 0.5, 0.95])]
    assert best_trials(trials, 35, 2) == (2, 3)
    assert best_trials(trials, 15, 2) == (0,)
    assert best_trials(trials, -1, 2) == ()


def test_a_choice_counts_from_when_it_is_made_by_its_confirmed_score(benchmark: ModuleType) -> None:
    own = curve(benchmark, (5, 0.4), (20, 0.8), (60, 0.7))  # the last one flattered itself
    assert math.isnan(own.at(4.9))
    assert [own.at(seconds) for seconds in (5, 19, 20, 100)] == [0.4, 0.4, 0.8, 0.7]
    assert [own.reaches(score) for score in (0.1, 0.75, 0.9)] == [5, 20, None]


def test_a_search_is_behind_while_the_other_has_a_better_choice_or_the_only_one(benchmark: ModuleType) -> None:
    own, other = curve(benchmark, (10, 0.5), (30, 0.9)), curve(benchmark, (4, 0.3), (20, 0.6))
    assert own.seconds_behind(other, 100) == (10 - 4) + (30 - 20)
    assert other.seconds_behind(own, 100) == (20 - 10) + (100 - 30)
    assert own.seconds_behind(own, 100) == 0


def test_ours_is_compared_with_what_the_choice_of_the_peer_is_worth_at_the_limit(benchmark: ModuleType) -> None:
    own, peer = curve(benchmark, (10, 0.5), (30, 0.9)), curve(benchmark, (4, 0.3), (90, 0.8))
    compared = benchmark.Compared.of(own, peer, 100)
    assert (compared.peer_score, compared.peer_seconds, compared.ours_seconds, compared.times_sooner) == (0.8, 90, 30, 3.0)
    assert compared.gain == pytest.approx(0.1)
    never = benchmark.Compared.of(peer, own, 100)
    assert (never.ours_seconds, never.times_sooner) == (None, None)


def test_figures_are_medians_over_the_seeds_and_gains_are_given_for_each(benchmark: ModuleType) -> None:
    by_seed = [
        {"branchsweep": curve(benchmark, (first, 0.9)), "optuna": curve(benchmark, (60, 0.8))} for first in (10.0, 20.0, 40.0)
    ]
    against = benchmark.comparisons(by_seed, 100)["optuna"]
    assert against["times_sooner"] == 3.0
    assert against["gains"] == [pytest.approx(0.1)] * 3


def test_a_table_is_searched_without_the_rows_and_folds_of_the_confirmed_score(benchmark: ModuleType, tables: Path) -> None:
    options = Namespace(tables=tables, data=None, folds=1, quick=False, set=[])
    first, second = (benchmark.setting_of("jura", seed, options) for seed in (1, 2))
    assert (len(first.split.folds), len(first.split.confirmation)) == (1, 5)
    assert len(first.rows.folds) == 1
    assert first.split.digest != second.split.digest
    assert (first.experiment.seed, second.experiment.seed) == (1, 2)
    assert list(first.experiment.columns.values()) == ["y", "z"]


def test_ours_has_the_folds_and_the_first_trial_that_init_writes(benchmark: ModuleType, tables: Path) -> None:
    options = Namespace(tables=tables, data=None, folds=1, quick=False, set=[], equal=False, limit=5.0)
    peers = benchmark.setting_of("jura", 1, options)
    own = benchmark.own_setting_of("jura", 1, options, peers)
    search = own.experiment.search
    assert (len(own.split.folds), search.first_batch, list(search.initial_trials), search.seconds) == (
        5,
        1,
        ["default_trial"],
        5,
    )
    assert own.experiment.space == peers.experiment.space
    options.equal = True
    equal = benchmark.own_setting_of("jura", 1, options, peers)
    assert (equal.split.digest, equal.experiment.search.initial_trials) == (peers.split.digest, {})


def test_a_confirmed_score_is_on_other_folds_than_those_by_which_ours_chooses(benchmark: ModuleType, tables: Path) -> None:
    options = Namespace(tables=tables, data=None, folds=1, quick=False, set=[], equal=False, limit=5.0)
    peers = benchmark.setting_of("jura", 1, options)
    own, fresh = benchmark.own_setting_of("jura", 1, options, peers), benchmark.fresh_setting_of("jura", 1, options, peers)
    assert own.experiment.confirmation.trials == 8
    assert fresh.split.train.tolist() == own.split.train.tolist()
    parts = [validation.tolist() for _, validation in (*own.split.folds, *own.split.confirmation)]
    assert not any(validation.tolist() in parts for _, validation in fresh.split.confirmation)


def test_the_curves_are_drawn(benchmark: ModuleType, tmp_path: Path) -> None:
    by_seed = [{"branchsweep": curve(benchmark, (10, 0.5), (30, 0.9)), "optuna": curve(benchmark, (4, 0.3))}] * 2
    benchmark.draw({"jura": by_seed, "enb": by_seed, "water-quality": by_seed}, 100, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
