"""A registry, a test audit and trackers of comparisons and outer cross-validations that wait for an unavailable server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.tracking.comparison_protocols import ComparisonTracker
from branchsweep.tracking.cross_validation_protocols import CrossValidationTracker
from branchsweep.tracking.protocols import SweepConclusion, TestAudit
from branchsweep.tracking.registry_protocols import Champion, ModelCandidate, PromotionDecision, Registry
from branchsweep.tracking.retries import Value


class Caller(Protocol):
    """Does something with a store again and again while its server is unavailable: `AsyncTracker`, or `Retries` alone."""

    def call(self, action: Callable[[], Value]) -> Value:
        """Do something that may be repeated; returns what the action returns."""
        ...


class RetryingRegistry:
    """A `Registry` over another one.

    Args:
        registry: Does the work. Whatever is asked of it may be repeated: it finishes or undoes what was begun.
        caller: Where it is the tracker of the same store, everything recorded is written first.
    """

    def __init__(self, registry: Registry, caller: Caller) -> None:
        self._registry, self._caller = registry, caller

    def champion(self, model: str) -> Champion | None:
        """The champion of this registered model, or None."""
        return self._caller.call(lambda: self._registry.champion(model))

    def register(self, candidate: ModelCandidate, decision: PromotionDecision) -> Champion:
        """Register the candidate as a new version, and make it the champion if the decision says so."""
        return self._caller.call(lambda: self._registry.register(candidate, decision))

    @contextmanager
    def model_files(self, model: str, version: int) -> Iterator[Path]:
        """A local folder with the files of a version."""
        with ExitStack() as stack:
            yield self._caller.call(lambda: stack.enter_context(self._registry.model_files(model, version)))


class RetryingTestAudit:
    """A `TestAudit` over another one.

    Args:
        test_audit: Does the work.
        caller: As that of a `RetryingRegistry`.
    """

    def __init__(self, test_audit: TestAudit, caller: Caller) -> None:
        self._test_audit, self._caller = test_audit, caller

    def record_evaluation(self, name: str) -> None:
        """Record that this sweep has evaluated a model on its test rows."""
        self._caller.call(lambda: self._test_audit.record_evaluation(name))

    def evaluations(self, test_digest: str) -> int:
        """How many models were evaluated on these test rows."""
        return self._caller.call(lambda: self._test_audit.evaluations(test_digest))


class RetryingComparisonTracker:
    """A `ComparisonTracker` over another one.

    Args:
        tracker: Does the work.
        caller: As that of a `RetryingRegistry`.
    """

    def __init__(self, tracker: ComparisonTracker, caller: Caller) -> None:
        self._tracker, self._caller = tracker, caller

    @property
    def run_id(self) -> str:
        """Identifies the comparison in the store."""
        return self._tracker.run_id

    @property
    def conclusion(self) -> ComparisonResult | None:
        """The result; None for a comparison that has not finished."""
        return self._caller.call(lambda: self._tracker.conclusion)

    def recorded_parts(self) -> Mapping[str, Any]:
        """The parts that are recorded so far, by name, as JSON data."""
        return self._caller.call(self._tracker.recorded_parts)

    def record_part(self, part: str, data: Any) -> None:
        """Record a finished part completely, or not at all."""
        self._caller.call(lambda: self._tracker.record_part(part, data))

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep files with the comparison."""
        self._caller.call(lambda: self._tracker.log_files(files))

    def finish(self, result: ComparisonResult, files: Mapping[str, str | bytes]) -> None:
        """Record every contestant, keep the files, and mark the comparison as finished."""
        self._caller.call(lambda: self._tracker.finish(result, files))


class RetryingCrossValidationTracker:
    """A `CrossValidationTracker` over another one.

    Args:
        tracker: Does the work.
        caller: As that of a `RetryingRegistry`.
    """

    def __init__(self, tracker: CrossValidationTracker, caller: Caller) -> None:
        self._tracker, self._caller = tracker, caller

    @property
    def run_id(self) -> str:
        """Identifies it in the store."""
        return self._tracker.run_id

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What it finished with; None for one that has not finished."""
        return self._caller.call(lambda: self._tracker.conclusion)

    def recorded_parts(self) -> Mapping[str, Any]:
        """The parts that are recorded so far, by name, as JSON data."""
        return self._caller.call(self._tracker.recorded_parts)

    def record_part(self, part: str, data: Any) -> None:
        """Record a finished part completely, or not at all."""
        self._caller.call(lambda: self._tracker.record_part(part, data))

    def finish(self, conclusion: SweepConclusion, answer: str, files: Mapping[str, str | bytes], description: str = "") -> None:
        """Record the final metrics, summary and files, and mark it as finished."""
        self._caller.call(lambda: self._tracker.finish(conclusion, answer, files, description))
