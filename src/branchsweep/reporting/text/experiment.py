"""An experiment as text: its table, its search space, its networks, a dry run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.config.sections.dimensions import Choice, Dimension
from branchsweep.errors import escape_controls
from branchsweep.reporting.formatting import (
    format_param,
)
from branchsweep.reporting.text.layout import INDENT, KeyValueTable, thousands
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow
from branchsweep.training.resources import CPU
from branchsweep.trial import ParamValue

if TYPE_CHECKING:
    from branchsweep.data.column_summary import ColumnSummary
    from branchsweep.data.dataset import Dataset, Split
    from branchsweep.workflows.dry_run import DryRun
    from branchsweep.workflows.search_space_summary import DimensionSummary, SampledNetwork, SearchSpaceSummary


def render_dry_run(plan: DryRun) -> RenderableType:
    """Render what a sweep would train, and the estimated time."""
    facts = Table.grid(padding=(0, 2))
    rungs = ", ".join(f"{count} after epoch {epoch}" for epoch, count in plan.rungs.items())
    on_gpu = plan.device != str(CPU)
    outer = plan.outer_folds > 1
    for name, value in (
        *([("outer folds", f"{plan.outer_folds}, a sweep for each, such as this one")] if outer else []),
        ("trials", f"{plan.trials}"),
        ("epochs", f"{plan.epochs:,}"),
        ("pruning", f"trials that continue per round: {rungs}" if rungs else "none"),
        ("lanes", f"{plan.lanes} (one network per trial, fold and seed)"),
        ("populations", f"{plan.populations}"),
        ("programs", f"{plan.programs}"),
        ("workers", f"{plan.workers}" + f" on {plan.device}" * on_gpu + f", busy {plan.busy:.0%} of the time"),
        *((f"  with search.pending_rounds {ahead}", f"busy {busy:.0%} of the time") for ahead, busy in plan.busy_ahead.items()),
        (
            "estimated",
            f"{plan.seconds:,.0f} s"
            + f" for all {plan.outer_folds} sweeps" * outer
            + " on CPUs; the speed of GPUs is unknown" * on_gpu,
        ),
    ):
        facts.add_row(f"  {name}", value)
    columns = (
        TableColumn("  program: trunk x branch", right=True),
        TableColumn("batch", right=True),
        TableColumn("optimizer"),
        TableColumn("lanes", right=True),
        TableColumn("populations", priority=2, right=True),
        TableColumn("useful", priority=1, right=True),
        TableColumn("core seconds", right=True),
    )
    rows = [
        TableRow(
            (
                f"{program.trunk_width} x {program.branch_width}",
                f"{program.batch_size}",
                program.optimizer,
                f"{program.lanes}",
                f"{program.populations}",
                f"{program.useful:.0%}",
                f"{program.seconds:,.0f}",
            )
        )
        for program in plan.plan
    ]
    programs = ResponsiveTable(columns, rows)
    return Group(Text(f"{plan.sweep} would train", style="bold"), facts, Text(), programs)


def render_data_summary(
    dataset: Dataset, splits: Sequence[Split], units: Mapping[str, str], epochs: str = ""
) -> RenderableType:
    """Render the table of an experiment: its source, its columns, and its split, or those of an outer cross-validation.

    Args:
        dataset: The table.
        splits: The split, or that of each outer fold.
        units: Of the heads.
        epochs: How many the rows make of `fit.steps`; empty where the experiment says epochs itself.
    """
    from branchsweep.data.column_summary import summarize_columns  # noqa: PLC0415  # imports pandas

    columns = list(summarize_columns(dataset))
    details = [Text(escape_controls(f"{column.name}: {column.detail}")) for column in columns if column.detail]
    facts, table = _data_facts(dataset, splits, epochs), _columns_table(columns, units)
    return Group(facts, Text(), table, *([Text(), *details] if details else []))


def _columns_table(columns: Sequence[ColumnSummary], units: Mapping[str, str]) -> ResponsiveTable:
    def cells(column: ColumnSummary) -> tuple[str, ...]:
        numbers = (column.low, column.mean, column.high, column.sd)
        unit = units[column.name] if column.role == "head" else ""
        return column.name, column.role, column.kind, unit, *("" if math.isnan(value) else f"{value:.4g}" for value in numbers)

    return ResponsiveTable(
        (
            TableColumn("column"),
            TableColumn("role"),
            TableColumn("kind", priority=1),
            TableColumn("unit"),
            TableColumn("min", right=True),
            TableColumn("mean", right=True),
            TableColumn("max", right=True),
            TableColumn("sd", priority=1, right=True),
        ),
        [TableRow(cells(column)) for column in columns],
    )


def _data_facts(dataset: Dataset, splits: Sequence[Split], epochs: str) -> Table:
    """The source and the split as lines of a name and a value; arguments as of `render_data_summary`."""
    split, outer = splits[0], len(splits) > 1
    trained, validated = (_range([len(fold[part]) for fold in split.folds]) for part in (0, 1))
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("source", escape_controls(f"{dataset.source}: {dataset.location}")),
        ("rows", f"{dataset.rows:,}"),
        ("digest", dataset.digest),
        *([("outer folds", f"{len(splits)}, each once the test rows; of the first:")] if outer else []),
        ("split", f"{len(split.train):,} rows to train, {len(split.test):,} to test"),
        *([("test rows", escape_controls(f"all of {dataset.test_table.location}"))] if dataset.test_table else []),
        ("folds", f"{len(split.folds)} x {trained} rows to train, {validated} to validate"),
        *([("epochs", epochs)] if epochs else []),
        ("divided", escape_controls(dataset.splitter.description)),
        ("split digest", split.digest),
    ):
        facts.add_row(name, value)
    return facts


def _range(sizes: Sequence[int]) -> str:
    """Numbers of rows: one where they are equal, but for a row that cannot be divided."""
    low, high = min(sizes), max(sizes)
    return f"{sizes[0]:,}" if high - low <= 1 else f"{low:,} to {high:,}"


def render_search_space_summary(summary: SearchSpaceSummary) -> RenderableType:
    """Render a search space: its dimensions, fixed values, size, and sampled networks."""
    between = escape_controls(f"{', '.join(summary.inputs)} to {', '.join(summary.heads)}")
    title = Text.assemble((summary.space, "bold"), f": {between}")
    parts: list[RenderableType] = [title, Text()]
    if summary.dimensions:
        parts += [_dimensions(summary.dimensions), Text()]
    if summary.fixed:
        parts += [Text("fixed", style="bold"), KeyValueTable(summary.fixed), Text()]
    parts += [Text.assemble(("size  ", "bold"), _size(summary))]
    for number, sample in enumerate(summary.samples, start=1 - sum(bool(sample.known) for sample in summary.samples)):
        parts += [Text(), Text(f"initial trial: {sample.known}" if sample.known else f"sample {number}", style="bold")]
        parts += [_drawing(sample), KeyValueTable(sample.params)]
    return Group(*parts)


def render_network_drawings(samples: Iterable[SampledNetwork]) -> RenderableType:
    """Render drawings of the networks that an experiment names."""
    parts: list[RenderableType] = []
    for sample in samples:
        title = f"initial trial: {sample.known}" if sample.known else "fixed values and defaults"
        parts += [Text(title, style="bold"), _drawing(sample), Text()]
    return Group(*parts[:-1])


def _drawing(sample: SampledNetwork) -> Text:
    return Text("\n".join(f"{'':{INDENT}}{line}" for line in sample.picture), no_wrap=True, style="cyan")


def _dimensions(dimensions: Sequence[DimensionSummary]) -> RenderableType:
    conditional = any(varied.dimension.when for varied in dimensions)
    columns = (
        TableColumn("dimension"),
        TableColumn("type", priority=3),
        TableColumn("values", is_text=True),
        TableColumn("scale", priority=2),
        *([TableColumn("active if", is_text=True)] if conditional else []),
        TableColumn("kind", priority=1),
        TableColumn("meaning", priority=4, is_text=True),
    )
    rows = [
        TableRow(
            (
                varied.name,
                varied.dimension.type,
                _values(varied.dimension),
                _scale(varied.dimension),
                *([_condition(varied.dimension)] if conditional else []),
                varied.hyperparameter.binding.value,
                varied.hyperparameter.meaning,
            )
        )
        for varied in dimensions
    ]
    return ResponsiveTable(columns, rows)


def _values(dimension: Dimension) -> str:
    """The values of a dimension: its choices, or its range."""
    if isinstance(dimension, Choice):
        return ", ".join(map(format_param, dimension.choices))
    return f"{format_param(dimension.low)} to {format_param(dimension.high)}"


def _scale(dimension: Dimension) -> str:
    """The scale of a dimension."""
    if isinstance(dimension, Choice):
        return "ordered" if dimension.ordered else "unordered"
    if dimension.log:
        return "log"
    return "linear" if dimension.step is None or dimension.step == 1 else f"step {format_param(dimension.step)}"


def _condition(dimension: Dimension) -> str:
    """The condition under which a dimension is active."""
    conditions = (f"{other} is {_alternatives(values)}" for other, values in (dimension.when or {}).items())
    return " and ".join(conditions)


def _alternatives(values: Sequence[ParamValue]) -> str:
    *others, last = map(format_param, values) if values else ["nothing"]
    return f"{', '.join(others)} or {last}" if others else last


def _size(summary: SearchSpaceSummary) -> str:
    """The number of points of the search space."""
    conditions = summary.unconditional > summary.discrete_points
    without = f" ({thousands(summary.unconditional)} without the conditions)" if conditions else ""
    if summary.points == math.inf:
        plural = "dimension is" if summary.continuous == 1 else "dimensions are"
        discrete = f"the discrete part has {thousands(summary.discrete_points)} points{without}"
        return f"infinite: {summary.continuous} {plural} continuous; {discrete}"
    return f"{thousands(int(summary.points))} point{'s' * (summary.points != 1)}{without}"
