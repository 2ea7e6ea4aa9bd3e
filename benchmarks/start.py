"""Seconds from a command to its first finished trial, and to its help.

    python -m benchmarks.start [--data PATH] [--quick] [--json]

`branchsweep run experiments/quickstart.yaml` in a fresh process, with a store of its own, until the store holds the first
finished trial: once with an empty compile cache and once more with what the first run left in it. Then `branchsweep --help`,
several times. The peer is a script that imports KerasTuner and ends after one trial of `RandomSearch`, over the same table,
space and epochs.

`--quick` stops the first run, too, at its first trial: the second finds less in the cache.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import _measure, _peers

ROOT = Path(__file__).parent.parent
RUN = [sys.executable, "-m", "branchsweep", "run", str(_measure.EXPERIMENTS / "quickstart.yaml")]
HELP = [sys.executable, "-m", "branchsweep", "--help"]

POLL_SECONDS = 0.05
"""How often the store is looked at."""

PATIENCE = 300.0
"""Seconds after which a command has failed."""


@contextlib.contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command with all its processes, silent, from the repository's root; it ends with the block."""
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)  # noqa: S603  # ours
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the command has come to its end."""
    return process.poll() is not None


def has_trial(store: Path) -> bool:
    """Whether a store holds a finished trial: a run with a parent, and with an end."""
    query = "SELECT 1 FROM runs JOIN tags USING (run_uuid) WHERE tags.key = 'mlflow.parentRunId' AND runs.end_time > 0 LIMIT 1"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=0.1)) as connection:
            return connection.execute(query).fetchone() is not None
    except sqlite3.Error:  # not there yet, or being made
        return False


def seconds_until(done: Callable[[], bool], began: float, process: subprocess.Popen[bytes], output: Path) -> float:
    """Waits; a command that ends otherwise, or never, says why."""
    while not done():
        if (ended(process) and not done()) or time.perf_counter() - began > PATIENCE:
            raise RuntimeError(f"the command did not get there:\n{output.read_text(encoding='utf-8')[-2000:]}")
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - began


def first_trial(table: list[str], to_the_end: bool) -> float:
    """Seconds from the command to the first finished trial in the store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = folder / "mlflow.db"
        began = time.perf_counter()
        with started([*RUN, *table, "--tracking-uri", f"sqlite:///{store}"], folder) as process:
            seconds = seconds_until(lambda: has_trial(store), began, process, folder / "output.txt")
            if to_the_end:
                process.wait(PATIENCE)
        return seconds


def whole_command(command: list[str]) -> float:
    """Seconds from a command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with started(command, Path(folder)) as process:
            code = process.wait(PATIENCE)
            seconds = time.perf_counter() - began
        if code:
            raise RuntimeError(f"{' '.join(command)} ended with {code}")
        return seconds


def main() -> None:
    """Measures and prints."""
    options = _measure.parser(__doc__).parse_args()
    table = ["--data", str(options.data.resolve())] if options.data else []
    with _measure.cold_cache():
        cold = first_trial(table, to_the_end=not options.quick)
        warm = statistics.median(first_trial(table, to_the_end=False) for _ in range(1 if options.quick else 3))
    helped = statistics.median(whole_command(HELP) for _ in range(3 if options.quick else 9))
    missing = _peers.why_no_keras_tuner()
    epochs = _measure.setting("quickstart", options.data).experiment.fit.epochs
    script = [sys.executable, "-m", "benchmarks._first_trial", "--epochs", str(epochs), *table]
    peer = None if missing else whole_command(script)
    measurements = {
        "ours_first_trial_cold_seconds": cold,
        "ours_first_trial_warm_seconds": warm,
        "keras_tuner_first_trial_seconds": peer,
        "ratio": peer and peer / warm,
        "help_seconds": helped,
        "epochs": epochs,
        **({"keras_tuner_missing": missing} if missing else {}),
    }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
