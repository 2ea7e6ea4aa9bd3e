"""The roles: what the flows ask of the engines. Each has a few verbs, and any object that has them may play it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from branchsweep.experiment import Experiment, Objective
from branchsweep.findings import Findings
from branchsweep.population import Floats, Line, Outcome, Weights
from branchsweep.recipe import Recipe
from branchsweep.trial import Params, Result, Trial
from branchsweep.workshop import Workshop


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


@dataclass(frozen=True, slots=True)
class Member:
    """One trained network of a model that leaves the house.

    Args:
        recipe: What was trained.
        weights: Its kept weights.
        share: Its part in the mean of the members' predictions; the shares of a model add up to 1.
        epochs: How many it was trained; 0 where nobody says.
    """

    recipe: Recipe
    weights: Weights
    share: float = 1.0
    epochs: int = 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a model's recipes leave open: with it, whoever has the table can train the model anew.

    Args:
        columns: The target column of each head, in order.
        losses: The loss of each head: `mse`, `mae` or `huber`.
        epochs: What a schedule is laid out for where a recipe does not say less.
        test_fraction: Of scikit-learn's `train_test_split`.
        test_seed: Likewise.
        sheet: The sheet of an xlsx file, by name or by position from 0; None for the first.
        duplicates: What became of rows that repeat an earlier one: `keep` or `drop`.
        invalid: What became of rows with a missing or non-numeric value: `error` or `drop`.
    """

    columns: Mapping[str, str]
    losses: Mapping[str, str]
    epochs: int
    test_fraction: float
    test_seed: int
    sheet: str | int | None = None
    duplicates: str = "keep"
    invalid: str = "error"

    @classmethod
    def of(cls, experiment: Experiment) -> Provenance:
        """What the models of an experiment come from."""
        return cls(
            columns=dict(experiment.columns),
            losses={name: head.loss for name, head in experiment.heads.items()},
            epochs=experiment.fit.epochs,
            test_fraction=experiment.test.fraction,
            test_seed=experiment.test.seed,
            sheet=experiment.table.sheet,
            duplicates=experiment.table.duplicates,
            invalid=experiment.table.invalid,
        )


@dataclass(frozen=True, slots=True)
class FinishedModel:
    """What leaves the house: trained networks, and what their columns are called.

    Args:
        members: At least one; they may differ in anything but inputs and heads.
        inputs: Names of the input columns, in order.
        units: Unit by head, in the order of the heads.
        provenance: Written down for who wants to train the model anew; None where nobody knows.
    """

    members: Sequence[Member]
    inputs: Sequence[str]
    units: Mapping[str, str]
    provenance: Provenance | None = None


class Trainer(Protocol):
    """Trains populations, and turns trained lanes into a model. Four verbs."""

    @property
    def workshop(self) -> Workshop:
        """How many populations train at once, and on what: lanes are packed for it."""
        ...

    def train(self, line: Line, keep_weights: bool = False) -> Iterator[tuple[int, Outcome]]:
        """Train every population to its stops; yields (position, outcome) as they finish, in any order.

        What is added to the line meanwhile is trained as well, until nobody waits. A lane's outcome does not depend on the
        other lanes, nor on where or when its population was trained.
        """
        ...

    def export(self, folder: Path, model: FinishedModel) -> None:
        """Write lanes that were trained on all training rows as one model: `model.keras` and `serving.json`.

        It predicts the mean of what its members do in natural units, each with its share.

        Args:
            folder: Made if it is not there.
            model: The lanes, and what their columns are called.
        """
        ...

    def predict(self, folder: Path, x: Floats) -> Floats:
        """What the exported model says: inputs `(rows, inputs)` to targets `(rows, heads)`, both in natural units."""
        ...

    def clock(self, folder: Path, x: Floats) -> float:
        """Seconds that the exported model takes to predict for inputs `(rows, inputs)` where it is served, loading apart."""
        ...


@dataclass(frozen=True, slots=True)
class Crew:
    """Who trains at the moment.

    Args:
        workers: Those that are there.
        training: Those of them that have something to do.
        waiting: Populations that nobody has begun.
        nodes: The machines of a cluster on which the workers are; 0 for processes of this machine.
    """

    workers: int = 0
    training: int = 0
    waiting: int = 0
    nodes: int = 0

    def __str__(self) -> str:
        where = f" on {self.nodes} node{'s' * (self.nodes != 1)}" if self.nodes else ""
        wait = f", {self.waiting} population{'s' * (self.waiting != 1)} waiting" if self.waiting else ""
        return f"{self.training} of {self.workers} training{where}{wait}"


class Watch(Protocol):
    """Is told how a sweep goes; shows it, or not."""

    def begin(self, experiment: Experiment, recorded: Sequence[Result]) -> None:
        """The search begins, or goes on after these results."""
        ...

    def asked(self, trials: int) -> None:
        """A round of so many trials begins, those of it that are recorded already among them."""
        ...

    def plan(self, lane_epochs: float, what: str, turn: int = 0) -> None:
        """So much is about to be trained, in addition to what was planned before.

        Args:
            lane_epochs: How much.
            what: The same in words.
            turn: In a search, for which of its rounds, from 0.
        """
        ...

    def trained(self, lane_epochs: float) -> None:
        """So much more has been trained."""
        ...

    def crew(self, crew: Crew) -> None:
        """Who trains at the moment; told several times a second, as long as something is trained."""
        ...

    def answered(self, result: Result) -> None:
        """A trial has its score."""
        ...

    def stage(self, sentence: str) -> None:
        """The search, or what else was going on, is over, and this is what comes now."""
        ...

    def say(self, sentence: str) -> None:
        """Something worth a line."""
        ...


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
class Pages:
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
class Candidate:
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
class Verdict:
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
class Conclusion:
    """What a finished sweep's record says of it.

    Args:
        metrics: The sweep's figures by name: those it was concluded with, and what the ledger added on the way.
        tags: Likewise (without the prefix `branchsweep.`).
    """

    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class Ledger(Protocol):
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
    def conclusion(self) -> Conclusion | None:
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

    def crown(self, candidate: Candidate, verdict: Verdict) -> Champion:
        """Register the candidate as a new version; give it the title if the verdict says so.

        Raises:
            LedgerError: The title is another one's by now than the one that the verdict was decided against.
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

    def pages(self, trials: Sequence[int]) -> Pages:
        """Where people see this sweep, and these of its trials."""
        ...

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str | bytes]) -> None:
        """Write the sweep's last figures, tags and artifacts (texts and pictures, by file name) and close it."""
        ...


class Archive(Protocol):
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


class ComparisonLedger(Protocol):
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

    def conclude(self, findings: Findings, files: Mapping[str, str | bytes]) -> None:
        """Write every contestant as a run of its own below the comparison's, the files as artifacts of that, and close it.

        Done again, it replaces what was written, whether all of it or, by a process that was killed, a part.
        """
        ...
