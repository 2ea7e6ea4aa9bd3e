"""Tracking in memory, lost when the process ends: for tests, and for runs that only try something out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from branchsweep.errors import TrackingError
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.runtime import read_files, temporary_folder, write_files
from branchsweep.tracking.champion_history import champion_changed_message, version_files
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord, Tracking, TrackingLinks
from branchsweep.tracking.recorded_trials import RecordedTrials
from branchsweep.tracking.registry_protocols import Champion, ModelCandidate, PromotionDecision
from branchsweep.trial import Result


@dataclass
class StoredSweep:
    """What is stored of one sweep."""

    record: SweepRecord
    results: dict[int, Result] = field(default_factory=dict, init=False)
    recorded: RecordedTrials = field(init=False)
    conclusion: SweepConclusion | None = None
    files: dict[str, str | bytes] = field(default_factory=dict)
    description: str = ""
    evaluated: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.recorded = RecordedTrials(self.record.objective, self.record.score_metrics)


@dataclass
class StoredComparison:
    """What is stored of one comparison; parts as JSON."""

    record: ComparisonRecord
    parts: dict[str, str] = field(default_factory=dict)
    conclusion: ComparisonResult | None = None
    files: dict[str, str | bytes] = field(default_factory=dict)


@dataclass
class StoredCrossValidation:
    """What is stored of one outer cross-validation; parts as JSON."""

    record: SweepRecord
    parts: dict[str, str] = field(default_factory=dict)
    conclusion: SweepConclusion | None = None
    answer: str = ""
    files: dict[str, str | bytes] = field(default_factory=dict)


@dataclass
class MemoryStore:
    """What several trackers may share, as they would share a database."""

    sweeps: list[StoredSweep] = field(default_factory=list)
    comparisons: list[StoredComparison] = field(default_factory=list)
    cross_validations: list[StoredCrossValidation] = field(default_factory=list)
    versions: dict[str, list[Champion]] = field(default_factory=dict)
    champions: dict[str, Champion] = field(default_factory=dict)
    files: dict[tuple[str, int], dict[str, bytes]] = field(default_factory=dict)


class MemoryTracker:
    """A `Tracker` over dictionaries. Made by `open`.

    Args:
        store: The store.
        index: Of the sweep in the store.
        is_resumed: Whether the store had this sweep before.
    """

    def __init__(self, store: MemoryStore, index: int, is_resumed: bool) -> None:
        self._store = store
        self._index = index
        self._sweep = store.sweeps[index]
        self._is_resumed = is_resumed

    @classmethod
    def open(cls, record: SweepRecord, store: MemoryStore | None = None, fresh: bool = False) -> MemoryTracker:
        """Resume the sweep of this key if the store has it, else start it.

        Args:
            record: What is written down about the sweep.
            store: Where; a new store if None.
            fresh: Start a new sweep in any case.
        """
        store = store or MemoryStore()
        known = [index for index, sweep in enumerate(store.sweeps) if sweep.record.key == record.key]
        if known and not fresh:
            return cls(store, known[-1], is_resumed=True)
        store.sweeps.append(StoredSweep(record))
        return cls(store, len(store.sweeps) - 1, is_resumed=False)

    @property
    def tracking(self) -> Tracking:
        """The tracker with the registry and the test audit of the same store."""
        return Tracking(self, MemoryRegistry(self._store), MemoryTestAudit(self._store, self._sweep))

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        return f"memory-{self._index}"

    @property
    def sweep(self) -> SweepRecord:
        """What was written down when the sweep started."""
        return self._sweep.record

    @property
    def is_resumed(self) -> bool:
        """Whether the store had this sweep before."""
        return self._is_resumed

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What the sweep finished with; None for a sweep that has not finished."""
        return self._sweep.conclusion

    def record(self, results: Sequence[Result]) -> None:
        """Keep the results that are new, without learning curves: memory grows with the sweep no more than it must.

        Raises:
            TrackingError: A trial of the same number is recorded with other params.
        """
        for result in self._sweep.recorded.unrecorded(results):
            self._sweep.results[result.trial.number] = result.without_curves()
            self._sweep.recorded.add(result)
            self._sweep.conclusion = None

    def recorded_results(self) -> list[Result]:
        """All recorded results, in order of the trials' numbers."""
        return [self._sweep.results[number] for number in sorted(self._sweep.results)]

    def log_trial_files(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files with a recorded trial, below a folder of its number."""
        self._sweep.files |= {f"trials/{trial}/{name}": content for name, content in files.items()}

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep files with the sweep."""
        self._sweep.files |= files

    def links(self, trials: Sequence[int]) -> TrackingLinks:  # noqa: ARG002  # there are no pages
        """No links: the store has no pages."""
        return TrackingLinks()

    def finish(
        self, metrics: Mapping[str, float], summary: str, files: Mapping[str, str | bytes], description: str = ""
    ) -> None:
        """Keep the sweep's final metrics, summary, files and description."""
        self._sweep.conclusion = SweepConclusion({**self._sweep.recorded.progress_metrics, **metrics}, summary)
        self._sweep.files |= files
        self._sweep.description = description

    def artifact(self, name: str) -> bytes | None:
        """The file of this name that is kept with the sweep; None where there is none."""
        content = self._sweep.files.get(name)
        return content.encode() if isinstance(content, str) else content


class MemoryRegistry:
    """A `Registry` over dictionaries.

    Args:
        store: The store.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def champion(self, model: str) -> Champion | None:
        """The champion of this registered model, or None."""
        return self._store.champions.get(model)

    def register(self, candidate: ModelCandidate, decision: PromotionDecision) -> Champion:
        """Number a new version, and make it the champion if the decision says so; the same one is registered once.

        Raises:
            TrackingError: Another version is champion by now than the one that was decided against.
        """
        versions = self._store.versions.setdefault(candidate.model, [])
        registered = Champion(
            model=candidate.model,
            version=len(versions) + 1,
            value=candidate.value,
            rule=candidate.rule,
            data_digest=candidate.data_digest,
            split_digest=candidate.split_digest,
            sweep=candidate.sweep,
            trial=candidate.result.trial.number,
            because=decision.because,
            params=dict(candidate.result.trial.params),
            cause=decision.cause,
        )
        same = [version for version in versions if replace(version, version=registered.version) == registered]
        if same and (not decision.promote or self.champion(candidate.model) == same[-1]):
            return same[-1]
        versions.append(registered)
        exported = read_files(candidate.folder)
        texts = {name: text.encode() for name, text in version_files(candidate, decision).items()}
        self._store.files[candidate.model, registered.version] = exported | texts
        if decision.promote:
            champion = self.champion(candidate.model)
            if decision.against is not None and decision.against != (champion.version if champion else 0):
                message = champion_changed_message(candidate.model, registered.version, champion, decision.against)
                raise TrackingError(message)
            self._store.champions[candidate.model] = registered
        return registered

    @contextmanager
    def model_files(self, model: str, version: int) -> Iterator[Path]:
        """A local folder with the files of a version, for as long as the context is open.

        Raises:
            TrackingError: There is no such model or version.
        """
        files = self._store.files.get((model, version))
        if files is None:
            raise TrackingError(f"there is no models:/{model}/{version}")
        with temporary_folder() as folder:
            write_files(folder, files)
            yield folder


class MemoryTestAudit:
    """A `TestAudit` over dictionaries.

    Args:
        store: The store.
        sweep: Whose evaluations are recorded.
    """

    def __init__(self, store: MemoryStore, sweep: StoredSweep) -> None:
        self._store, self._sweep = store, sweep

    def record_evaluation(self, name: str) -> None:
        """Record that this sweep has evaluated a model on its test rows; the same name counts once."""
        self._sweep.evaluated.add(name)

    def evaluations(self, test_digest: str) -> int:
        """How many models were evaluated on these test rows, in all sweeps of the store."""
        on_these_rows = (sweep for sweep in self._store.sweeps if sweep.record.test_digest == test_digest)
        return sum(len(sweep.evaluated) for sweep in on_these_rows)


class MemoryComparisonTracker:
    """A `ComparisonTracker` over dictionaries. Made by `open`.

    Args:
        store: The store.
        index: Of the comparison in the store.
    """

    def __init__(self, store: MemoryStore, index: int) -> None:
        self._index = index
        self._comparison = store.comparisons[index]

    @classmethod
    def open(cls, record: ComparisonRecord, store: MemoryStore | None = None, fresh: bool = False) -> MemoryComparisonTracker:
        """Resume the comparison of this key if the store has it, else start it.

        Args:
            record: What is written down about the comparison.
            store: Where; a new store if None.
            fresh: Start a new comparison in any case.
        """
        store = store or MemoryStore()
        known = [index for index, comparison in enumerate(store.comparisons) if comparison.record.key == record.key]
        if known and not fresh:
            return cls(store, known[-1])
        store.comparisons.append(StoredComparison(record))
        return cls(store, len(store.comparisons) - 1)

    @property
    def run_id(self) -> str:
        """Identifies the comparison in the store."""
        return f"memory-comparison-{self._index}"

    @property
    def conclusion(self) -> ComparisonResult | None:
        """The result; None for a comparison that has not finished."""
        return self._comparison.conclusion

    def recorded_parts(self) -> dict[str, Any]:
        """The parts that are recorded so far, by name."""
        return {part: json.loads(text) for part, text in self._comparison.parts.items()}

    def record_part(self, part: str, data: Any) -> None:
        """Record a finished part; a later part of this name replaces it. A finished comparison is open again.

        Raises:
            ValueError: JSON cannot express the data: NaN, for example.
        """
        self._comparison.parts[part] = json.dumps(data, allow_nan=False)
        self._comparison.conclusion = None

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep files with the comparison."""
        self._comparison.files |= files

    def finish(self, result: ComparisonResult, files: Mapping[str, str | bytes]) -> None:
        """Keep the result and the files."""
        self._comparison.conclusion = result
        self._comparison.files |= {**files, "findings.json": result.to_json()}


class MemoryCrossValidationTracker:
    """A `CrossValidationTracker` over dictionaries. Made by `open`.

    Args:
        store: The store.
        index: Of the outer cross-validation in the store.
    """

    def __init__(self, store: MemoryStore, index: int) -> None:
        self._index = index
        self._stored = store.cross_validations[index]

    @classmethod
    def open(cls, record: SweepRecord, store: MemoryStore | None = None, fresh: bool = False) -> MemoryCrossValidationTracker:
        """Resume the outer cross-validation of this key if the store has it, else start it.

        Args:
            record: What is written down about it.
            store: Where; a new store if None.
            fresh: Start a new one in any case.
        """
        store = store or MemoryStore()
        known = [index for index, stored in enumerate(store.cross_validations) if stored.record.key == record.key]
        if known and not fresh:
            return cls(store, known[-1])
        store.cross_validations.append(StoredCrossValidation(record))
        return cls(store, len(store.cross_validations) - 1)

    @property
    def run_id(self) -> str:
        """Identifies it in the store."""
        return f"memory-cross-validation-{self._index}"

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What it finished with; None for one that has not finished."""
        return self._stored.conclusion

    def recorded_parts(self) -> dict[str, Any]:
        """The parts that are recorded so far, by name."""
        return {part: json.loads(text) for part, text in self._stored.parts.items()}

    def record_part(self, part: str, data: Any) -> None:
        """Record a finished part; a later part of this name replaces it.

        Raises:
            ValueError: JSON cannot express the data: NaN, for example.
        """
        self._stored.parts[part] = json.dumps(data, allow_nan=False)
        self._stored.conclusion = None

    def finish(self, conclusion: SweepConclusion, answer: str, files: Mapping[str, str | bytes], description: str = "") -> None:  # noqa: ARG002  # there are no pages
        """Keep the final metrics, summary and files."""
        self._stored.conclusion, self._stored.answer = conclusion, answer
        self._stored.files |= files
