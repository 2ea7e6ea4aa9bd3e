"""Checks that two versions of branchsweep compute the same search results, bit for bit.

    python -m benchmarks.same_scores --data TABLE --old CHECKOUT [EXPERIMENT ...] [--save FOLDER] [--json]
    python -m benchmarks.same_scores --data TABLE --reference FILE [FILE ...] [--json]

Each experiment (by default `experiments/branched.yaml` and `experiments/quickstart.yaml`) is run twice with `branchsweep run`,
each time in a new process, in an empty folder and with an empty compile cache: once with the source code of the old checkout,
once with the source code that this script belongs to. Both runs must be made on the same machine, because the last bits of a
score depend on the processor and on the versions of the libraries.

Then both tracking stores are read with `MlflowClient` only, so that the comparison does not depend on names in the code of
either version. Compared are:

- which trials were asked: numbers, params with their types, name of the known configuration;
- status and reason of each trial. Of a reason, the numbers must be equal (rung, epoch, place); a different wording is listed;
- every metric of each trial with all its steps, which includes the learning curves, and the scores at the rungs and by lane;
- the sweep's key, digests and settings, its metrics, and the numbers of its summary (confirmation, test rows, references).

What exists on one side only is listed, and counts as a difference if it is one of the core figures (see `CORE`) or if all of a
trial is missing. Durations, times, run ids and versions are not compared.

`--save FOLDER` keeps what was read from the old version as `FOLDER/reference_<experiment>.json`. With `--reference`, these
files take the place of the old version, and each experiment is run once, with the present version.

The exit code is 1 if there are differences.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

EXPERIMENTS = ("experiments/branched.yaml", "experiments/quickstart.yaml")

PREFIX = "branchsweep."
"""Prefix of the tags that branchsweep writes."""

SWEEP = "sweep"
"""Name under which the figures of the sweep itself are kept, next to the trials."""

CORE = ("number", "params", "known", "status", "r2/", "r2_se/", "rmse/", "mae/", "curve_r2/", "rungs", "lanes_r2", "epochs")
"""Figures of a trial that both versions must record: names that begin with one of these."""

SWEEP_CORE = ("key", "data_digest", "split_digest", "test_digest", "heads", "seed", "best_r2/", "test_r2/", "trials/")
"""The same for the sweep: its key decides whether a stored sweep is resumed."""

JSON_TAGS = ("params", "rungs", "lanes_r2", "summary", "heads", "objective")
"""Tags that hold JSON, of which each value is compared."""

RENAMED = {"r2": "scores", "r2_se": "scores_se", "test_r2": "test_scores"}
"""Fields of a summary that the version before named after the one metric that there was, and their names now."""

NOT_COMPARED = re.compile(
    r"(^|[./_])(seconds|run_id|location|when)($|[./_\[])"  # durations, ids, paths and times, wherever they stand
    r"|^(sweep|role|alive|holder|view|meetings|test_evaluations|question|git_commit|data_location|device)$"
    r"|^version(_|$)|^mlflow\."
)
"""Names that differ between two runs of one version, or that say where and by what was trained."""

LINES = 12
"""How many differences of one experiment are printed."""

Value = bool | int | float | str | None
Figures = dict[str, Value]


@dataclass
class Recorded:
    """What one version recorded of an experiment.

    Args:
        experiment: Path of the experiment, relative to the checkout.
        made_with: Commit or path of the source code.
        figures: By part (`sweep`, `trial 0`, `trial 1`, ...), the values by name.
    """

    experiment: str
    made_with: str
    figures: dict[str, Figures]

    def dumps(self) -> str:
        """Return the JSON text, from which `loads` restores every float exactly."""
        return json.dumps(vars(self), indent=0, ensure_ascii=False) + "\n"

    @classmethod
    def loads(cls, text: str) -> Recorded:
        """Restore what `dumps` returned."""
        return cls(**json.loads(text))


@dataclass
class Difference:
    """Result of comparing two versions on one experiment.

    Args:
        experiment: Path of the experiment.
        trials: Number of trials that both versions recorded.
        compared: Number of values that were compared; of these, `numbers` are numbers.
        numbers: Number of numeric values that were compared.
        differences: One line for each difference.
        notes: One line for each thing that differs and is allowed to.
    """

    experiment: str
    trials: int = 0
    compared: int = 0
    numbers: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run(tree: Path, experiment: str, table: Path | None, more: Sequence[str]) -> Recorded:
    """Run an experiment with the source code of a checkout, and return what it recorded.

    Args:
        tree: Root of the checkout, which has a folder `src`.
        experiment: Path of the experiment, relative to the checkout.
        table: Path of the table. If None, the command finds it.
        more: Additional arguments of `branchsweep run`.
    """
    with tempfile.TemporaryDirectory(prefix="same-scores-") as name:
        folder = Path(name)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        environment |= {"PYTHONPATH": str(tree / "src"), "BRANCHSWEEP_CACHE": str(folder / "cache")}
        check_source(tree, environment, folder)
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        data = ["--data", str(table.resolve())] if table else []
        command = [sys.executable, "-m", "branchsweep", "run", str(tree / experiment), "--tracking-uri", uri, *data, *more]
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise SystemExit(f"{shlex.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
        print(f"{experiment}: run with {tree} in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        return Recorded(experiment, commit(tree), read(uri))


def check_source(tree: Path, environment: Mapping[str, str], folder: Path) -> None:
    """Raise SystemExit unless processes with this environment import branchsweep from this checkout."""
    command = [sys.executable, "-c", "import branchsweep; print(branchsweep.__file__)"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    found = Path(done.stdout.strip())
    if not found.is_relative_to(tree / "src"):
        raise SystemExit(f"branchsweep is imported from {found}, expected a file in {tree / 'src'}")


def commit(tree: Path) -> str:
    """Return the commit of a checkout; its path if it is not a git repository."""
    command = ["git", "-C", str(tree), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or str(tree)


def read(uri: str) -> dict[str, Figures]:
    """Read the newest sweep of a tracking store and all its trials, without code of branchsweep."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    runs: list[Any] = []
    token: str | None = None
    while True:
        page = client.search_runs(ids, max_results=1000, order_by=["start_time DESC"], page_token=token)
        runs, token = runs + list(page), page.token
        if not token:
            break
    parents = [run for run in runs if run.data.tags.get(f"{PREFIX}role") == "sweep"]
    if not parents:
        raise SystemExit(f"no run in {uri} has the tag {PREFIX}role = sweep")
    parent = parents[0]
    figures = {SWEEP: sweep_figures(parent)}
    for child in runs:
        if child.data.tags.get("mlflow.parentRunId") == parent.info.run_id and f"{PREFIX}trial" in child.data.tags:
            part = f"trial {child.data.tags[f'{PREFIX}trial']}"
            if part in figures:
                raise SystemExit(f"{part} stands in {uri} more than once")
            histories = {name: client.get_metric_history(child.info.run_id, name) for name in child.data.metrics}
            figures[part] = trial_figures(child, histories)
    return dict(sorted(figures.items(), key=lambda item: int(item[0].removeprefix("trial ") if item[0] != SWEEP else -1)))


def sweep_figures(parent: Any) -> Figures:
    """Return the figures of the sweep's run; of its metrics the last values, because their steps depend on time."""
    return dict(kept({"run_status": parent.info.status, **parent.data.metrics, **tag_values(parent.data.tags)}))


def trial_figures(child: Any, histories: Mapping[str, Sequence[Any]]) -> Figures:
    """Return the figures of a trial's run: tags, params as text, and each metric as `name@step`."""
    tags = tag_values(child.data.tags)
    found: Figures = {"run_status": child.info.status, "number": int(tags.pop("trial")), **tags}  # type: ignore[arg-type]
    found |= {f"param_text/{name}": value for name, value in child.data.params.items()}
    for name, points in histories.items():
        found |= {f"{name}@{point.step}": point.value for point in points}
    return dict(kept(found))


def kept(figures: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    """Yield what is compared."""
    for name, value in figures.items():
        if not NOT_COMPARED.search(name.partition("@")[0]):
            yield name, value


def tag_values(tags: Mapping[str, str]) -> Figures:
    """Return branchsweep's tags without their prefix; long tags, which are split in pieces, are joined, and JSON is parsed."""
    ours = {name.removeprefix(PREFIX): value for name, value in tags.items() if name.startswith(PREFIX)}
    pieces = sorted((name for name in ours if re.search(r":\d+$", name)), key=lambda name: int(name.rpartition(":")[2]))
    for piece in pieces:
        ours[piece.rpartition(":")[0]] += ours.pop(piece)
    found: Figures = {}
    for name, value in ours.items():
        if name in JSON_TAGS and value:
            found |= dict(leaves(json.loads(value), name))
        else:
            found[name] = value
    return found


def leaves(value: Any, name: str) -> Iterator[tuple[str, Value]]:
    """Yield each single value within a JSON value, with its path as name. An empty list or object is a value, too."""
    if isinstance(value, Mapping) and value:
        renamed = RENAMED if name.startswith("summary") else {}
        for key, inner in value.items():
            yield from leaves(inner, f"{name}/{renamed.get(key, key)}")
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{name}[{place}]")
    else:
        yield name, json.dumps(value) if isinstance(value, Mapping | list) else value


def compare(old: Recorded, new: Recorded) -> Difference:
    """Compare what two versions recorded of one experiment."""
    difference = Difference(old.experiment)
    only: dict[str, set[str]] = {}
    for part in {**old.figures, **new.figures}:
        if part not in old.figures or part not in new.figures:
            side = "new" if part in new.figures else "old"
            difference.differences.append(f"{part}: recorded by the {side} version only")
            continue
        difference.trials += part != SWEEP
        compare_part(part, old.figures[part], new.figures[part], difference, only)
    difference.notes += [f"recorded by the {side} only: {', '.join(sorted(names))}" for side, names in only.items()]
    if not difference.trials or not any(name.startswith("r2/mean") for figures in old.figures.values() for name in figures):
        difference.differences.append("the old version recorded no trial with the metric r2/mean: nothing was compared")
    return difference


def compare_part(part: str, old: Figures, new: Figures, difference: Difference, only: dict[str, set[str]]) -> None:
    """Compare the values of the sweep or of a trial, and add to the result."""
    core = SWEEP_CORE if part == SWEEP else CORE
    for name in {**old, **new}:
        if name not in old or name not in new:
            side = "new" if name in new else "old"
            if name.startswith(core) and not (side == "new" and name.startswith("curve_r2/")):
                difference.differences.append(f"{part}: {name} is recorded by the {side} version only")
            else:
                only.setdefault(side, set()).add(re.sub(r"@\d+|\[\d+\]|\[\d+\].*", "", name))
            continue
        difference.compared += 1
        difference.numbers += is_number(old[name])
        if is_same(old[name], new[name]):
            continue
        line = f"{part}: {name}: old {shown(old[name])}, new {shown(new[name])}"
        (difference.notes if is_wording(name, old[name], new[name]) else difference.differences).append(line)


def is_number(value: Value) -> bool:
    """Return whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_same(old: Value, new: Value) -> bool:
    """Return whether two values are of one type and equal; of floats all bits are compared, so NaN equals NaN."""
    if isinstance(old, float) and isinstance(new, float):
        return struct.pack("<d", old) == struct.pack("<d", new)
    return type(old) is type(new) and old == new


def is_wording(name: str, old: Value, new: Value) -> bool:
    """Return whether two different values are sentences with the same numbers."""
    if not (isinstance(old, str) and isinstance(new, str)) or not (" " in old and " " in new):
        return False
    if not (name == "reason" or name.startswith("summary")):
        return False
    number = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
    return number.findall(old) == number.findall(new)


def shown(value: Value) -> str:
    """Return a value as text; floats also by their bits."""
    return f"{value!r} ({value.hex()})" if isinstance(value, float) else repr(value)


def summary_text(difference: Difference, old: Recorded, new: Recorded) -> str:
    """Return the result of one experiment as lines."""
    lines = [
        f"{difference.experiment}: {difference.trials} trials, {difference.compared:,} values, "
        f"{difference.numbers:,} of them numbers "
        f"({old.made_with} against {new.made_with}): "
        + (f"{len(difference.differences):,} DIFFERENCES" if difference.differences else "equal to the last bit")
    ]
    lines += [f"  {line}" for line in difference.differences[:LINES]]
    if len(difference.differences) > LINES:
        lines.append(f"  ... and {len(difference.differences) - LINES:,} more")
    lines += [f"  note: {line}" for line in difference.notes[:LINES]]
    if len(difference.notes) > LINES:
        lines.append(f"  note: ... and {len(difference.notes) - LINES:,} more")
    return "\n".join(lines)


def main() -> None:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT", help="relative to the checkouts; " + " ".join(EXPERIMENTS)
    )
    parser.add_argument("--old", type=Path, metavar="CHECKOUT", help="a checkout of the version to compare with")
    parser.add_argument("--new", type=Path, metavar="CHECKOUT", default=ROOT, help="the checkout that this script belongs to")
    parser.add_argument("--reference", type=Path, nargs="+", metavar="FILE", help="saved results, instead of --old")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep what the old version recorded in this folder")
    parser.add_argument("--data", type=Path, metavar="TABLE", help="the table; else as `branchsweep data` finds it")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="passed to both runs")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    options = parser.parse_args()
    if (options.old is None) == (options.reference is None):
        parser.error("expected either --old CHECKOUT or --reference FILE")
    more = [word for override in options.overrides for word in ("--set", override)]
    differences = 0
    results = {}
    for old in old_results(options, more):
        new = run(options.new.resolve(), old.experiment, options.data, more)
        difference = compare(old, new)
        differences += len(difference.differences)
        results[old.experiment] = vars(difference)
        if not options.json:
            print(summary_text(difference, old, new), flush=True)
    if options.json:
        print(json.dumps(results, ensure_ascii=False))
    raise SystemExit(1 if differences else 0)


def old_results(options: argparse.Namespace, more: Sequence[str]) -> Iterator[Recorded]:
    """Yield what the old version recorded of each experiment: from saved files, or by running it."""
    if options.reference:
        for file in options.reference:
            saved = Recorded.loads(file.read_text(encoding="utf-8"))
            if not options.experiments or saved.experiment in options.experiments:
                yield saved
        return
    for experiment in options.experiments or EXPERIMENTS:
        old = run(options.old.resolve(), experiment, options.data, more)
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
            (options.save / f"reference_{Path(experiment).stem}.json").write_text(old.dumps(), encoding="utf-8")
        yield old


if __name__ == "__main__":
    main()
