"""What every tracker must do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from branchsweep.errors import TrackingError
from branchsweep.tracking.protocols import Tracker
from branchsweep.trial import Result, Status, Trial
from contracts.results import exact_texts, example_result
from contracts.tracking_records import OpenTracking, sweep_record


def record_and_read(tracker: Tracker, result: Result) -> None:
    """Record a result and read all; a tracker that writes in a thread raises an error of writing at the next call."""
    tracker.record([result])
    tracker.recorded_results()


class TrackerContract:
    """A subclass has a fixture `opened`, which gives an `OpenTracking` over an empty store."""

    def test_a_new_sweep_is_empty(self, opened: OpenTracking) -> None:
        tracker = opened(sweep_record()).tracker
        assert not tracker.is_resumed
        assert tracker.recorded_results() == []
        assert tracker.conclusion is None

    def test_recorded_results_are_read_back_exactly(self, opened: OpenTracking) -> None:
        tracker = opened(sweep_record()).tracker
        results = [example_result(0), example_result(1, Status.FAILED), example_result(2, Status.PRUNED), example_result(3)]
        tracker.record(results)
        assert exact_texts(tracker.recorded_results()) == exact_texts(results)
        for before, after in zip(results, tracker.recorded_results(), strict=True):
            assert [type(value) for value in after.trial.params.values()] == [
                type(value) for value in before.trial.params.values()
            ]

    def test_recorded_results_are_sorted_by_trial_number(self, opened: OpenTracking) -> None:
        tracker = opened(sweep_record()).tracker
        tracker.record([example_result(5), example_result(1)])
        tracker.record([example_result(3)])
        assert [result.trial.number for result in tracker.recorded_results()] == [1, 3, 5]

    def test_recording_no_results_does_nothing(self, opened: OpenTracking) -> None:
        tracker = opened(sweep_record()).tracker
        tracker.record([])
        assert tracker.recorded_results() == []

    def test_a_sweep_of_the_same_key_is_resumed(self, opened: OpenTracking) -> None:
        first = opened(sweep_record()).tracker
        first.record([example_result(0), example_result(1)])
        second = opened(sweep_record()).tracker
        assert second.is_resumed
        assert second.run_id == first.run_id
        assert exact_texts(second.recorded_results()) == exact_texts([example_result(0), example_result(1)])
        second.record([example_result(2)])
        assert [result.trial.number for result in opened(sweep_record()).tracker.recorded_results()] == [0, 1, 2]

    def test_sweeps_of_different_keys_are_recorded_apart(self, opened: OpenTracking) -> None:
        first, second = opened(sweep_record("first")).tracker, opened(sweep_record("other")).tracker
        assert first.run_id != second.run_id
        first.record([example_result(0)])
        second.record([example_result(7)])
        assert [result.trial.number for result in first.recorded_results()] == [0]
        assert [result.trial.number for result in opened(sweep_record("other")).tracker.recorded_results()] == [7]

    def test_a_fresh_sweep_is_empty_and_is_the_one_resumed_later(self, opened: OpenTracking) -> None:
        old = opened(sweep_record()).tracker
        old.record([example_result(0)])
        fresh = opened(sweep_record(), fresh=True).tracker
        assert not fresh.is_resumed
        assert fresh.run_id != old.run_id
        assert fresh.recorded_results() == []
        assert opened(sweep_record()).tracker.run_id == fresh.run_id
        assert len(old.recorded_results()) == 1

    @pytest.mark.parametrize("is_resumed", [False, True])
    def test_no_trial_is_recorded_twice(self, opened: OpenTracking, is_resumed: bool) -> None:
        tracker = opened(sweep_record()).tracker
        tracker.record([example_result(0), example_result(1), example_result(1)])
        again = opened(sweep_record()).tracker if is_resumed else tracker
        slower = replace(example_result(1), score=replace(example_result(1).score, seconds=9.0))
        again.record([slower, example_result(2)])
        assert exact_texts(again.recorded_results()) == exact_texts([example_result(0), example_result(1), example_result(2)])

    @pytest.mark.parametrize("is_resumed", [False, True])
    def test_other_params_of_a_recorded_trial_are_an_error(self, opened: OpenTracking, is_resumed: bool) -> None:
        tracker = opened(sweep_record()).tracker
        tracker.record([example_result(0), example_result(1)])
        again = opened(sweep_record()).tracker if is_resumed else tracker
        with pytest.raises(TrackingError, match=r"\btrial 1\b"):
            record_and_read(again, Result(Trial(1, {"trunk.depth": 9}), example_result(1).score))
        assert exact_texts(again.recorded_results()) == exact_texts([example_result(0), example_result(1)])

    def test_there_are_no_links_to_missing_trials(self, opened: OpenTracking) -> None:
        tracker = opened(sweep_record()).tracker
        tracker.record([example_result(0), example_result(2)])
        assert set(tracker.links([0, 1]).trials) <= {0}
        assert opened(sweep_record()).tracker.links([0, 1, 2]).trials == tracker.links([0, 1, 2]).trials, (
            "in another process too"
        )

    def test_a_conclusion_is_read_back(self, opened: OpenTracking) -> None:
        tracker = opened(sweep_record()).tracker
        tracker.record(
            [example_result(0), example_result(1, Status.FAILED), example_result(2, Status.PRUNED), example_result(3)]
        )
        tracker.finish({"test_r2/PE": 0.1 + 0.2}, "ü" * 20_000, {"summary.json": "{}"})
        for reader in (tracker, opened(sweep_record()).tracker):
            assert reader.conclusion is not None
            assert reader.conclusion.summary == "ü" * 20_000
            expected = {"test_r2/PE": 0.1 + 0.2, "trials/complete": 2.0, "trials/failed": 1.0, "trials/pruned": 1.0}
            assert reader.conclusion.metrics.items() >= expected.items()
            assert reader.conclusion.metrics["best_r2/mean"] == example_result(3).score.value
            assert reader.conclusion.metrics["best_r2/V"] == example_result(0).score.heads["V"].score

    def test_a_sweep_may_finish_again_with_shorter_texts(self, opened: OpenTracking) -> None:
        opened(sweep_record()).tracker.finish({"test_r2/PE": 0.9}, "long " * 4000, {})
        again = opened(sweep_record()).tracker
        again.finish({"test_r2/PE": 0.8}, "short", {})
        conclusion = opened(sweep_record()).tracker.conclusion
        assert conclusion is not None
        assert conclusion.summary == "short"
        assert conclusion.metrics["test_r2/PE"] == 0.8

    @pytest.mark.parametrize("is_same_process", [True, False])
    def test_recording_another_trial_removes_the_conclusion(self, opened: OpenTracking, is_same_process: bool) -> None:
        tracker = opened(sweep_record()).tracker
        tracker.record([example_result(0)])
        tracker.finish({}, "", {})
        again = tracker if is_same_process else opened(sweep_record()).tracker
        again.record([example_result(0)])
        conclusion_without_new_trials = again.conclusion
        again.record([example_result(1)])
        assert conclusion_without_new_trials is not None
        assert again.conclusion is None
        assert opened(sweep_record()).tracker.conclusion is None
