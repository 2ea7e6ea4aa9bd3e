"""What the workflows need of a tracking store for an outer cross-validation: the protocol `CrossValidationTracker`.

What is written down when it starts is a `SweepRecord`, that of its experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from branchsweep.tracking.protocols import SweepConclusion


class CrossValidationTracker(Protocol):
    """Records one outer cross-validation. Its finished folds are kept, so that a killed one is continued."""

    @property
    def run_id(self) -> str:
        """Identifies it in the store."""
        ...

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What it finished with, in this process or an earlier one; None for one that has not finished."""
        ...

    def recorded_parts(self) -> Mapping[str, Any]:
        """The parts that are recorded so far, by name, as JSON data. Empty for a new one."""
        ...

    def record_part(self, part: str, data: Any) -> None:
        """Record a finished part completely, or not at all.

        Args:
            part: Its name (`fold-3`); a later part of this name replaces it.
            data: JSON data.

        Raises:
            ValueError: JSON cannot express the data: NaN, for example.
        """
        ...

    def finish(self, conclusion: SweepConclusion, answer: str, files: Mapping[str, str | bytes], description: str = "") -> None:
        """Record the final metrics, summary and files, and mark it as finished.

        Args:
            conclusion: What `conclusion` gives back.
            answer: The result in a line, for titles and lists.
            files: Contents by file name.
            description: Markdown that the store shows on its page.
        """
        ...
