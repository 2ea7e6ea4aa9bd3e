"""A ledger that forgets when the process ends: for tests, and for flows that only try something out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from branchsweep.ledgers.history import History
from branchsweep.roles import Candidate, Champion, Conclusion, SweepRecord, Verdict
from branchsweep.trial import Result


@dataclass
class Sweep:
    """What is kept of one sweep."""

    record: SweepRecord
    results: dict[int, Result] = field(default_factory=dict)
    conclusion: Conclusion | None = None
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Store:
    """What several ledgers may share, as they would share a database."""

    sweeps: list[Sweep] = field(default_factory=list)
    versions: dict[str, list[Champion]] = field(default_factory=dict)
    champions: dict[str, Champion] = field(default_factory=dict)


class MemoryLedger:
    """Plays `roles.Ledger` with dictionaries."""

    def __init__(self, store: Store, position: int, is_resumed: bool) -> None:
        self._store = store
        self._position = position
        self._sweep = store.sweeps[position]
        self._is_resumed = is_resumed

    @classmethod
    def open(cls, record: SweepRecord, store: Store | None = None, fresh: bool = False) -> MemoryLedger:
        """The sweep of this key goes on if the store has it and nobody asks for a fresh one; else it begins."""
        store = store or Store()
        known = [position for position, sweep in enumerate(store.sweeps) if sweep.record.key == record.key]
        if known and not fresh:
            return cls(store, known[-1], is_resumed=True)
        store.sweeps.append(Sweep(record))
        return cls(store, len(store.sweeps) - 1, is_resumed=False)

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        return f"memory-{self._position}"

    @property
    def is_resumed(self) -> bool:
        """Whether the sweep stood in the store before."""
        return self._is_resumed

    @property
    def conclusion(self) -> Conclusion | None:
        """What was concluded; None for a sweep that has not come to its end."""
        return self._sweep.conclusion

    def record(self, results: Sequence[Result]) -> None:
        """Keep what is not kept yet, without the learning curves: memory grows with the sweep no more than it must.

        Raises:
            LedgerError: A number stands there with other params.
        """
        for result in self._history().unrecorded(results):
            self._sweep.results[result.trial.number] = result.without_curves()
            self._sweep.conclusion = None

    def _history(self) -> History:
        return History(self._sweep.record.objective, self._sweep.results.values())

    def recall(self) -> list[Result]:
        """Every recorded result, in order of the trials' numbers."""
        return [self._sweep.results[number] for number in sorted(self._sweep.results)]

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None."""
        return self._store.champions.get(model)

    def crown(self, candidate: Candidate, verdict: Verdict) -> Champion:
        """Number a new version; give it the title if the verdict says so."""
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
        )
        versions.append(champion)
        if verdict.crown:
            self._store.champions[candidate.model] = champion
        return champion

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str]) -> None:
        """Keep the sweep's last figures, tags and text artifacts."""
        figures = self._history().figures
        self._sweep.conclusion = Conclusion(figures | dict(metrics), {**self._sweep.record.tags, **tags})
        self._sweep.files |= files
