"""Ledgers that forget when the process ends: for tests, and for flows that only try something out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from branchsweep.errors import TrackingError
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.tracking.champion_history import kept_files, lost_race_message
from branchsweep.tracking.protocols import (
    Champion,
    ComparisonRecord,
    ModelCandidate,
    PromotionDecision,
    SweepConclusion,
    SweepRecord,
    TrackingLinks,
)
from branchsweep.tracking.recorded_trials import RecordedTrials
from branchsweep.trial import Result


@dataclass
class StoredSweep:
    """What is kept of one sweep."""

    record: SweepRecord
    results: dict[int, Result] = field(default_factory=dict)
    history: RecordedTrials = field(init=False)
    conclusion: SweepConclusion | None = None
    files: dict[str, str | bytes] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.history = RecordedTrials(self.record.objective, self.results.values())


@dataclass
class StoredComparison:
    """What is kept of one comparison; parts and findings as text."""

    record: ComparisonRecord
    parts: dict[str, str] = field(default_factory=dict)
    conclusion: str | None = None
    files: dict[str, str | bytes] = field(default_factory=dict)


@dataclass
class MemoryStore:
    """What several ledgers may share, as they would share a database."""

    sweeps: list[StoredSweep] = field(default_factory=list)
    comparisons: list[StoredComparison] = field(default_factory=list)
    versions: dict[str, list[Champion]] = field(default_factory=dict)
    champions: dict[str, Champion] = field(default_factory=dict)
    files: dict[tuple[str, int], dict[str, bytes]] = field(default_factory=dict)


class MemoryTracker:
    """Plays `roles.Ledger` with dictionaries."""

    def __init__(self, store: MemoryStore, position: int, is_resumed: bool) -> None:
        self._store = store
        self._position = position
        self._sweep = store.sweeps[position]
        self._is_resumed = is_resumed

    @classmethod
    def open(cls, record: SweepRecord, store: MemoryStore | None = None, fresh: bool = False) -> MemoryTracker:
        """The sweep of this key goes on if the store has it and nobody asks for a fresh one; else it begins."""
        store = store or MemoryStore()
        known = [position for position, sweep in enumerate(store.sweeps) if sweep.record.key == record.key]
        if known and not fresh:
            return cls(store, known[-1], is_resumed=True)
        store.sweeps.append(StoredSweep(record))
        return cls(store, len(store.sweeps) - 1, is_resumed=False)

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        return f"memory-{self._position}"

    @property
    def sweep(self) -> SweepRecord:
        """What was written down when the sweep began."""
        return self._sweep.record

    @property
    def is_resumed(self) -> bool:
        """Whether the sweep stood in the store before."""
        return self._is_resumed

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What was concluded; None for a sweep that has not come to its end."""
        return self._sweep.conclusion

    def record(self, results: Sequence[Result]) -> None:
        """Keep what is not kept yet, without the learning curves: memory grows with the sweep no more than it must.

        Raises:
            TrackingError: A number stands there with other params.
        """
        for result in self._sweep.history.unrecorded(results):
            self._sweep.results[result.trial.number] = result.without_curves()
            self._sweep.history.add(result)
            self._sweep.conclusion = None

    def recall(self) -> list[Result]:
        """Every recorded result, in order of the trials' numbers."""
        return [self._sweep.results[number] for number in sorted(self._sweep.results)]

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None."""
        return self._store.champions.get(model)

    def crown(self, candidate: ModelCandidate, verdict: PromotionDecision) -> Champion:
        """Number a new version; give it the title if the verdict says so.

        Raises:
            TrackingError: The title is another one's than the one that the verdict was decided against.
        """
        versions = self._store.versions.setdefault(candidate.model, [])
        champion = Champion(
            model=candidate.model,
            version=len(versions) + 1,
            value=candidate.value,
            rule=candidate.rule,
            data_digest=candidate.data_digest,
            split_digest=candidate.split_digest,
            sweep=self.run_id,
            trial=candidate.result.trial.number,
            because=verdict.because,
            params=dict(candidate.result.trial.params),
        )
        versions.append(champion)
        texts = kept_files(candidate, verdict, self._sweep.record.yaml)
        exported = {file.name: file.read_bytes() for file in candidate.folder.iterdir() if file.is_file()}
        self._store.files[candidate.model, champion.version] = exported | {name: text.encode() for name, text in texts.items()}
        if verdict.crown:
            reigning = self.champion(candidate.model)
            if verdict.against is not None and verdict.against != (reigning.version if reigning else 0):
                raise TrackingError(lost_race_message(candidate.model, champion.version, reigning, verdict.against))
            self._store.champions[candidate.model] = champion
        return champion

    @contextmanager
    def files(self, model: str, version: int) -> Iterator[Path]:
        """A local folder with what was registered as this version, for as long as it is open.

        Raises:
            TrackingError: There is no such model or version.
        """
        files = self._store.files.get((model, version))
        if files is None:
            raise TrackingError(f"there is no models:/{model}/{version}")
        with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            yield Path(folder)

    def meet(self, who: str) -> None:
        """Note that a model has met the sweep's test rows, once of each name."""
        self._sweep.met.add(who)

    def meetings(self, test_digest: str) -> int:
        """How many models have met these test rows, over all sweeps of the store."""
        return sum(len(one.met) for one in self._store.sweeps if one.record.tags.get("test_digest") == test_digest)

    def illustrate(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files with a recorded trial, below a folder of its number."""
        self._sweep.files |= {f"trials/{trial}/{name}": content for name, content in files.items()}

    def pages(self, trials: Sequence[int]) -> TrackingLinks:  # noqa: ARG002  # there are no pages
        """Nobody sees it."""
        return TrackingLinks()

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str | bytes]) -> None:
        """Keep the sweep's last figures, tags and artifacts."""
        figures = self._sweep.history.figures
        self._sweep.conclusion = SweepConclusion(figures | dict(metrics), {**self._sweep.record.tags, **tags})
        self._sweep.files |= files

    def artifact(self, name: str) -> bytes | None:
        """What was kept with the sweep under this file name; None where there is no such file."""
        kept = self._sweep.files.get(name)
        return kept.encode() if isinstance(kept, str) else kept


class MemoryComparisonTracker:
    """Plays `roles.ComparisonLedger` with dictionaries."""

    def __init__(self, store: MemoryStore, position: int) -> None:
        self._position = position
        self._compared = store.comparisons[position]

    @classmethod
    def open(cls, record: ComparisonRecord, store: MemoryStore | None = None, fresh: bool = False) -> MemoryComparisonTracker:
        """The comparison of this key goes on if the store has it and nobody asks for a fresh one; else it begins."""
        store = store or MemoryStore()
        known = [position for position, one in enumerate(store.comparisons) if one.record.key == record.key]
        if known and not fresh:
            return cls(store, known[-1])
        store.comparisons.append(StoredComparison(record))
        return cls(store, len(store.comparisons) - 1)

    @property
    def run_id(self) -> str:
        """Identifies the comparison in the store."""
        return f"memory-comparison-{self._position}"

    @property
    def conclusion(self) -> str | None:
        """What was found, for `Findings.loads`; None for a comparison that has not come to its end."""
        return self._compared.conclusion

    def recall(self) -> dict[str, Any]:
        """The parts that are kept so far, by name."""
        return {part: json.loads(text) for part, text in self._compared.parts.items()}

    def keep(self, part: str, data: Any) -> None:
        """Keep a finished part; of one name the last counts. A concluded comparison is open again.

        Raises:
            ValueError: JSON has no word for it: NaN, for one.
        """
        self._compared.parts[part] = json.dumps(data, allow_nan=False)
        self._compared.conclusion = None

    def conclude(self, findings: ComparisonResult, files: Mapping[str, str | bytes]) -> None:
        """Keep what was found, and the files."""
        self._compared.conclusion = findings.dumps()
        self._compared.files |= {**files, "findings.json": findings.dumps()}
