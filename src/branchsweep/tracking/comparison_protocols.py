"""What the workflows need of a tracking store for a comparison: the protocol `ComparisonTracker`, and its first record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.tracking.protocols import TableRecord


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """What a tracker writes down about a comparison when it starts.

    Args:
        name: The comparison's name.
        key: Digest of the comparison, the data and the halves: the same key is the same comparison.
        question: Its question.
        yaml: The comparison as it was run, with its experiments and overrides.
        heads: Unit of each head, by head.
        score_metrics: The name of the metric that is the score, by head; metrics are recorded under it.
        table: The table.
        halves_digest: Digest of the halves; empty where it is not recorded.
        seed: The comparison's; None where it is not recorded.
        environment: Versions and commit, by name: `version_keras`, `git_commit`, ….
    """

    name: str
    key: str
    question: str
    yaml: str
    heads: Mapping[str, str]
    score_metrics: Mapping[str, str]
    table: TableRecord = field(default_factory=TableRecord)
    halves_digest: str = ""
    seed: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class ComparisonTracker(Protocol):
    """Records one comparison. Finished parts are kept, so that a killed comparison is continued."""

    @property
    def run_id(self) -> str:
        """Identifies the comparison in the store."""
        ...

    @property
    def conclusion(self) -> ComparisonResult | None:
        """The result, of this process or an earlier one; None for a comparison that has not finished."""
        ...

    def recorded_parts(self) -> Mapping[str, Any]:
        """The parts that are recorded so far, by name, as JSON data. Empty for a new comparison."""
        ...

    def record_part(self, part: str, data: Any) -> None:
        """Record a finished part completely, or not at all. A comparison that was finished is open again.

        Args:
            part: Its name (`tuned/branched`, `estimator/random_forest`); a later part of this name replaces it.
            data: JSON data.

        Raises:
            ValueError: JSON cannot express the data: NaN, for example.
        """
        ...

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep files with the comparison.

        Raises:
            FilesRefusedError: They are not kept, or not all of them.
        """
        ...

    def finish(self, result: ComparisonResult, files: Mapping[str, str | bytes]) -> None:
        """Record every contestant as a run below the comparison's, keep the files, and mark the comparison as finished.

        Repeated, it replaces all that was recorded, or the part of it that a killed process recorded.
        """
        ...


class ComparisonArchive(Protocol):
    """A recorded comparison, to read from."""

    @property
    def run_id(self) -> str:
        """Identifies the comparison in the store."""
        ...

    @property
    def comparison(self) -> ComparisonRecord:
        """What was written down when it began."""
        ...

    @property
    def conclusion(self) -> ComparisonResult | None:
        """The result; None for a comparison that has not finished."""
        ...
