"""The roles: what the flows ask of the engines. Each has a few verbs, and any object that has them may play it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from branchsweep.config.objective import Objective
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.trial import Params, Result


@dataclass(frozen=True, slots=True)
class TableRecord:
    """The table that a sweep learns from, as a ledger shows it.

    Args:
        name: For people: the file's name, or that of a built-in table.
        digest: Of its contents.
        location: Where the rows came from: a path, an address, or words.
        columns: The columns that are read, inputs and targets.
        rows: How many there are.
    """

    name: str
    digest: str
    location: str
    columns: Sequence[str]
    rows: int


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """What a ledger writes down about a sweep when it begins.

    Args:
        name: The experiment's name.
        key: Digest of the question, the data and the seed (not of the budget): the same key is the same sweep.
        question: The experiment's question.
        yaml: The experiment as it was run, space and overrides included.
        heads: Units by head.
        objective: What the search is for.
        tags: Facts about data, code and versions, by name (without the prefix `branchsweep.`), and the store's own, such as
            `mlflow.note.content`, the Markdown that MLflow shows on the sweep's page.

    What follows is written down for people, and not read back.

        dimensions: The tunables that every trial has a value of, in order.
        table: What the trials learn from; None where nobody says.
        files: Text files that are kept with the sweep, by name.
    """

    name: str
    key: str
    question: str
    yaml: str
    heads: Mapping[str, str]
    objective: Objective = field(default_factory=Objective)
    tags: Mapping[str, str] = field(default_factory=dict)
    dimensions: Sequence[str] = field(default=(), compare=False)
    table: TableRecord | None = field(default=None, compare=False)
    files: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class TrackingLinks:
    """Where people see a sweep in the ledger's own pages: links relative to those pages, empty where there is no such page.

    Args:
        trials: The trials' pages, by number.
        table: All trials in a table, the best first.
        charts: The same as charts.
        models: The registry.
        file: Of a file that is kept with the sweep, by its name.
        version: Of a registered model, by name and version.
    """

    trials: Mapping[int, str] = field(default_factory=dict)
    table: str = ""
    charts: str = ""
    models: str = ""
    file: Callable[[str], str] = lambda _name: ""
    version: Callable[[str, int], str] = lambda _model, _version: ""


@dataclass(frozen=True, slots=True)
class Champion:
    """Who holds the title in the registry.

    Args:
        model: The registered model's name.
        version: Its version.
        value: The validation score it was crowned for.
        rule: Which figure that is, in words (`mean_r2`).
        data_digest: Digest of the table it was trained on.
        split_digest: Digest of the rows it was trained and tested on.
        sweep: The sweep's run id.
        trial: The trial's number.
        because: The sentence it was crowned with.
        params: The trial's params; empty for a version that others registered.
    """

    model: str
    version: int
    value: float
    rule: str
    data_digest: str
    split_digest: str
    sweep: str
    trial: int
    because: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelCandidate:
    """A finished model on disk that may be registered.

    Args:
        model: The name to register under.
        folder: Holds `model.keras` and `serving.json`.
        result: The trial that was refitted.
        value: Its validation score, by which it is compared.
        rule: Which figure that is, in words.
        test: R² per head on the test rows, by metric name (`test_r2/PE`, `test_r2/mean`, `test_rmse/PE`, …).
        data_digest: Digest of the table.
        split_digest: Digest of the split.
        files: Text files that are kept with the model, by name: its card, its evidence, the experiment that made it.
    """

    model: str
    folder: Path
    result: Result
    value: float
    rule: str
    test: Mapping[str, float]
    data_digest: str
    split_digest: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """Whether a candidate is crowned, and the sentence that says why.

    Args:
        crown: Whether the title is its.
        because: The reason.
        evidence: Figures, intervals and p-values behind it, as JSON knows them.
        against: The version that had the title when this was decided, 0 for nobody: if another one has it when the candidate
            is to be crowned, it is not. None: whoever has it.
    """

    crown: bool
    because: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    against: int | None = None


@dataclass(frozen=True, slots=True)
class SweepConclusion:
    """What a finished sweep's record says of it.

    Args:
        metrics: The sweep's figures by name: those it was concluded with, and what the ledger added on the way.
        tags: Likewise (without the prefix `branchsweep.`).
    """

    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class Tracker(Protocol):
    """The one history of a sweep, who met its test rows, the registry, and where people see it. Nine verbs, and an end."""

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        ...

    @property
    def is_resumed(self) -> bool:
        """Whether the sweep stood in the store before: killed or finished, it goes on."""
        ...

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What was concluded, by this process or an earlier one. None for a sweep that has not come to its end."""
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

    def crown(self, candidate: ModelCandidate, verdict: PromotionDecision) -> Champion:
        """Register the candidate as a new version; give it the title if the verdict says so.

        Raises:
            TrackingError: The title is another one's by now than the one that the verdict was decided against.
        """
        ...

    def files(self, model: str, version: int) -> AbstractContextManager[Path]:
        """A local folder with what was registered as this version, for as long as it is open.

        In it are the exported files (`model.keras`, `serving.json`), the candidate's own, the sweep's `experiment.yaml` and
        the verdict's `evidence.json`.
        """
        ...

    def meet(self, who: str) -> None:
        """Note that a model has met the test rows; of one name in one sweep it counts once, however often it goes on."""
        ...

    def meetings(self, test_digest: str) -> int:
        """How many models have met these test rows so far, in all sweeps of the store."""
        ...

    def illustrate(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files with a recorded trial, for people to look at."""
        ...

    def pages(self, trials: Sequence[int]) -> TrackingLinks:
        """Where people see this sweep, and these of its trials."""
        ...

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str | bytes]) -> None:
        """Write the sweep's last figures, tags and artifacts (texts and pictures, by file name) and close it."""
        ...


class SweepArchive(Protocol):
    """A recorded sweep, to read from. Two verbs."""

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        ...

    @property
    def sweep(self) -> SweepRecord:
        """What was written down when the sweep began."""
        ...

    def recall(self) -> list[Result]:
        """Every recorded result of this sweep, in order of the trials' numbers."""
        ...

    def artifact(self, name: str) -> bytes | None:
        """What was kept with the sweep under this file name; None where there is no such file."""
        ...


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """What a ledger writes down about a comparison when it begins.

    Args:
        name: The comparison's name.
        key: Digest of the comparison, the data and the halves: the same key is the same comparison.
        question: Its question.
        yaml: The comparison as it was run, with its experiments and overrides.
        heads: Units by head.
        tags: Facts about data, code and versions, by name (without the prefix `branchsweep.`).
    """

    name: str
    key: str
    question: str
    yaml: str
    heads: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)


class ComparisonTracker(Protocol):
    """The history of one comparison. Three verbs: parts that are finished are kept, so that a killed one goes on."""

    @property
    def run_id(self) -> str:
        """Identifies the comparison in the store."""
        ...

    @property
    def conclusion(self) -> str | None:
        """What was found, for `Findings.loads`, by this process or an earlier one. None if it has not come to its end."""
        ...

    def recall(self) -> Mapping[str, Any]:
        """The parts that are kept so far, by name, as JSON knows them. Empty for a comparison that begins."""
        ...

    def keep(self, part: str, data: Any) -> None:
        """Keep a finished part (`tuned/branched`, `estimator/random_forest`): whole, or not at all.

        Of one name the last counts. A comparison that was concluded is open again.

        Raises:
            ValueError: JSON has no word for it: NaN, for one.
        """
        ...

    def conclude(self, findings: ComparisonResult, files: Mapping[str, str | bytes]) -> None:
        """Write every contestant as a run of its own below the comparison's, the files as artifacts of that, and close it.

        Done again, it replaces what was written, whether all of it or, by a process that was killed, a part.
        """
        ...
