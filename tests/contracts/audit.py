"""How every store must count the evaluations on test rows."""

from __future__ import annotations

from uuid import uuid4

from contracts.results import example_result
from contracts.tracking_records import OpenTracker, sweep_record


class AuditContract:
    """A subclass has a fixture `opened`, which gives an `OpenTracker` over an empty store."""

    def test_who_met_the_test_rows_is_counted_over_all_sweeps(self, opened: OpenTracker) -> None:
        split, another = uuid4().hex, uuid4().hex
        tags = {"test_digest": split}
        ledger = opened(sweep_record("one", tags=tags))
        assert ledger.meetings(split) == 0
        ledger.meet("trial 3")
        ledger.meet("linear regression")
        ledger.meet("trial 3")
        assert ledger.meetings(split) == 2
        resumed = opened(sweep_record("one", tags=tags))
        resumed.record([example_result(0)])
        resumed.meet("trial 3")
        resumed.meet("trial 7")
        resumed.conclude({}, {"summary": "done"}, {})
        other = opened(sweep_record("other", tags=tags))
        other.meet("trial 3")
        elsewhere = opened(sweep_record("elsewhere", tags={"test_digest": another}))
        elsewhere.meet("trial 3")
        assert [elsewhere.meetings(split), elsewhere.meetings(another), elsewhere.meetings("none")] == [4, 1, 0]
        fresh = opened(sweep_record("one", tags=tags), fresh=True)
        fresh.meet("trial 3")
        assert fresh.meetings(split) == 5
