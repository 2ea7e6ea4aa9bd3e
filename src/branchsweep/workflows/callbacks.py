"""Callbacks of a search: functions of the user that see every result, and may end the search."""

from __future__ import annotations

from collections.abc import Sequence

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.running_evaluation import RunningEvaluation
from branchsweep.search.stopping import StoppedBy, StopReason
from branchsweep.trial import Result


class RunningSearch:
    """A search that is under way, as callbacks see it.

    Args:
        experiment: The experiment.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._evaluation = RunningEvaluation(experiment.objective)
        self._results: list[Result] = []
        self._stopped_because = ""
        self.experiment = experiment

    @property
    def trials(self) -> Sequence[Result]:
        """The trials that have ended, in that order; of a resumed search also those that were recorded before."""
        return tuple(self._results)

    @property
    def best_trial(self) -> Result | None:
        """The best of them; None if none is complete and meets the constraints."""
        return self._evaluation.incumbent

    @property
    def stopped_because(self) -> str:
        """Why a callback ended the search; empty while none has."""
        return self._stopped_because

    def stop(self, because: str = "a callback stopped it") -> None:
        """End the search: the best trials are confirmed, and the sweep is finished.

        Nothing more is asked. Trials under way end at their next rung, if one is complete already, else when they are complete.

        Args:
            because: The reason, which is recorded with the sweep.
        """
        self._stopped_because = self._stopped_because or because

    def _add(self, result: Result) -> None:
        self._evaluation.add(result)
        self._results.append(result)


class Callback:
    """The callbacks of a search: a base class whose methods do nothing.

        class StopAt(branchsweep.Callback):
            def on_trial(self, search, result):
                if search.best_trial and search.best_trial.value > 0.95:
                    search.stop("R² is above 0.95")

    An exception in a callback interrupts the sweep; the same call resumes it.
    """

    def on_trial(self, search: RunningSearch, result: Result) -> None:
        """A trial has ended, in whatever order; it is recorded.

        Args:
            search: The search.
            result: The trial with its score; it may be pruned or failed.
        """

    def on_round(self, search: RunningSearch, results: Sequence[Result]) -> None:
        """A round of trials is over, and the search driver has learned of it.

        Args:
            search: The search.
            results: The trials of the round, in order of their numbers.
        """


class SearchEvents:
    """Calls the callbacks of a search.

    Args:
        experiment: The experiment.
        callbacks: Are called in this order.
    """

    def __init__(self, experiment: Experiment, callbacks: Sequence[Callback]) -> None:
        self._search, self._callbacks = RunningSearch(experiment), callbacks

    @property
    def stop_reason(self) -> StopReason | None:
        """Why a callback has ended the search; None while none has."""
        because = self._search.stopped_because
        return StopReason(StoppedBy.CALLBACK, because) if because else None

    def begin(self, recorded: Sequence[Result]) -> None:
        """The search is resumed after these results."""
        for result in recorded if self._callbacks else ():
            self._search._add(result)  # noqa: SLF001  # callbacks do not add results

    def trial_ended(self, result: Result) -> None:
        """A trial has its score."""
        if self._callbacks:
            self._search._add(result)  # noqa: SLF001  # as above
        for callback in self._callbacks:
            callback.on_trial(self._search, result)

    def round_ended(self, results: Sequence[Result]) -> None:
        """A round is over."""
        for callback in self._callbacks:
            callback.on_round(self._search, results)
