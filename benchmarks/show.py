"""How long `branchsweep show SWEEP` takes over a sweep of 2,000 trials in a local store: beside MLflow's client, from a shell.

    python -m benchmarks.show [--trials 2000] [--runs 5] [--quick] [--json]

The sweep is recorded through the real ledger (12 params, 20 metrics and four curves a trial). Each way is a process of its own,
started and waited for, in turn, the files in the system's cache: the medians, and those of the processor time, which a busy
machine changes little.

- `list`, `leaderboard`, `sorted`, `json`: what `branchsweep show` answers, without and with options;
- `mlflow_client`: a script that imports MLflow and searches the same runs, which is what one would write without this package;
- `python`: an interpreter that does nothing, below which no command gets.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial

from benchmarks import _measure
from benchmarks.tracking import record_of, trial
from branchsweep.config.addresses import Address
from branchsweep.tracking.mlflow.tracker import MlflowTracker

CLIENT = """
from mlflow import MlflowClient
client = MlflowClient("{uri}")
ids = [experiment.experiment_id for experiment in client.search_experiments()]
found, token = 0, None
while True:
    page = client.search_runs(ids, "tags.`branchsweep.role` = 'trial'", max_results=1000, page_token=token)
    found, token = found + len(page), page.token
    if not token:
        break
assert found == {trials}, found
"""


def seconds(command: list[str], uri: str, processor: list[float]) -> float:
    """From the start of a command to its end; its processor time is noted."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return took


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    trials, runs = (200, 3) if options.quick else (options.trials, options.runs)
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        began = time.perf_counter()
        MlflowTracker.open(record_of("shown"), Address(uri)).record([trial(number) for number in range(trials)])
        _measure.note(f"{trials} trials recorded in {time.perf_counter() - began:.0f} s")
        show = [sys.executable, "-m", "branchsweep", "show"]
        commands = {
            "list": show,
            "leaderboard": [*show, "shown"],
            "sorted": [*show, "shown", "--sort", "r2/a", "--status", "complete"],
            "json": [*show, "shown", "--json"],
            "mlflow_client": [sys.executable, "-c", CLIENT.format(uri=uri, trials=trials)],
            "python": [sys.executable, "-c", ""],
        }
        processor: dict[str, list[float]] = {name: [] for name in commands}
        ways = {name: partial(seconds, command, uri, processor[name]) for name, command in commands.items()}
        _measure.interleaved(ways, 1)  # into the system's cache
        medians = _measure.interleaved(ways, runs)
    ratio = medians["mlflow_client"] / medians["leaderboard"]
    _measure.conclude(
        {
            "trials": trials,
            "runs": runs,
            "seconds": medians,
            "processor_seconds": {name: statistics.median(of[1:]) for name, of in processor.items()},
            "ratio": ratio,
        },
        options.json,
    )


if __name__ == "__main__":
    main()
