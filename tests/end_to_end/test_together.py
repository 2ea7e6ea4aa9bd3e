"""The main experiment with all that there is beyond one machine at once.

A Ray cluster of two nodes trains, and an MLflow server with passwords on PostgreSQL records, all on this machine. In the middle
a node is killed and the server is away for a while, and what comes out is what two local workers make of it.

Without more words the experiment is scaled down, and the server is away for as long as it takes to start it. As it is shipped,
on the real table, with the server away for more than a minute:

    make test ARGS=tests/end_to_end/test_together.py BRANCHSWEEP_TEST_IN_FULL=1 BRANCHSWEEP_TEST_TABLE=/path/to/Folds5x2_pp.xlsx
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest

from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.tracker import open_existing
from branchsweep.tracking.open import open_registry
from branchsweep.tracking.outbox import Outbox
from branchsweep.tracking.protocols import Champion
from branchsweep.tracking.run_reader import open_recorded_sweep
from branchsweep.trial import Result, Status
from contracts.results import exact_texts
from ray_cluster import RayCluster
from recorded_runs import trial_runs
from servers import PASSWORDS, SharedServer, sign_in_variables

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "branched.yaml"

IN_FULL = "BRANCHSWEEP_TEST_IN_FULL"
"""The environment variable under which nothing is scaled down."""

SCALED_DOWN = {
    "space": "{dimensions: {"
    "trunk.depth: {type: int, low: 1, high: 3}, trunk.width: {type: choice, choices: [8, 16]}, "
    "V.depth: {type: int, low: 0, high: 2}, learning_rate: {type: float, low: 1.0e-3, high: 3.0e-2, log: true}"
    "}, fixed: {branch.width: 8}}",
    "search.initial_trials": "{}",
    "search.trials": "28",
    "search.batch": "4",
    "search.pending_rounds": "1",
    "fit.epochs": "120",
    "pruning.rungs": "[30, 60]",
    "validation.folds": "2",
    "baselines": "[linear_regression]",
    "confirmation.trials": "1",
    "confirmation.folds": "2",
    "promotion.ensemble.size": "2",
}
"""Few trials and two programs to compile; so many epochs that the search takes longer than a second worker to come."""


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Args:
        words: What the command says besides.
        away: Seconds for which the server is away, at least.
        spooled: Finished trials that it does not have by then, at least.
        is_outside: Whether the sweep is no node of the cluster's, and reaches it by a server of Ray's (`ray://`), which a busy
            machine is slow to start.
        patience: Seconds until something that must come has not come.
    """

    words: Sequence[str]
    away: float
    spooled: int
    is_outside: bool
    patience: float


@pytest.fixture(scope="module")
def scale(request: pytest.FixtureRequest) -> Scale:
    if os.environ.get(IN_FULL):
        return Scale(
            ["--data", str(request.getfixturevalue("real_table"))], away=70, spooled=16, is_outside=True, patience=1800
        )
    words = [word for key, value in SCALED_DOWN.items() for word in ("--set", f"{key}={value}")]
    return Scale(words, away=0, spooled=4, is_outside=False, patience=300)


def until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for something that can only be looked at."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)


class Command:
    """A sweep in a process of its own, and what it says while it runs; a context manager, which leaves no process behind.

    Args:
        folder: Where it runs; gets what was said, with the seconds, as `said.log`.
        words: What it is told, besides the experiment.
        environment: Its variables.
        patience: Seconds until a line that must come has not come.
    """

    def __init__(self, folder: Path, words: Sequence[str], environment: Mapping[str, str], patience: float) -> None:
        self.lines: list[str] = []
        self._folder, self._patience, self._began, self._answer = folder, patience, time.monotonic(), ""
        self._changed, self._is_over = threading.Condition(), False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "branchsweep", "run", str(EXPERIMENT), "--json", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._threads = [threading.Thread(target=target) for target in (self._listen, self._take)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        with self._process:  # which closes the pipes
            for thread in self._threads:
                thread.join()

    def hear(self, pattern: str, after: int = 0) -> int:
        """Wait for a line of standard error that begins so, not among the first ones; returns how many there were with it."""
        with self._changed:
            self._changed.wait_for(lambda: self._place(pattern, after) or self._is_over, self._patience)
            place = self._place(pattern, after)
            if not place:
                pytest.fail(f"'{pattern}' was not heard:\n" + "\n".join(self.lines))
            return place

    def end(self) -> dict[str, Any]:
        """The summary that it prints in the end."""
        code = self._process.wait(self._patience)
        for thread in self._threads:
            thread.join()
        assert code == 0, self.lines
        summary: dict[str, Any] = json.loads(self._answer)
        return summary

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def _place(self, pattern: str, after: int) -> int:
        heard = (place for place, line in enumerate(self.lines, start=1) if place > after and re.match(pattern, line))
        return next(heard, 0)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with (self._folder / "said.log").open("w", encoding="utf-8") as log:
            for line in self._process.stderr:
                log.write(f"{self.seconds:6.1f}  {line}")
                log.flush()
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _take(self) -> None:
        assert self._process.stdout is not None
        self._answer = self._process.stdout.read()


@dataclass(frozen=True)
class Sweep:
    """A sweep that came to its end.

    Args:
        folder: Where it ran.
        uri: Where it is recorded.
        summary: What it printed.
        said: What it said.
        seconds: How long it took.
        spooled: The numbers of the trials that waited on disk when the server was started again, in order.
    """

    folder: Path
    uri: str
    summary: Mapping[str, Any]
    said: Sequence[str]
    seconds: float
    spooled: Sequence[int] = ()

    @property
    def figures(self) -> dict[str, Any]:
        """The summary without what differs from run to run."""
        return {key: value for key, value in self.summary.items() if key not in {"run_id", "seconds"}}

    @property
    def spool(self) -> Path:
        """Where its trials wait for the server."""
        return self.folder / "cache" / "spool" / str(self.summary["run_id"])


@pytest.fixture(scope="module")
def variables(programs: Path) -> Iterator[Callable[[Path], dict[str, str]]]:
    """What a command's environment is, by its folder: whoever sweeps here is Ada."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sign_in_variables("ada").items():
            patch.setenv(name, value)

        def of(folder: Path) -> dict[str, str]:
            (folder / "cache").mkdir()
            (folder / "cache" / "programs").symlink_to(programs)
            offline = {"BRANCHSWEEP_CCPP_URL": "http://127.0.0.1:9/nobody-listens-here.zip", "NO_PROXY": "127.0.0.1"}
            return {
                **os.environ,
                **offline,
                "BRANCHSWEEP_CACHE": str(folder / "cache"),
                "PYTHONPATH": os.pathsep.join(sys.path),
            }

        yield of


@pytest.fixture(scope="module")
def near(
    scale: Scale,
    variables: Callable[[Path], dict[str, str]],
    mlflow_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Sweep:
    """The experiment with two local workers, recorded in a file."""
    folder = tmp_path_factory.mktemp("near")
    uri = f"sqlite:///{shutil.copy(mlflow_template, folder / 'mlflow.db')}"
    words = [*scale.words, "--workers", "2", "--tracking-uri", uri]
    with Command(folder, words, variables(folder), scale.patience) as command:
        summary = command.end()
        return Sweep(folder, uri, summary, command.lines, command.seconds)


@pytest.fixture(scope="module")
def far(
    scale: Scale,
    variables: Callable[[Path], dict[str, str]],
    nodes: RayCluster,
    server: SharedServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Sweep:
    """The same on the cluster, recorded on the server; a node is killed and the server is away in the middle."""
    folder = tmp_path_factory.mktemp("far")
    workers = nodes.client_address if scale.is_outside else nodes.address
    words = [*scale.words, "--workers", workers, "--tracking-uri", server.uri]
    with Command(folder, words, variables(folder), scale.patience) as command:
        command.hear("training on 2 workers on 2 nodes")
        until(lambda: any_recorded(server.uri), "a trial is recorded", scale.patience)
        spool = Outbox(folder / "cache" / "spool" / open_existing(server.uri, "branched").run_id)
        command.hear(r"training \d+ lanes in [^1]", after=len(command.lines))  # both nodes have something to train
        nodes.kill_second_node()
        server.stop()
        gone = time.monotonic()
        try:
            command.hear("a worker on .* was lost")
            command.hear("the server is away: ")
            waits = f"{scale.spooled} trials wait for a server that is away for {scale.away:g} s"
            until(lambda: len(numbers(spool)) >= scale.spooled and time.monotonic() - gone > scale.away, waits, scale.patience)
            spooled = numbers(spool)
        finally:
            server.start()
        command.hear("the server is back")
        summary = command.end()
        return Sweep(folder, server.uri, summary, command.lines, command.seconds, spooled)


def any_recorded(uri: str) -> bool:
    """Whether a trial of the sweep stands there, written to its end."""
    try:
        return any(status == "FINISHED" for _, status in trial_runs(open_existing(uri, "branched")))
    except TrackingError:  # there is no such sweep yet
        return False


def numbers(spool: Outbox) -> list[int]:
    """Of the trials that wait, in order."""
    return [result.trial.number for _, results in spool.found() for result in results]


def test_the_result_is_that_of_local_workers(near: Sweep, far: Sweep) -> None:
    assert far.figures == near.figures
    assert far.summary["best"] and far.summary["test"] and far.summary["champion"]["crowned"]


def test_every_trial_equals_that_of_local_workers_to_the_last_bit(near: Sweep, far: Sweep) -> None:
    """Params, scores of every head and lane, statuses, reasons, rungs and learning curves; all but the seconds."""
    ours, theirs = (open_recorded_sweep(sweep.uri, "branched") for sweep in (far, near))
    assert timeless(ours.recorded_results()) == timeless(theirs.recorded_results())
    assert len(ours.recorded_results()) == sum(far.summary["trials"].values())
    assert {result.score.status for result in ours.recorded_results()} >= {Status.COMPLETE, Status.PRUNED}
    for result in ours.recorded_results():
        assert ours.curves(result.trial.number) == theirs.curves(result.trial.number) != {}


def timeless(results: Sequence[Result]) -> list[str]:
    return exact_texts([replace(result, score=replace(result.score, seconds=0.0)) for result in results])


def test_the_champion_is_the_same_network(near: Sweep, far: Sweep) -> None:
    (ours, our_network), (theirs, their_network) = crowned(far), crowned(near)
    assert repr(ours) == repr(theirs)
    assert our_network == their_network


def crowned(sweep: Sweep) -> tuple[Champion, dict[str, bytes]]:
    """The champion without its sweep's id, and what it is made of, weights and scalers, as the registry gives it back."""
    registry = open_registry(sweep.uri)
    champion = registry.champion(sweep.summary["champion"]["model"])
    assert champion is not None and champion.sweep == sweep.summary["run_id"]
    with registry.model_files(champion.model, champion.version) as folder, zipfile.ZipFile(folder / "model.keras") as network:
        layers = re.sub(rb'"shared_object_id": \d+', b"", network.read("config.json"))  # where it lay in Keras's memory
        parts = {
            "layers": layers,
            "weights": network.read("model.weights.h5"),
            "scalers": (folder / "serving.json").read_bytes(),
        }
        return replace(champion, sweep=""), parts


def test_every_trial_is_recorded_once_and_those_that_waited_in_order(far: Sweep) -> None:
    """First what was just being delivered when the server went, then all that waited, each in order of the numbers."""
    recorded = trial_runs(open_existing(far.uri, "branched"))
    numbers = [number for number, _ in recorded]
    assert sorted(numbers) == list(range(sum(far.summary["trials"].values())))
    assert {status for _, status in recorded} == {"FINISHED"}
    assert len(far.spooled) == len(set(far.spooled))
    late = [number for number in numbers if number in far.spooled]
    deliveries = ([sorted(far.spooled[:first]), sorted(far.spooled[first:])] for first in range(len(far.spooled)))
    assert late in [[*first, *rest] for first, rest in deliveries]


def test_the_outbox_is_empty(near: Sweep, far: Sweep) -> None:
    assert not far.spool.exists()
    assert not near.spool.exists()


def test_failures_are_reported_once_while_training_continues(far: Sweep) -> None:
    lost = said(far, r"a worker on .* was lost; what it had begun is trained again elsewhere \(1 worker on 1 node left\)$")
    away = said(far, r"the server is away: recording trial \d+ failed at .* Training goes on, and what is finished waits in .*")
    back = said(far, r"the server is back and has \d+ finished trials? more(, \d+ follow)?$")
    assert lost < back and away < back
    assert any(re.match(r"training \d+ lanes in", line) for line in far.said[away:back])


def said(sweep: Sweep, pattern: str) -> int:
    """The place of the one line that reads so."""
    (place,) = [place for place, line in enumerate(sweep.said) if re.match(pattern, line)]
    return place


def test_passwords_are_stored_nowhere(far: Sweep, server: SharedServer, nodes: RayCluster, postgresql_programs: Path) -> None:
    """Neither in the store, nor in a file of the server's, the driver's or the cluster's, nor in what was said."""
    folders = [far.folder, server.folder, nodes.folder, nodes.cache]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    names = {file.name for file in files}
    assert names >= {"said.log", "raylet.out", "experiment.yaml"}, "the right folders"
    texts = [server.dump(postgresql_programs), json.dumps(far.summary), *far.said]
    contents = b"".join([*(file.read_bytes() for file in files), *(text.encode() for text in texts)])
    for password in PASSWORDS.values():
        assert password.encode() not in contents
