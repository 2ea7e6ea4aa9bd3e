"""The main experiment on a cluster, recorded by a server, while a node is killed and the server is unavailable.

A Ray cluster of two nodes trains, and an MLflow server with passwords on PostgreSQL records, all on this machine. The results
must be those of two local workers that record in a file.

By default the experiment is scaled down, and the server is unavailable for as long as it takes to start it. As it is shipped,
on the real table, with the server unavailable for more than a minute:

    make slow ARGS=tests/end_to_end/test_together.py BRANCHSWEEP_TEST_IN_FULL=1 BRANCHSWEEP_TEST_TABLE=/path/to/Folds5x2_pp.xlsx
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

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.tracker import open_existing
from branchsweep.tracking.open import open_registry
from branchsweep.tracking.outbox import Outbox
from branchsweep.tracking.registry_protocols import Champion
from branchsweep.tracking.run_reader import open_recorded_sweep
from branchsweep.trial import Result, Status
from contracts.results import exact_texts
from ray_cluster import RayCluster
from recorded_runs import trial_runs
from servers import PASSWORDS, SharedServer, sign_in_variables

pytestmark = pytest.mark.slow

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
"""Few trials and two programs to compile; so many epochs that the search takes longer than the start of a second worker."""

WORKERS_ON_BOTH_NODES = r"training on 2 workers on 2 nodes$"
SEVERAL_POPULATIONS = r"training [\d,]+ networks in ([2-9]|\d\d)"
WORKER_LOST = r"a worker on .* was lost.* \(1 worker on 1 node left\)$"
SERVER_UNAVAILABLE = r"the server is unavailable: "
SERVER_AVAILABLE = r"the server is available again\b"
"""How the lines on standard error begin that say what happens: of another process the test knows nothing else in time."""


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Args:
        arguments: Arguments of the command, besides the experiment.
        unavailable_seconds: For how long the server is stopped, at least.
        waiting_trials: Finished trials that wait for the server by then, at least.
        uses_ray_client: Whether the sweep is no node of the cluster, and reaches it by a server of Ray (`ray://`), which a busy
            machine is slow to start.
        timeout: Seconds after which something that must happen has not happened.
    """

    arguments: Sequence[str]
    unavailable_seconds: float
    waiting_trials: int
    uses_ray_client: bool
    timeout: float


@pytest.fixture(scope="module")
def scale(request: pytest.FixtureRequest) -> Scale:
    if os.environ.get(IN_FULL):
        arguments = ["--data", str(request.getfixturevalue("real_table"))]
        return Scale(arguments, unavailable_seconds=70, waiting_trials=16, uses_ray_client=True, timeout=1800)
    arguments = [argument for key, value in SCALED_DOWN.items() for argument in ("--set", f"{key}={value}")]
    return Scale(arguments, unavailable_seconds=0, waiting_trials=4, uses_ray_client=False, timeout=300)


def wait_until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for a condition that can only be polled."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)


class SweepProcess:
    """`branchsweep run` in a process of its own, whose standard error is read while it runs; a context manager, which kills it.

    Args:
        folder: Its working directory; gets its standard error, with the seconds, as `stderr.log`.
        arguments: Arguments, besides the experiment.
        environment: Its environment variables.
        timeout: Seconds after which a line that must be printed has not been printed.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str], timeout: float) -> None:
        self.lines: list[str] = []
        self._folder, self._timeout, self._start, self._stdout = folder, timeout, time.monotonic(), ""
        self._changed, self._has_ended = threading.Condition(), False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "branchsweep", "run", str(EXPERIMENT), "--json", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._threads = [threading.Thread(target=target) for target in (self._read_stderr, self._read_stdout)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        with self._process:  # which closes the pipes
            for thread in self._threads:
                thread.join()

    def wait_for_line(self, pattern: str, after: int = 0) -> None:
        """Wait for a line of standard error that begins with the pattern.

        Args:
            pattern: A regular expression.
            after: The number of first lines that do not count.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_line(pattern, after) or self._has_ended, self._timeout)
            if not self._has_line(pattern, after):
                pytest.fail(f"'{pattern}' was not printed:\n" + "\n".join(self.lines))

    def wait_for_summary(self) -> dict[str, Any]:
        """The summary that it prints at its end."""
        code = self._process.wait(self._timeout)
        for thread in self._threads:
            thread.join()
        assert code == 0, self.lines
        summary: dict[str, Any] = json.loads(self._stdout)
        return summary

    def _has_line(self, pattern: str, after: int) -> bool:
        return any(re.match(pattern, line) for line in self.lines[after:])

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        with (self._folder / "stderr.log").open("w", encoding="utf-8") as log:
            for line in self._process.stderr:
                log.write(f"{time.monotonic() - self._start:6.1f}  {line}")
                log.flush()
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        self._stdout = self._process.stdout.read()


@dataclass(frozen=True)
class FinishedSweep:
    """A sweep that has finished.

    Args:
        folder: Its working directory.
        uri: The store that it is recorded in.
        summary: The summary that it printed.
        lines: The lines that it printed on standard error.
        waiting: The numbers of the trials that were in the outbox when the server was started again, in order.
    """

    folder: Path
    uri: str
    summary: Mapping[str, Any]
    lines: Sequence[str]
    waiting: Sequence[int] = ()

    @property
    def reproducible_summary(self) -> dict[str, Any]:
        """The summary without what differs from run to run."""
        return {key: value for key, value in self.summary.items() if key not in {"run_id", "seconds", "stages"}}

    @property
    def outbox_folder(self) -> Path:
        """The folder in which its trials wait for the server."""
        return self.folder / "cache" / "spool" / str(self.summary["run_id"])


@pytest.fixture(scope="module")
def variables(programs: Path) -> Iterator[Callable[[Path], dict[str, str]]]:
    """The environment variables of a command, by its folder; its user is Ada."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sign_in_variables("ada").items():
            patch.setenv(name, value)

        def environment(folder: Path) -> dict[str, str]:
            (folder / "cache").mkdir()
            (folder / "cache" / "programs").symlink_to(programs)
            offline = {"BRANCHSWEEP_CCPP_URL": "http://127.0.0.1:9/nobody-listens-here.zip", "NO_PROXY": "127.0.0.1"}
            return {
                **os.environ,
                **offline,
                "BRANCHSWEEP_CACHE": str(folder / "cache"),
                "PYTHONPATH": os.pathsep.join(sys.path),
            }

        yield environment


@pytest.fixture(scope="module")
def local_sweep(
    scale: Scale,
    variables: Callable[[Path], dict[str, str]],
    mlflow_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> FinishedSweep:
    """The experiment with two local workers, recorded in a file."""
    folder = tmp_path_factory.mktemp("local")
    uri = f"sqlite:///{shutil.copy(mlflow_template, folder / 'mlflow.db')}"
    arguments = [*scale.arguments, "--workers", "2", "--tracking-uri", uri]
    with SweepProcess(folder, arguments, variables(folder), scale.timeout) as process:
        return FinishedSweep(folder, uri, process.wait_for_summary(), process.lines)


@pytest.fixture(scope="module")
def cluster_sweep(
    scale: Scale,
    variables: Callable[[Path], dict[str, str]],
    nodes: RayCluster,
    server: SharedServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> FinishedSweep:
    """The same on the cluster, recorded by the server; meanwhile a node is killed, and the server is stopped and started."""
    folder = tmp_path_factory.mktemp("cluster")
    workers = nodes.client_address if scale.uses_ray_client else nodes.address
    arguments = [*scale.arguments, "--workers", workers, "--tracking-uri", server.uri]
    with SweepProcess(folder, arguments, variables(folder), scale.timeout) as process:
        process.wait_for_line(WORKERS_ON_BOTH_NODES)
        wait_until(lambda: any_recorded(server.uri), "a trial is recorded", scale.timeout)
        outbox = Outbox(folder / "cache" / "spool" / open_existing(Address(server.uri), "branched").run_id)
        process.wait_for_line(SEVERAL_POPULATIONS, after=len(process.lines))  # both nodes have something to train
        nodes.kill_second_node()
        server.stop()
        try:
            wait_for_outage(process, outbox, scale)
            waiting = numbers(outbox)
        finally:
            server.start()
        process.wait_for_line(SERVER_AVAILABLE)
        return FinishedSweep(folder, server.uri, process.wait_for_summary(), process.lines, waiting)


def wait_for_outage(process: SweepProcess, outbox: Outbox, scale: Scale) -> None:
    """Wait until the sweep has noticed that a worker is lost and the server unavailable, and trials wait in the outbox."""
    stopped = time.monotonic()
    process.wait_for_line(WORKER_LOST)
    process.wait_for_line(SERVER_UNAVAILABLE)

    def is_over() -> bool:
        return len(numbers(outbox)) >= scale.waiting_trials and time.monotonic() - stopped > scale.unavailable_seconds

    what = f"{scale.waiting_trials} trials wait for a server that is unavailable for {scale.unavailable_seconds:g} s"
    wait_until(is_over, what, scale.timeout)


def any_recorded(uri: str) -> bool:
    """Whether a trial of the sweep is recorded and has ended, complete or pruned."""
    try:
        return any(status in {"FINISHED", "KILLED"} for _, status in trial_runs(open_existing(Address(uri), "branched")))
    except TrackingError:  # there is no such sweep yet
        return False


def numbers(outbox: Outbox) -> list[int]:
    """The numbers of the trials in an outbox, in order."""
    return [result.trial.number for _, results in outbox.found() for result in results]


def test_the_summary_is_that_of_local_workers(local_sweep: FinishedSweep, cluster_sweep: FinishedSweep) -> None:
    assert cluster_sweep.reproducible_summary == local_sweep.reproducible_summary
    summary = cluster_sweep.summary
    assert summary["finalist"] and summary["test"] and summary["registered"]["promoted"]


def test_every_trial_equals_that_of_local_workers_to_the_last_bit(
    local_sweep: FinishedSweep, cluster_sweep: FinishedSweep
) -> None:
    """Params, scores of every head and lane, statuses, reasons, rungs and learning curves; all but the seconds."""
    recorded, expected = (open_recorded_sweep(Address(sweep.uri), "branched") for sweep in (cluster_sweep, local_sweep))
    results = recorded.recorded_results()
    assert texts_without_seconds(results) == texts_without_seconds(expected.recorded_results())
    assert len(results) == sum(cluster_sweep.summary["trials"].values())
    assert {result.score.status for result in results} >= {Status.COMPLETE, Status.PRUNED}
    for result in results:
        assert recorded.curves(result.trial.number) == expected.curves(result.trial.number) != {}


def texts_without_seconds(results: Sequence[Result]) -> list[str]:
    return exact_texts([replace(result, score=replace(result.score, seconds=0.0)) for result in results])


def test_the_champion_is_the_same_network(local_sweep: FinishedSweep, cluster_sweep: FinishedSweep) -> None:
    (champion, network), (expected_champion, expected_network) = (
        registered_champion(sweep) for sweep in (cluster_sweep, local_sweep)
    )
    assert repr(champion) == repr(expected_champion)
    assert network == expected_network


def registered_champion(sweep: FinishedSweep) -> tuple[Champion, dict[str, bytes]]:
    """The champion without its sweep's id, and its layers, weights and scalers as they are in the registry."""
    registry = open_registry(Address(sweep.uri))
    champion = registry.champion(sweep.summary["registered"]["model"])
    assert champion is not None and champion.sweep == sweep.summary["run_id"]
    with registry.model_files(champion.model, champion.version) as folder, zipfile.ZipFile(folder / "model.keras") as network:
        layers = re.sub(rb'"shared_object_id": \d+', b"", network.read("config.json"))  # an address in the memory of Keras
        parts = {
            "layers": layers,
            "weights": network.read("model.weights.h5"),
            "scalers": (folder / "serving.json").read_bytes(),
        }
        return replace(champion, sweep=""), parts


def test_every_trial_is_recorded_once_and_those_that_waited_in_order(cluster_sweep: FinishedSweep) -> None:
    """First the batch that was being delivered when the server was stopped, then all others, each in order of the numbers."""
    recorded = trial_runs(open_existing(Address(cluster_sweep.uri), "branched"))
    in_order_of_start, waiting = [number for number, _ in recorded], cluster_sweep.waiting
    assert sorted(in_order_of_start) == list(range(sum(cluster_sweep.summary["trials"].values())))
    assert {status for _, status in recorded} <= {"FINISHED", "KILLED"}
    assert len(waiting) == len(set(waiting))
    delivered_later = [number for number in in_order_of_start if number in waiting]
    assert delivered_later in [[*sorted(waiting[:first]), *sorted(waiting[first:])] for first in range(len(waiting))]


def test_the_outbox_is_empty(local_sweep: FinishedSweep, cluster_sweep: FinishedSweep) -> None:
    assert not cluster_sweep.outbox_folder.exists()
    assert not local_sweep.outbox_folder.exists()


def test_messages_report_each_failure_once_while_training_continues(cluster_sweep: FinishedSweep) -> None:
    lost, unavailable, available = (
        line_number(cluster_sweep, pattern) for pattern in (WORKER_LOST, SERVER_UNAVAILABLE, SERVER_AVAILABLE)
    )
    assert lost < available and unavailable < available
    while_unavailable = cluster_sweep.lines[unavailable:available]
    assert cluster_sweep.uri in while_unavailable[0] and str(cluster_sweep.outbox_folder) in while_unavailable[0]
    assert any(re.match(r"training \d+ networks?\b", line) for line in while_unavailable)


def line_number(sweep: FinishedSweep, pattern: str) -> int:
    """The index of the one line on standard error that begins with the pattern."""
    (index,) = [index for index, line in enumerate(sweep.lines) if re.match(pattern, line)]
    return index


def test_passwords_are_stored_nowhere(
    cluster_sweep: FinishedSweep, server: SharedServer, nodes: RayCluster, postgresql_programs: Path
) -> None:
    """Neither in the store, nor in a file of the server, the driver or the cluster, nor in what was printed."""
    folders = [cluster_sweep.folder, server.folder, nodes.folder, nodes.cache]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    names = {file.name for file in files}
    assert names >= {"stderr.log", "raylet.out", "experiment.yaml"}, "the right folders"
    texts = [server.dump(postgresql_programs), json.dumps(cluster_sweep.summary), *cluster_sweep.lines]
    contents = b"".join([*(file.read_bytes() for file in files), *(text.encode() for text in texts)])
    for password in PASSWORDS.values():
        assert password.encode() not in contents
