"""A registry and a test audit beside an `AsyncTracker`: they are used once all that was recorded is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from branchsweep.tracking.async_tracker import AsyncTracker
from branchsweep.tracking.protocols import Champion, ModelCandidate, PromotionDecision, Registry, TestAudit


class AsyncRegistry:
    """A `Registry` over another one, for the time in which a thread writes into the same store.

    Args:
        registry: Does the work.
        tracker: Of the same store. Whatever is asked of the registry waits until the tracker has written everything, and no
            renewal of the run lock, which changes environment variables, runs meanwhile.
    """

    def __init__(self, registry: Registry, tracker: AsyncTracker) -> None:
        self._registry, self._tracker = registry, tracker

    def champion(self, model: str) -> Champion | None:
        """The champion of this registered model, or None; waits for a server that is away."""
        return self._tracker.call(lambda: self._registry.champion(model))

    def register(self, candidate: ModelCandidate, decision: PromotionDecision) -> Champion:
        """Register the candidate as a new version, and make it the champion if the decision says so.

        Raises:
            TrackingServerUnavailableError: The server went away meanwhile. This is not tried again: half a registration may
                be in the store.
        """
        with self._tracker.exclusive():
            return self._registry.register(candidate, decision)

    @contextmanager
    def model_files(self, model: str, version: int) -> Iterator[Path]:
        """A local folder with the files of a version; waits for a server that is away."""
        with ExitStack() as stack:
            yield self._tracker.call(lambda: stack.enter_context(self._registry.model_files(model, version)))


class AsyncTestAudit:
    """A `TestAudit` over another one, for the time in which a thread writes into the same store.

    Args:
        test_audit: Does the work.
        tracker: As that of an `AsyncRegistry`.
    """

    def __init__(self, test_audit: TestAudit, tracker: AsyncTracker) -> None:
        self._test_audit, self._tracker = test_audit, tracker

    def record_evaluation(self, name: str) -> None:
        """Record that this sweep has evaluated a model on its test rows; waits for a server that is away."""
        self._tracker.call(lambda: self._test_audit.record_evaluation(name))

    def evaluations(self, test_digest: str) -> int:
        """How many models were evaluated on these test rows; waits for a server that is away."""
        return self._tracker.call(lambda: self._test_audit.evaluations(test_digest))
