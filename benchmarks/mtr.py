"""Ten public multi-target regression tables beside published results: aRRMSE by outer cross-validation, ranks over tables.

    python -m benchmarks.mtr --tables FOLDER [--names slump,edm] [--folds 10] [--store FOLDER] [--workers N] [--set KEY=VALUE]
                             [--write] [--quick] [--json]

FOLDER has the tables as arff files and their targets in targets.json. Each table is one outer cross-validation of the
experiment `mtr.yaml`, which is the same for all: in every fold the sweep chooses on the training rows alone, and the test rows
are predicted once. Estimators of scikit-learn are fitted on the same folds. What is finished is kept in `--store`: the same
command goes on where it was stopped. `--write` puts the figures into benchmarks/README.md and draws docs/mtr.png.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks import _measure
from benchmarks._mtr_published import METHODS, PUBLISHED
from benchmarks._ranks import RankComparison, compare_ranks, draw_ranks
from branchsweep.config.addresses import Address
from branchsweep.config.codec import from_json, to_json
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.workers import LocalWorkersConfig
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.digest import combined_digest
from branchsweep.data.loading import completed_by_table
from branchsweep.errors import UserError
from branchsweep.metrics.relative_rmse import RRMSE, relative_rmse
from branchsweep.models.baselines import fit, make_estimators
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.types import Floats
from branchsweep.workflows.launch import launch_cross_validation
from branchsweep.workflows.session import Session, load_outer_rows

OURS = "branchsweep"

ESTIMATORS = (
    "joint_random_forest",
    "joint_extra_trees",
    "support_vector_regression",
    "linear_regression",
    "k_nearest_neighbors",
)
"""Fitted on the same folds, with scikit-learn's defaults."""

LOSS = "huber"
"""Of every head: some targets are counts, mostly 0, in which a squared error sees the largest rows alone."""

BEST = "best"
"""In place of a method: the best published figure of each table."""

MARKS = ("<!-- figures: mtr -->", "<!-- end -->")
"""Between them stand the figures in the README of the benchmarks."""

EXPERIMENT = Path(__file__).with_suffix(".yaml")
README = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).parents[1] / "docs" / "mtr.png"

LARGE = {"atp1d", "scpf", "oes97", "water-quality", "osales"}
"""Tables of more than 20,000 cells: they have half the trials, so that all take two hours together."""

HALVED = ("search.trials=15",)
"""What that changes."""

QUICK = (
    "search.trials=6",
    "search.batch=6",
    "fit.epochs=30",
    "space.dimensions.epochs.high=30",
    "confirmation.trials=2",
    "confirmation.folds=2",
    "promotion.ensemble.size=4",
    "space.dimensions.activation.choices=[relu]",
)
"""What `--quick` changes: the figures are not those of the benchmark then."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One model on one table.

    Args:
        mean: The aRRMSE: the mean over folds and heads of the relative RMSE.
        error: The standard error over the folds.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, by_fold: Floats) -> Measured:
        """From the relative RMSE `(folds, heads)`."""
        folds = by_fold.mean(axis=1)
        return cls(float(folds.mean()), float(folds.std(ddof=1) / np.sqrt(len(folds))))


@dataclass(frozen=True, slots=True)
class TableResult:
    """What was measured on one table.

    Args:
        folds: Outer folds.
        models: By name: ours, and the estimators.
        seconds: Wall time of our sweeps.
    """

    folds: int
    models: Mapping[str, Measured]
    seconds: float


def experiment_of(name: str, options: argparse.Namespace) -> Experiment:
    """The experiment of a table: `mtr.yaml` with its name, file and targets.

    Raises:
        UserError: The folder has no such table.
    """
    budget = QUICK if options.quick else HALVED if name in LARGE else ()
    overrides = [*table_overrides(name, options.tables), f"test.folds={options.folds}", *budget, *options.set]
    return load_experiment(EXPERIMENT, overrides)


def table_overrides(name: str, tables: Path) -> list[str]:
    """The overrides by which `mtr.yaml` is the experiment of a table.

    Args:
        name: Of the table.
        tables: The folder of arff files and targets.json.

    Raises:
        UserError: The folder has no such table.
    """
    known = json.loads((tables / "targets.json").read_text(encoding="utf-8"))
    if name not in known:
        raise UserError(f"got the table '{name}', expected one of {', '.join(known)} (targets.json)", "--names")
    heads = {f"head_{number}": {"column": target, "loss": LOSS} for number, target in enumerate(known[name])}
    return [f"name={name}", f"table.source={(tables / name).absolute()}.arff", f"heads={json.dumps(heads)}"]


def measure(name: str, options: argparse.Namespace, store: Path) -> TableResult:
    """Our nested aRRMSE on a table and that of the estimators, or what is recorded of them."""
    experiment = completed_by_table(experiment_of(name, options), None)
    workers = LocalWorkersConfig(kind="local", count=options.workers)
    session = Session(tracking_uri=Address(f"sqlite:///{store.absolute()}/mlflow.db"), workers=workers)
    result = launch_cross_validation(experiment, session)
    if result.without_model:
        raise UserError(f"{name}: the folds {result.without_model} have no model: no trial is complete", "fit")
    relative = [[of_head[RRMSE] for of_head in fold.metrics.values()] for fold in result.folds]
    ours = Measured.of(np.array(relative))
    _measure.note(f"{name}: aRRMSE {ours.mean:.4f} ± {ours.error:.4f}, in {result.seconds:.0f} s")
    dataset, splits = load_outer_rows(experiment, session)
    return TableResult(len(splits), {OURS: ours} | estimator_results(experiment, dataset, splits, store), result.seconds)


def estimator_results(experiment: Experiment, dataset: Dataset, splits: Sequence[Split], store: Path) -> dict[str, Measured]:
    """The estimators on the outer folds; each is kept in the store once it is measured."""
    key = combined_digest([dataset.digest, *(split.digest for split in splits)])[:16]
    found = {}
    for estimator in ESTIMATORS:
        kept = store / f"{experiment.name}-{estimator}-{key}.json"
        if not kept.is_file():
            of_folds = [estimator_relative_rmse(estimator, experiment, dataset, split) for split in splits]
            kept.write_text(to_json(Measured.of(np.array(of_folds))), encoding="utf-8")
        found[estimator] = from_json(Measured, kept.read_text(encoding="utf-8"))
        _measure.note(f"{experiment.name}: {estimator} {found[estimator].mean:.4f}")
    return found


def estimator_relative_rmse(name: str, experiment: Experiment, dataset: Dataset, split: Split) -> list[float]:
    """The relative RMSE of an estimator on the test rows of a fold, by head."""
    training, test = dataset.actual.rows(split.train), dataset.actual.rows(split.test)
    fitted = fit(make_estimators(name, kinds_by_head(experiment)), dataset.x[split.train], training, columns=dataset.columns)
    squared = np.square(fitted.predict(dataset.x[split.test]) - test.values)
    rmse = np.sqrt(np.nanmean(squared, axis=0)).tolist()
    return [relative_rmse(test, training, head, rmse[head]) for head in range(len(rmse))]


def comparisons(results: Mapping[str, TableResult]) -> tuple[RankComparison, RankComparison]:
    """The ranks among the published methods, and among the estimators on the same folds."""
    published = {name: {OURS: result.models[OURS].mean, **PUBLISHED[name]} for name, result in results.items()}
    own = {name: {model: measured.mean for model, measured in result.models.items()} for name, result in results.items()}
    return compare_ranks(published), compare_ranks(own)


def wins(results: Mapping[str, TableResult]) -> dict[str, int]:
    """On how many tables ours is lower than the figure of a published method, than the best of them, and than an estimator."""
    ours = {name: result.models[OURS].mean for name, result in results.items()}
    against = {method: {name: mark(name, method) for name in results} for method in (*METHODS, BEST)}
    against |= {model: {name: result.models[model].mean for name, result in results.items()} for model in ESTIMATORS}
    return {method: sum(ours[name] < figures[name] for name in results) for method, figures in against.items()}


def published_table(results: Mapping[str, TableResult], ranks: RankComparison) -> str:
    """Markdown: ours beside the published figures, the best of each table in bold, mean ranks in the last row."""
    methods = [OURS, *METHODS]
    lines = [f"| table (folds) | {' | '.join(methods)} |", f"|---|{'---|' * len(methods)}"]
    for name, result in results.items():
        ours, published = result.models[OURS], PUBLISHED[name]
        lowest = min(round(ours.mean, 3), *published.values())
        cells = [_marked(ours.mean, lowest) + f" ± {ours.error:.3f}", *(_marked(published[m], lowest) for m in METHODS)]
        lines.append(f"| {name} ({result.folds}) | {' | '.join(cells)} |")
    return "\n".join([*lines, f"| mean rank | {' | '.join(f'{ranks.mean_ranks[method]:.2f}' for method in methods)} |"])


def estimator_table(results: Mapping[str, TableResult], ranks: RankComparison) -> str:
    """Markdown: ours beside the estimators on the same folds, and the seconds that ours took."""
    models = [OURS, *ESTIMATORS]
    names = [model.replace("_", " ") for model in models]
    lines = [f"| table | {' | '.join(names)} | seconds |", f"|---|{'---|' * len(names)}---|"]
    for name, result in results.items():
        lowest = min(round(measured.mean, 3) for measured in result.models.values())
        cells = [_marked(result.models[model].mean, lowest) for model in models]
        lines.append(f"| {name} | {' | '.join(cells)} | {result.seconds:,.0f} |")
    return "\n".join([*lines, f"| mean rank | {' | '.join(f'{ranks.mean_ranks[model]:.2f}' for model in models)} | |"])


def _marked(figure: float, lowest: float) -> str:
    shown = f"{figure:.3f}"
    return f"**{shown}**" if round(figure, 3) <= lowest else shown


def conclusion(results: Mapping[str, TableResult], ranks: tuple[RankComparison, RankComparison]) -> str:
    """What the tables show, in a paragraph: on how many ours is better, where it is not, and the tests."""
    won, (published, own) = wins(results), ranks
    compared = [
        f"{named} on {won[method]}{_exceptions(results, method)}"
        for method, named in (("ST", "ST"), ("ERCC", "ERCC"), (BEST, "the best published figure"))
    ]
    return (
        f"Of {len(results)} tables ours is better than {', than '.join(compared)}. Its mean rank among the published methods "
        f"is {published.mean_ranks[OURS]:.2f} ({_tested(published)}), among the estimators on the same folds "
        f"{own.mean_ranks[OURS]:.2f} ({_tested(own)})."
    )


def _exceptions(results: Mapping[str, TableResult], method: str) -> str:
    lost = [name for name, result in results.items() if result.models[OURS].mean >= mark(name, method)]
    return f" (not on {', '.join(lost)})" if lost else ""


def _tested(ranks: RankComparison) -> str:
    return f"Friedman's test: p = {ranks.p:.2g}; critical difference {ranks.critical_difference:.2f}"


def mark(name: str, method: str) -> float:
    """The published figure of a method on a table, or the best one."""
    return min(PUBLISHED[name].values()) if method == BEST else PUBLISHED[name][method]


def write(results: Mapping[str, TableResult], ranks: tuple[RankComparison, RankComparison]) -> None:
    """Put the tables of figures into the README of the benchmarks, and draw the picture."""
    paragraph = textwrap.fill(conclusion(results, ranks), 128, break_long_words=False, break_on_hyphens=False)
    made = "\n\n".join((published_table(results, ranks[0]), estimator_table(results, ranks[1]), paragraph))
    text = README.read_text(encoding="utf-8")
    before = text.index(MARKS[0]) + len(MARKS[0])
    after = text.index(MARKS[1], before)
    README.write_text(f"{text[:before]}\n{made}\n{text[after:]}", encoding="utf-8")
    draw_ranks(ranks[0], PICTURE, OURS, f"mean rank by aRRMSE over {len(results)} tables (lower is better)")


def main() -> None:
    """Measures and prints."""
    options = parsed()
    names = options.names.split(",")
    results: dict[str, TableResult] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-mtr-") as temporary:
        store = Path(temporary) if options.quick else options.store
        store.mkdir(parents=True, exist_ok=True)
        for name in names:
            results[name] = measure(name, options, store)
    ranks = comparisons(results)
    if options.write:
        write(results, ranks)
    measurements = {
        "aRRMSE": {name: {model: found.mean for model, found in result.models.items()} for name, result in results.items()},
        "standard_error": {name: result.models[OURS].error for name, result in results.items()},
        "seconds": {name: result.seconds for name, result in results.items()},
        "folds": options.folds,
        "better_on": wins(results),
        "among_published": asdict(ranks[0]),
        "among_estimators": asdict(ranks[1]),
    }
    _measure.conclude(measurements, options.json)


def parsed() -> argparse.Namespace:
    """The options."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--tables", type=Path, required=True, help="a folder of arff files and targets.json")
    parser.add_argument("--names", help=f"of tables in it: {','.join(PUBLISHED)}; with --quick slump,edm")
    parser.add_argument("--folds", type=int, help="outer folds: 10, as published, or 3 with --quick")
    parser.add_argument("--store", type=Path, default=Path("mtr-store"), help="where finished folds are kept; not with --quick")
    parser.add_argument("--workers", type=int, help="processes that train; one for each core, or 1 with --quick")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="changes the experiment")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/README.md and draw docs/mtr.png")
    options = parser.parse_args()
    options.names = options.names or ("slump,edm" if options.quick else ",".join(PUBLISHED))
    options.folds = options.folds or (3 if options.quick else 10)
    options.workers = options.workers or (1 if options.quick else None)
    if options.write and options.quick:
        parser.error("--write is for the figures of the benchmark, which --quick does not measure")
    if unknown := [name for name in options.names.split(",") if name not in PUBLISHED]:
        parser.error(f"--names: got {', '.join(unknown)}, expected some of {', '.join(PUBLISHED)}")
    return options


if __name__ == "__main__":
    main()
