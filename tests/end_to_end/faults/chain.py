"""A sweep, a promotion of another trial and a rollback, each a command of its own, and what they leave in the store."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from mlflow import MlflowClient

from branchsweep.config.addresses import Address
from branchsweep.errors import EXIT_CODE
from branchsweep.runtime import SETTLED_SECONDS, TEMPORARY, temporary_folder
from branchsweep.tracking.champion_history import ChampionHistory
from branchsweep.tracking.mlflow.registry import open_registry
from branchsweep.tracking.mlflow.tracker import open_existing
from branchsweep.tracking.run_reader import open_recorded_sweep
from branchsweep.workflows.records.sweep_summary import SweepSummary
from contracts.results import exact_texts
from processes import python_environment
from recorded_runs import copy_database, trial_runs

EXPERIMENT = """\
name: faults
table: {source: plant.csv, inputs: [a, b]}
heads: {y: {unit: MW}, z: {unit: t/h}}
space:
  dimensions:
    trunk.width: {type: choice, choices: [4, 8]}
    learning_rate: {type: float, low: 1.0e-3, high: 1.0e-1, log: true}
search: {driver: optuna, trials: 12, batch: 4}
fit: {epochs: 300}
pruning: {rungs: [100]}
validation: {method: k_fold, folds: 2}
baselines: [linear_regression]
confirmation: {trials: 2, folds: 2, seeds: 1}
promotion: {model: plant, ensemble: {size: 2}, gate: {first: any, alpha: 0.999, margin: 1, bootstrap: 100}}
"""
"""Three rounds with a rung. The gate is so wide open that the second best trial replaces the best one."""

LONGEST = 240.0
"""Seconds within which a command ends, or prints what is waited for."""

OF_A_RUN: Mapping[str, Any] = {
    "run_id": "",
    "sweep": "",
    "seconds": 0.0,
    "search_seconds": 0.0,
    "stages": {},
    "test_evaluations": 0,
}
"""What differs from run to run in the summary of a sweep, or counts all sweeps of a store."""


def write_inputs(folder: Path) -> None:
    """Write the experiment and its table into a new folder, with the folders for caches and temporary files."""
    for name in ("cache", "temporary"):
        (folder / name).mkdir(parents=True)
    (folder / "faults.yaml").write_text(EXPERIMENT, encoding="utf-8")
    numbers = random.Random(0)  # noqa: S311  # for a table
    rows = []
    for _ in range(160):
        a, b, noise, other_noise = (numbers.gauss(0, 1) for _ in range(4))
        rows.append(f"{a:.4f},{b:.4f},{a + b / 2 + noise / 5:.4f},{a * b + other_noise / 5:.4f}\n")
    (folder / "plant.csv").write_text(f"a,b,y,z\n{''.join(rows)}", encoding="utf-8")


@dataclass(frozen=True)
class Workspace:
    """A folder with an experiment, a store, caches and temporary files of its own.

    Args:
        folder: The folder; at the same path whenever it is restored, since the store names its files in full.
        prefix: Commands of a shell that come before each command.
    """

    folder: Path
    prefix: str = ""

    @classmethod
    def make(cls, folder: Path, programs: Path, database: Path) -> Workspace:
        """A new one.

        Args:
            folder: To be made.
            programs: The compiled programs that all of them share.
            database: An empty MLflow database.
        """
        write_inputs(folder)
        (folder / "cache" / "programs").symlink_to(programs)
        shutil.copy(database, folder / "mlflow.db")
        return cls(folder)

    @property
    def uri(self) -> str:
        """Its store."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def copy_to(self, target: Path) -> None:
        """Keep a copy, to be restored."""
        shutil.copytree(self.folder, target, symlinks=True)

    def restore(self, source: Path) -> None:
        """Have the contents of a copy again."""
        shutil.rmtree(self.folder)
        shutil.copytree(source, self.folder, symlinks=True)

    def start(self, *arguments: str, **variables: str) -> Command:
        """Start a command, which reads and writes in the folder."""
        own = {"BRANCHSWEEP_CACHE": str(self.folder / "cache"), "TMPDIR": str(self.folder / "temporary"), "COLUMNS": "250"}
        return Command(self.folder, ["-m", "branchsweep", *arguments], python_environment({**own, **variables}), self.prefix)

    def run(self, *arguments: str, **variables: str) -> Command:
        """A command that has ended."""
        with self.start(*arguments, **variables) as command:
            command.wait()
        return command


class Command:
    """A command in a process group of its own, whose standard error is read while it runs; a context manager, which kills it.

    Args:
        folder: Its working directory.
        arguments: Of Python.
        environment: Its environment variables.
        prefix: As of `Workspace`.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str], prefix: str = "") -> None:
        self.lines: list[tuple[float, str]] = []
        """The lines of standard error, each with the seconds since the start."""
        self.seconds = float("nan")
        """Until it ended."""
        self._changed, self._is_closed, self._begun = threading.Condition(), False, time.monotonic()
        shell = ["/bin/sh", "-c", f'{prefix} exec "$0" "$@"']
        self._process = subprocess.Popen(
            [*shell, sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.out = ""
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_stderr, self._read_stdout)]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for reader in self._readers:
            reader.join(LONGEST)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int:
        """Of its first process, and of its group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._begun

    @property
    def code(self) -> int:
        """Its exit code; minus the number of the signal by which it was killed."""
        assert self._process.returncode is not None, "it has ended"
        return self._process.returncode

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        with self._changed:
            return "\n".join(line for _, line in self.lines)

    @property
    def workers(self) -> list[int]:
        """The pids of its worker processes."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError):  # it has ended meanwhile
                parent = int((process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                if parent == self.pid and b"multiprocessing.spawn" in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return sorted(found)

    def opens(self, file: Path) -> bool:
        """Whether it has a file open."""
        with suppress(OSError):  # it has ended meanwhile
            return any(os.path.realpath(handle) == str(file) for handle in Path(f"/proc/{self.pid}/fd").iterdir())
        return False

    def second_of(self, pattern: str) -> float | None:
        """When it printed the first line that begins with a pattern, in seconds since its start; None if it has not."""
        with self._changed:
            return next((seconds for seconds, line in self.lines if re.match(pattern, line)), None)

    def wait_for_line(self, pattern: str) -> bool:
        """Wait for a line of standard error that begins with the pattern; returns whether it was printed before the end."""
        with self._changed:
            found = self._changed.wait_for(lambda: self.second_of(pattern) is not None or self._is_closed, LONGEST)
            assert found, f"'{pattern}' was not printed:\n{self.errors}"
        return self.second_of(pattern) is not None

    def wait(self) -> int:
        """Wait until it has ended; returns its exit code."""
        try:
            self._process.wait(LONGEST)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"it did not end within {LONGEST:g} s:\n{self.errors}") from error
        self.seconds = self.age
        if self._process.returncode >= 0:
            self.wait_for_processes()
        assert "Traceback" not in self.errors, self.errors
        return self.code

    def require_one_message(self) -> None:
        """Check that it has ended with one message, and the exit code of what a user can mend."""
        messages = [line for _, line in self.lines if line.startswith("error: ")]
        assert (self.code, len(messages)) == (EXIT_CODE, 1), self.errors

    def wait_for_processes(self) -> float:
        """Wait until all of its processes have ended, also those whose parent was killed; returns the seconds that it took."""
        begun = time.monotonic()
        for reader in self._readers:  # its pipes are closed once nobody holds them
            reader.join(LONGEST)
            assert not reader.is_alive(), "a process outlives the command"
        return time.monotonic() - begun

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self.lines.append((time.monotonic() - self._begun, line.rstrip("\n")))
                self._changed.notify_all()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        self.out = self._process.stdout.read()


def facts(workspace: Workspace, uri: str | None = None, sweep: str = "faults", model: str = "plant") -> dict[str, Any]:
    """All that matters of a finished sweep and its registered model, in a form that is equal for equal results.

    Args:
        workspace: Where the commands ran.
        uri: The store; that of the workspace if None.
        sweep: The sweep.
        model: The registered model.
    """
    with tempfile.TemporaryDirectory() as folder:
        # A copy, since MLflow keeps its connections to a database, which is replaced when the workspace is restored.
        copy = Path(folder) / "mlflow.db"
        if uri is None:
            copy_database(workspace.folder / "mlflow.db", copy)
        return {
            **_store_facts(Address(uri or f"sqlite:///{copy}"), sweep, model),
            "left behind": _left_behind(workspace.folder),
        }


def _store_facts(store: Address, sweep: str, model: str) -> dict[str, Any]:
    recorded, tracker = open_recorded_sweep(store, sweep), open_existing(store, sweep)
    open_registry(store).champion(model)  # as the next command does, it finishes what a killed one has begun
    client = MlflowClient(str(store), str(store))
    results = recorded.recorded_results()
    conclusion = recorded.conclusion
    history = open_registry(store).history(model)
    return {
        "trials": exact_texts([replace(result, score=replace(result.score, seconds=0.0)) for result in results]),
        "curves": [repr(recorded.curves(result.trial.number)) for result in results],
        "runs of trials": sorted(trial_runs(tracker)),
        "summary": _summary_facts(conclusion.summary if conclusion else ""),
        "files of the sweep": _artifact_names(client, recorded.run_id),
        **_registry_facts(store, history),
        "unfinished": _unfinished(client, tracker.experiment_id, model),
    }


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """The facts that differ, each with both values."""
    return [
        f"{name}: got {found.get(name)!r}, expected {expected.get(name)!r}"
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    ]


def _summary_facts(text: str) -> Any:
    summary = SweepSummary.loads(text)
    registered = summary.registered and replace(summary.registered, model="")
    data = {name: value for name, value in summary.data.items() if name != "location"}
    same = replace(summary, data=data, registered=registered, **OF_A_RUN)
    return repr(same)


def _registry_facts(store: Address, history: ChampionHistory) -> dict[str, Any]:
    registry = open_registry(store)
    networks = {}
    for version in history.versions:
        with registry.model_files(history.model, version.version) as folder, zipfile.ZipFile(folder / "model.keras") as network:
            parts = network.read("model.weights.h5"), (folder / "serving.json").read_bytes()
        networks[version.version] = hashlib.sha256(b"".join(parts)).hexdigest()
    return {
        "versions": [repr(replace(version, registered="", sweep="")) for version in history.versions],
        "champions": [(tenure.version, tenure.because) for tenure in history.tenures],
        "networks": networks,
    }


def _artifact_names(client: MlflowClient, run_id: str, folder: str = "") -> list[str]:
    names: list[str] = []
    for artifact in client.list_artifacts(run_id, folder or None):
        names += _artifact_names(client, run_id, artifact.path) if artifact.is_dir else [artifact.path]
    return names


def _unfinished(client: Any, experiment_id: str, model: str) -> dict[str, Any]:
    """The tags that say that something is being done, and the statuses of the logged models."""
    versions = client.search_model_versions(f"name = '{model}'")
    logged = list(client.search_logged_models([experiment_id]))
    tags = [tag for owner in (client.get_registered_model(model), *versions, *logged) for tag in owner.tags]
    return {
        "tags": [tag for tag in tags if tag in ("branchsweep.change", "branchsweep.registering")],
        "logged models": sorted(str(own.status) for own in logged if own.name == model),
    }


def _left_behind(folder: Path) -> list[str]:
    """Temporary files, waiting results and drafts, once the next command has deleted what a killed one left."""
    temporary = folder / "temporary"
    for abandoned in temporary.glob(f"{TEMPORARY}*"):  # as if time had passed
        os.utime(abandoned, times=(time.time(), time.time() - 2 * SETTLED_SECONDS))
    with temporary_folder(parent=temporary):
        pass
    left = [*temporary.iterdir(), *(folder / "cache").glob("spool/*"), *folder.rglob(".*.new")]
    return sorted(str(path.relative_to(folder)) for path in left)
