"""Opens the tracker of another package, found by the scheme of the address."""

from __future__ import annotations

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError, UserError, reason
from branchsweep.tracking.protocols import SweepRecord, Tracking
from branchsweep.tracking.tracking_uri import TRACKERS_OF_PACKAGES

_ATTRIBUTES = {
    "tracker": (
        *("run_id", "is_resumed", "conclusion", "record", "recorded_results"),
        *("log_trial_files", "log_files", "links", "finish"),
    ),
    "registry": ("champion", "register", "model_files"),
    "test_audit": ("record_evaluation", "evaluations"),
}
"""What the parts of a `Tracking` must have."""


def open_package_tracking(record: SweepRecord, uri: Address, fresh: bool) -> Tracking:
    """Open a sweep to record it: resume the one of this key, or start it.

    Args:
        record: What is written down about the sweep.
        uri: The address, whose scheme is the name of the entry point.
        fresh: Start a new sweep in any case.

    Raises:
        TrackingError: The package's function fails, or returns something else than a `Tracking`.
    """
    scheme = str(uri).partition(":")[0]
    declared = TRACKERS_OF_PACKAGES.declared(scheme)
    try:
        tracking = TRACKERS_OF_PACKAGES.load(scheme)(record, uri.with_secrets(), fresh)
    except UserError:
        raise
    except Exception as error:  # another package's function may raise anything
        message = uri.remove_secrets(reason(error))
        raise TrackingError(f"{declared} cannot open {uri} ({type(error).__name__}: {message})") from error
    expected = "expected a Tracking (branchsweep.tracking.protocols)"
    if not isinstance(tracking, Tracking):
        raise TrackingError(f"{declared} returns an object of {type(tracking).__name__}; {expected}")
    for part, attributes in _ATTRIBUTES.items():
        lacking = [attribute for attribute in attributes if not hasattr(type(getattr(tracking, part)), attribute)]
        if lacking:
            raise TrackingError(f"the {part} of {declared} lacks {', '.join(lacking)}; {expected}")
    return tracking
