"""How every store must count the evaluations on test rows."""

from __future__ import annotations

from uuid import uuid4

from contracts.results import example_result
from contracts.tracking_records import OpenTracking, sweep_record


class AuditContract:
    """A subclass has a fixture `opened`, which gives an `OpenTracking` over an empty store."""

    def test_evaluations_are_counted_over_all_sweeps_of_the_store(self, opened: OpenTracking) -> None:
        test_digest, other_digest = uuid4().hex, uuid4().hex
        tracking = opened(sweep_record("first", test_digest=test_digest))
        assert tracking.test_audit.evaluations(test_digest) == 0
        tracking.test_audit.record_evaluation("trial 3")
        tracking.test_audit.record_evaluation("linear regression")
        tracking.test_audit.record_evaluation("trial 3")
        assert tracking.test_audit.evaluations(test_digest) == 2
        resumed = opened(sweep_record("first", test_digest=test_digest))
        resumed.tracker.record([example_result(0)])
        resumed.test_audit.record_evaluation("trial 3")
        resumed.test_audit.record_evaluation("trial 7")
        resumed.tracker.finish({}, "done", {})
        other = opened(sweep_record("other", test_digest=test_digest))
        other.test_audit.record_evaluation("trial 3")
        of_other_split = opened(sweep_record("elsewhere", test_digest=other_digest))
        of_other_split.test_audit.record_evaluation("trial 3")
        assert [
            of_other_split.test_audit.evaluations(test_digest),
            of_other_split.test_audit.evaluations(other_digest),
            of_other_split.test_audit.evaluations("none"),
        ] == [4, 1, 0]
        fresh = opened(sweep_record("first", test_digest=test_digest), fresh=True)
        fresh.test_audit.record_evaluation("trial 3")
        assert fresh.test_audit.evaluations(test_digest) == 5
