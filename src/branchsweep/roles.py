"""The roles: what the flows ask of the engines. Each has two to four verbs, and any object that has them may play it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from branchsweep.population import Outcome, Population
from branchsweep.trial import Result, Score, Trial


class Driver(Protocol):
    """Suggests trials and learns from their scores. Two verbs.

    A driver holds no history that could not be rebuilt: a fresh one that is told all recorded results asks what the old one
    would have asked, for its randomness derives from the experiment's seed and the trial's number alone.
    """

    def ask(self, count: int) -> list[Trial]:
        """The next trials, at most `count`, numbered on from those asked or told. Empty: the search is over."""
        ...

    def tell(self, result: Result) -> None:
        """Learn one result; of a trial this driver asked, or of one recorded earlier. Told in order of the trials' numbers."""
        ...


class Trainer(Protocol):
    """Trains populations. One verb."""

    def train(self, population: Population, keep_weights: bool = False) -> Outcome:
        """Train all lanes to their end. A lane's outcome does not depend on the others."""
        ...


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """What a ledger writes down about a sweep when it begins.

    Args:
        name: The experiment's name.
        key: Digest of the question, the data and the seed (not of the budget): the same key is the same sweep.
        question: The experiment's question.
        yaml: The experiment as it was run, space and overrides included.
        heads: Units by head.
        tags: Facts about data, code and versions, by name (without the prefix `branchsweep.`).
    """

    name: str
    key: str
    question: str
    yaml: str
    heads: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Champion:
    """Who holds the title in the registry.

    Args:
        model: The registered model's name.
        version: Its version.
        value: The validation score it was crowned for.
        data_digest: Digest of the table it was trained on.
        split_digest: Digest of the rows it was trained and tested on.
        sweep: The sweep's run id.
        trial: The trial's number.
        because: The sentence it was crowned with.
    """

    model: str
    version: int
    value: float
    data_digest: str
    split_digest: str
    sweep: str
    trial: int
    because: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished model on disk that may be registered.

    Args:
        model: The name to register under.
        folder: Holds `model.keras` and `serving.json`.
        result: The trial that was refitted.
        test: R² per head on the test rows, by metric name (`test_r2/PE`, `test_r2/mean`, `test_rmse/PE`, …).
        data_digest: Digest of the table.
        split_digest: Digest of the split.
    """

    model: str
    folder: Path
    result: Result
    test: Mapping[str, float]
    data_digest: str
    split_digest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate is crowned, and the sentence that says why."""

    crown: bool
    because: str


class Ledger(Protocol):
    """The one history of a sweep, and the registry. Four verbs, and an end."""

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        ...

    def record(self, results: Sequence[Result]) -> None:
        """Write down finished trials. What is recorded is never lost, and never recorded twice."""
        ...

    def recall(self) -> list[Result]:
        """Every recorded result of this sweep, in order of the trials' numbers."""
        ...

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None."""
        ...

    def crown(self, candidate: Candidate, verdict: Verdict) -> Champion:
        """Register the candidate as a new version; give it the title if the verdict says so."""
        ...

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str]) -> None:
        """Write the sweep's last figures, tags and text artifacts (by file name) and close it."""
        ...
