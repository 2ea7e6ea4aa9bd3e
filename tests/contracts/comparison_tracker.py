"""What every comparison tracker must do."""

from __future__ import annotations

import math
from typing import Any, Protocol

import pytest

from branchsweep.tracking.comparison_protocols import ComparisonRecord, ComparisonTracker
from contracts.comparison_results import example_comparison
from contracts.tracking_records import comparison_record


class OpenComparison(Protocol):
    """Opens a comparison's tracker over one store, as often as it is called: each call stands for a process of its own."""

    def __call__(self, record: ComparisonRecord, fresh: bool = False) -> ComparisonTracker: ...


class ComparisonTrackerContract:
    """What every comparison's tracker must do."""

    def test_a_new_comparison_is_empty(self, opened: OpenComparison) -> None:
        tracker = opened(comparison_record())
        assert (tracker.recorded_parts(), tracker.conclusion) == ({}, None)
        assert tracker.run_id

    def test_recorded_parts_are_read_back_exactly(self, opened: OpenComparison) -> None:
        parts: dict[str, Any] = {
            "plan": {"halves": [[0, 2], [1, 3]], "Ω": "ä\n½", "nothing": None},
            "tuned/branched": {"r2": [0.1 + 0.2, -1e300, 5e-324], "flag": True, "count": 2**60},
            "tuned/branched.V": [],
            "tuned": "a word",
        }
        first = opened(comparison_record())
        for part, data in parts.items():
            first.record_part(part, data)
        again = opened(comparison_record())
        assert first.recorded_parts() == again.recorded_parts() == parts
        assert again.run_id == first.run_id
        assert again.conclusion is None

    def test_another_comparison_has_parts_of_its_own(self, opened: OpenComparison) -> None:
        first = opened(comparison_record("first"))
        first.record_part("tuned/branched", 1)
        other, fresh = opened(comparison_record("other")), opened(comparison_record("first"), fresh=True)
        assert (other.recorded_parts(), fresh.recorded_parts()) == ({}, {})
        assert len({tracker.run_id for tracker in (first, other, fresh)}) == 3
        fresh.record_part("tuned/branched", 2)
        assert first.recorded_parts() == {"tuned/branched": 1}
        assert opened(comparison_record("first")).recorded_parts() == {"tuned/branched": 2}, "the newest goes on"

    def test_a_later_part_replaces_an_earlier_one_and_is_a_copy(self, opened: OpenComparison) -> None:
        tracker, data = opened(comparison_record()), {"r2": [0.5]}
        tracker.record_part("part", [1] * 1000)
        tracker.record_part("part", data)
        data["r2"].append(0.6)
        assert tracker.recorded_parts() == {"part": {"r2": [0.5]}}

    def test_data_that_json_cannot_express_is_refused(self, opened: OpenComparison) -> None:
        tracker = opened(comparison_record())
        with pytest.raises(ValueError, match="JSON"):
            tracker.record_part("part", {"r2": [math.nan]})
        assert tracker.recorded_parts() == {}

    def test_a_result_is_read_back_completely(self, opened: OpenComparison) -> None:
        first = opened(comparison_record())
        first.record_part("tuned/branched", 1)
        first.finish(example_comparison(), {"comparison.md": "# Done", "figures/gain.png": b"\x89PNG\x00"})
        for tracker in (first, opened(comparison_record())):
            assert tracker.conclusion is not None
            assert repr(tracker.conclusion) == repr(example_comparison())
            assert tracker.recorded_parts() == {"tuned/branched": 1}
        assert opened(comparison_record(), fresh=True).conclusion is None

    def test_a_comparison_may_finish_again(self, opened: OpenComparison) -> None:
        opened(comparison_record()).finish(example_comparison(conclusions=("long " * 4000,)), {})
        opened(comparison_record()).finish(example_comparison(conclusions=("short",)), {})
        conclusion = opened(comparison_record()).conclusion
        assert conclusion is not None
        assert conclusion.conclusions == ("short",)

    @pytest.mark.parametrize("is_same_process", [True, False])
    def test_recording_another_part_removes_the_conclusion(self, opened: OpenComparison, is_same_process: bool) -> None:
        tracker = opened(comparison_record())
        tracker.finish(example_comparison(), {})
        again = tracker if is_same_process else opened(comparison_record())
        again.record_part("more", 1)
        assert again.conclusion is None
        assert opened(comparison_record()).conclusion is None
