"""Callbacks see every result of a search, and may end it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from branchsweep.search.stopping import StoppedBy
from branchsweep.trial import Result
from branchsweep.workflows.callbacks import Callback, RunningSearch
from branchsweep.workflows.context import TrainingContext
from tiny_sweep import TinySweep, tiny_experiment


class ObservedSweep(TinySweep):
    """A sweep with callbacks."""

    callbacks: tuple[Callback, ...] = ()

    @property
    def training(self) -> TrainingContext:
        """What it takes to train its lanes."""
        return TrainingContext(self.trainer, self.rows, self.progress, self.callbacks)


class StopAfter(Callback):
    """Ends the search after so many trials, and keeps what it saw."""

    def __init__(self, trials: int) -> None:
        self._trials = trials
        self.rounds: list[list[int]] = []
        self.seen: list[tuple[int, int]] = []
        self.best: Result | None = None

    def on_trial(self, search: RunningSearch, result: Result) -> None:
        assert search.trials[-1] == result
        self.seen.append((len(search.trials), result.number))
        self.best = search.best_trial
        if len(search.trials) == self._trials:
            search.stop("enough is known")

    def on_round(self, search: RunningSearch, results: Sequence[Result]) -> None:
        self.rounds.append([result.number for result in results])


def observed(callback: Callback) -> ObservedSweep:
    sweep = ObservedSweep(tiny_experiment())
    sweep.callbacks = (callback,)
    return sweep


def test_a_callback_sees_every_trial_and_every_round_once() -> None:
    callback = StopAfter(100)
    sweep = observed(callback)
    results = sweep.search()
    assert [count for count, _ in callback.seen] == list(range(1, 21))
    assert sorted(number for _, number in callback.seen) == list(range(20))
    assert callback.rounds == [list(range(8)), list(range(8, 16)), list(range(16, 20))]
    assert callback.best == max(results, key=lambda result: result.value if result.score.is_complete else -1.0)
    assert results == TinySweep(tiny_experiment()).search(), "callbacks change nothing"


def test_a_callback_ends_the_search_with_its_reason_and_the_sweep_is_finished() -> None:
    callback = StopAfter(8)
    sweep = observed(callback)
    summary = sweep.run()
    assert (summary.stopped_by, summary.stopped_because) == (StoppedBy.CALLBACK, "enough is known")
    assert sum(summary.trials.values()) == 8 and summary.finalist is not None


def test_a_search_that_is_stopped_before_a_trial_is_complete_trains_its_round_to_the_end() -> None:
    sweep = observed(StopAfter(1))
    summary = sweep.run()
    assert summary.stopped_by == StoppedBy.CALLBACK and sum(summary.trials.values()) == 8
    assert summary.finalist is not None


def test_an_exception_in_a_callback_interrupts_a_sweep_that_is_resumed() -> None:
    class Fails(Callback):
        def on_round(self, search: RunningSearch, results: Sequence[Result]) -> None:
            raise ZeroDivisionError

    sweep = observed(Fails())
    with pytest.raises(ZeroDivisionError):
        sweep.search()
    again = sweep.again()
    assert again.search() == TinySweep(tiny_experiment()).search()
    assert len(again.trainer.trained) == 36, "the first round is not trained again"


def test_a_resumed_search_shows_callbacks_what_was_recorded() -> None:
    sweep = observed(StopAfter(8))
    sweep.search()
    callback = StopAfter(100)
    resumed = ObservedSweep(sweep.experiment, sweep.tracker)
    resumed.callbacks = (callback,)
    resumed.search()
    assert callback.seen[0][0] == 9 and len(callback.seen) == 12
