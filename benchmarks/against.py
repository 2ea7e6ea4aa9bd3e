"""Runs a benchmark of this folder with two versions of branchsweep in turn, and compares their figures.

    python -m benchmarks.against NAME --old CHECKOUT [--quick] [--pairs 3] [--data TABLE] [--json] [-- MORE ...]

NAME is a benchmark that both versions have and that knows `--json`: `throughput`, `start`, `show`, `tracking`, and others. Each
run is a process of its own with the old checkout or the present one as its working folder, so that each version is measured by
its own form of the benchmark. The two versions take turns, and every second pair begins with the other one, so that a change of
the machine's speed affects both alike. Each version has a compile cache of its own, empty at first, which all its runs share.

Printed are, for each figure, the median of either version over all pairs, the ratio new / old of the medians, and the lowest
and highest ratio of a pair. Whether a low ratio is good depends on the figure: of milliseconds it is, of a `ratio` to a peer it
is not. A figure that only one version prints is listed.

What follows `--` is passed to the benchmark, such as `-- --trials 500`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.same_scores import check_source, commit

ROOT = Path(__file__).resolve().parent.parent

Figures = dict[str, float]

COMPILE = "import compileall, sys; compileall.compile_dir(sys.argv[1], quiet=2)"
"""Writes the bytecode of a folder, without which the first run would be slower than the others."""


class Version:
    """One version of the project, by its source code.

    Args:
        name: `old` or `new`.
        tree: Root of the checkout.
        cache: Folder for its compiled programs.
    """

    def __init__(self, name: str, tree: Path, cache: Path) -> None:
        self.name, self.tree = name, tree.resolve()
        cache.mkdir()
        self.environment = {**os.environ, "PYTHONPATH": str(self.tree / "src"), "BRANCHSWEEP_CACHE": str(cache)}
        self.environment.pop("MLFLOW_TRACKING_URI", None)
        self.runs: list[Figures] = []
        self.options: dict[str, str] = {}
        check_source(self.tree, self.environment, self.tree)
        for folder in ("src", "benchmarks"):
            command = [sys.executable, "-c", COMPILE, str(self.tree / folder)]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603

    def run(self, benchmark: str, more: Sequence[str]) -> None:
        """Run the benchmark once, and keep its figures."""
        command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--json", *more]
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603
            command, cwd=self.tree, env=self.environment, capture_output=True, text=True, check=False
        )
        measurements = last_object(done.stdout)
        if done.returncode or measurements is None:
            output = (done.stdout + done.stderr)[-3000:]
            raise SystemExit(f"{shlex.join(command)} in {self.tree} ended with {done.returncode}:\n{output}")
        print(f"{self.name}: {benchmark} took {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        flat = dict(leaves(measurements))
        self.runs.append({name: float(value) for name, value in flat.items() if is_figure(value)})
        self.options |= {name: json.dumps(value) for name, value in flat.items() if not is_figure(value)}


def last_object(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object in the last line that is one, or the whole text as one; None if there is none."""
    for candidate in (text, *reversed(text.splitlines())):
        try:
            measurements = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(measurements, dict):
            return measurements
    return None


def leaves(measurements: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value with its name; of nested objects the names are joined by a point."""
    for name, value in measurements.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def is_figure(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def compared(old: Sequence[Figures], new: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """Return the comparison of each figure that all runs of both versions have.

    Args:
        old: Figures of the old version, one mapping for each pair.
        new: Figures of the new version.

    Returns:
        By name: the medians `old` and `new`, their `ratio`, and the `lowest` and `highest` ratio of a pair. Ratios to 0 are
        NaN.
    """
    names = [name for name in old[0] if all(name in figures for figures in (*old, *new))]
    result = {}
    for name in names:
        medians = [statistics.median(figures[name] for figures in runs) for runs in (old, new)]
        ratios = [ratio(ours[name], theirs[name]) for theirs, ours in zip(old, new, strict=True)]
        result[name] = {
            "old": medians[0],
            "new": medians[1],
            "ratio": ratio(medians[1], medians[0]),
            "lowest": min(ratios),
            "highest": max(ratios),
        }
    return result


def ratio(new: float, old: float) -> float:
    """Return new / old; NaN if old is 0."""
    return new / old if old else math.nan


def table(measurements: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the lines to print. Counts that are the same in both versions, such as the number of trials, come in one line."""
    settings = [name for name, of in measurements.items() if of["old"] == of["new"] and float(of["old"]).is_integer()]
    shown = [name for name in measurements if name not in settings]
    width = max((len(name) for name in shown), default=0)
    yield f"{'':{width}} {'old':>10} {'new':>10} {'new/old':>8}  of a pair"
    for name in shown:
        of = measurements[name]
        pair = f"{of['lowest']:.3f} to {of['highest']:.3f}"
        yield f"{name:{width}} {of['old']:10.4g} {of['new']:10.4g} {of['ratio']:8.3f}  {pair}"
    if settings:
        yield "the same in both: " + ", ".join(f"{name} {measurements[name]['old']:.0f}" for name in settings)


def unequal(old: Version, new: Version) -> Iterator[str]:
    """Yield a line for each figure that one version lacks, and for each text that differs."""
    for one, other in ((old, new), (new, old)):
        lacking = sorted(set(one.runs[0]) - set(other.runs[0]))
        if lacking:
            yield f"printed by the {one.name} version only: {', '.join(lacking)}"
    for name in sorted(set(old.options) & set(new.options)):
        if old.options[name] != new.options[name]:
            yield f"{name}: old {old.options[name]}, new {new.options[name]}"


def main() -> None:
    """Run, compare and print."""
    given, more = sys.argv[1:], []
    if "--" in given:
        given, more = given[: given.index("--")], given[given.index("--") + 1 :]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", metavar="NAME", help="a benchmark of both versions, such as throughput")
    parser.add_argument("--old", type=Path, required=True, metavar="CHECKOUT", help="a checkout of the version to compare with")
    parser.add_argument("--new", type=Path, default=ROOT, metavar="CHECKOUT", help="the checkout that this script belongs to")
    parser.add_argument("--quick", action="store_true", help="the benchmark's scaled form")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each version: 3")
    parser.add_argument("--data", type=Path, metavar="TABLE", help="the table; else as `branchsweep data` finds it")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    options = parser.parse_args(given)
    more += ["--quick"] * options.quick + (["--data", str(options.data.resolve())] if options.data else [])
    with tempfile.TemporaryDirectory(prefix="against-") as folder:
        old, new = (Version(name, getattr(options, name), Path(folder) / name) for name in ("old", "new"))
        for pair in range(options.pairs):
            for version in (new, old) if pair % 2 else (old, new):
                version.run(options.name, more)
    measurements = compared(old.runs, new.runs)
    if options.json:
        print(json.dumps({"benchmark": options.name, "pairs": options.pairs, "figures": measurements}))
        return
    print(f"{options.name}, {options.pairs} pairs, medians: old is {commit(old.tree)}, new is {commit(new.tree)}")
    print("\n".join([*table(measurements), *unequal(old, new)]))


if __name__ == "__main__":
    main()
