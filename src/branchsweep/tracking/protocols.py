"""What the workflows need of a tracking store: the protocols, and the values that are exchanged through them.

`Tracker` records one sweep, `TestAudit` counts the uses of test rows, `Registry` (`registry_protocols`) keeps model versions
and the champion; `Tracking` holds the three that one store offers to one sweep. A `SweepArchive` is a recorded sweep to read
from. What is needed for comparisons and outer cross-validations is in `comparison_protocols` and `cross_validation_protocols`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from branchsweep.config.sections.objective import Objective
from branchsweep.tracking.registry_protocols import Registry
from branchsweep.trial import Result


@dataclass(frozen=True, slots=True)
class TableRecord:
    """The table that a sweep or a comparison learns from. What is empty is unknown.

    Args:
        source: What it is: `embedded`, `file`, ….
        location: Where the rows came from: a path, a URL, or a description.
        digest: Digest of its contents.
        rows: Number of rows.
        name: For display: the name of the file, or of a built-in table. Not read back, as what follows.
        columns: The columns that are read, inputs and targets.
    """

    source: str = ""
    location: str = ""
    digest: str = ""
    rows: int = 0
    name: str = field(default="", compare=False)
    columns: Sequence[str] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class OuterRun:
    """The outer cross-validation that a sweep is a fold of.

    Args:
        name: Its name: the store keeps it and the sweeps of its folds under this one.
        run_id: Its run.
    """

    name: str
    run_id: str


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """What a tracker writes down about a sweep when it starts.

    Args:
        name: The experiment's name.
        key: Digest of the question, the data and the seed, but not of the budget: the same key is the same sweep.
        question: The experiment's question.
        yaml: The experiment as it was run, with its search space and overrides.
        heads: Unit of each head, by head.
        score_metrics: The name of the metric that is the score, by head; metrics are recorded under it.
        objective: What the search optimises.
        table: The table that the trials learn from.
        split_digest: Digest of its split into training rows, folds and test rows; empty where it is not recorded.
        test_digest: Digest of the test rows; likewise.
        driver: What asks the trials.
        algorithm: By which algorithm.
        seed: The experiment's; None where it is not recorded.
        environment: Versions, commit and device, by name: `version_keras`, `git_commit`, `device`, ….
        description: Markdown that the store shows on the sweep's page. Not read back, as all that follows.
        dimensions: The hyperparameters that every trial has a value of, in order.
        log_dimensions: The hyperparameters, of all, that are searched on a logarithmic scale.
        files: Text files that are kept with the sweep, by name.
        outer: The outer cross-validation that the sweep is a fold of; None for a sweep of its own.
        test_table: The table of the test rows, if they have one of their own.
    """

    name: str
    key: str
    question: str
    yaml: str
    heads: Mapping[str, str]
    score_metrics: Mapping[str, str]
    objective: Objective = field(default_factory=Objective)
    table: TableRecord = field(default_factory=TableRecord)
    split_digest: str = ""
    test_digest: str = ""
    driver: str = ""
    algorithm: str = ""
    seed: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    description: str = field(default="", compare=False)
    dimensions: Sequence[str] = field(default=(), compare=False)
    log_dimensions: Sequence[str] = field(default=(), compare=False)
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    outer: OuterRun | None = field(default=None, compare=False)
    test_table: TableRecord | None = field(default=None, compare=False)

    @property
    def store_name(self) -> str:
        """The name under which the store keeps the sweep: that of MLflow's experiment."""
        return self.outer.name if self.outer else self.name


def sweep_label(name: str, run_id: str) -> str:
    """What messages call a sweep."""
    return f"sweep {name} ({run_id[:8]})"


@dataclass(frozen=True, slots=True)
class TrackingLinks:
    """Links to a sweep in the store's web pages, relative to the address of the server; empty where there is no such page.

    Args:
        trials: Page of each trial, by number.
        table: All trials in a table, the best first.
        charts: The trials as charts.
        models: The registered models.
        file: Page of a file that is kept with the sweep, by its name.
        version: Page of a registered model, by name and version.
        run: The sweep's own run.
        comparisons: Pages of the finished comparisons on the same table, by name.
        server: Address of the server that shows the pages; of a store without one, where `branchsweep ui` serves them.
    """

    trials: Mapping[int, str] = field(default_factory=dict)
    table: str = ""
    charts: str = ""
    models: str = ""
    file: Callable[[str], str] = lambda _name: ""
    version: Callable[[str, int], str] = lambda _model, _version: ""
    run: str = ""
    comparisons: Mapping[str, str] = field(default_factory=dict)
    server: str = ""


@dataclass(frozen=True, slots=True)
class SweepConclusion:
    """What is recorded about a sweep that has finished.

    Args:
        metrics: The sweep's metrics, by name: those that it finished with, and its progress.
        summary: The text that it finished with.
    """

    metrics: Mapping[str, float]
    summary: str


class Tracker(Protocol):
    """Records one sweep: its trials, files and results."""

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        ...

    @property
    def is_resumed(self) -> bool:
        """Whether the store had this sweep before: a killed or finished sweep is continued."""
        ...

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What the sweep finished with, in this process or an earlier one; None for a sweep that has not finished."""
        ...

    def record(self, results: Sequence[Result]) -> None:
        """Record finished trials. A recorded trial is never lost, and never recorded twice."""
        ...

    def recorded_results(self) -> list[Result]:
        """All recorded results of this sweep, in order of the trials' numbers."""
        ...

    def log_trial_files(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files with a recorded trial.

        Args:
            trial: The trial's number.
            files: Contents by file name.

        Raises:
            FilesRefusedError: They are not kept, or not all of them.
        """
        ...

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep files with the sweep.

        Args:
            files: Contents by file name.

        Raises:
            FilesRefusedError: They are not kept, or not all of them.
        """
        ...

    def links(self, trials: Sequence[int]) -> TrackingLinks:
        """Links to this sweep, and to these of its trials."""
        ...

    def finish(
        self, metrics: Mapping[str, float], summary: str, files: Mapping[str, str | bytes], description: str = ""
    ) -> None:
        """Record the sweep's final metrics, summary and files, and mark it as finished.

        Args:
            metrics: Values by name.
            summary: A text of any length, which `conclusion` gives back.
            files: Contents by file name.
            description: Markdown that the store shows on the sweep's page.
        """
        ...


class TestAudit(Protocol):
    """Counts how often test rows were used."""

    def record_evaluation(self, name: str) -> None:
        """Record that this sweep has evaluated a model on its test rows.

        Args:
            name: The model. The same name in the same sweep counts once, however often the sweep is resumed.
        """
        ...

    def evaluations(self, test_digest: str) -> int:
        """How many models were evaluated on these test rows so far, in all sweeps of the store.

        Args:
            test_digest: Digest of the test rows.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tracking:
    """What one store offers to one sweep.

    Args:
        tracker: Records the sweep.
        registry: Keeps registered models.
        test_audit: Counts the uses of the sweep's test rows.
        report_progress: Has the store record, at each heartbeat of the process, what a function returns then, as text.
        is_in_mlflow: Whether commands read the store, as they read those of MLflow and none of other packages.
    """

    tracker: Tracker
    registry: Registry
    test_audit: TestAudit
    report_progress: Callable[[Callable[[], str]], None] = lambda _progress: None
    is_in_mlflow: bool = True


class SweepArchive(Protocol):
    """A recorded sweep, to read from."""

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        ...

    @property
    def sweep(self) -> SweepRecord:
        """What was written down when the sweep started."""
        ...

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What the sweep finished with; None for a sweep that has not finished."""
        ...

    def recorded_results(self) -> list[Result]:
        """All recorded results of this sweep, in order of the trials' numbers."""
        ...

    def artifact(self, name: str) -> bytes | None:
        """The file of this name that is kept with the sweep; None where there is none."""
        ...

    def links(self, trials: Sequence[int]) -> TrackingLinks:
        """Links to this sweep, and to these of its trials."""
        ...
