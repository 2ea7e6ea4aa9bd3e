"""What an experiment would do, as text: its table, its search space, its networks, a dry run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.config.dimensions import Choice, Dimension
from branchsweep.reporting.formatting import (
    format_param,
)
from branchsweep.reporting.text.layout import INDENT, key_value_table, thousands
from branchsweep.training.resources import CPU
from branchsweep.trial import ParamValue

if TYPE_CHECKING:
    from branchsweep.data.dataset import Dataset, Split
    from branchsweep.workflows.dry_run import DryRun
    from branchsweep.workflows.search_space_summary import DimensionSummary, SampledNetwork, SearchSpaceSummary


def render_dry_run(seen: DryRun) -> RenderableType:
    """What a sweep would do."""
    facts = Table.grid(padding=(0, 2))
    rungs = ", ".join(f"{count} after epoch {epoch}" for epoch, count in seen.rungs.items())
    on_gpu = seen.device != str(CPU)
    for name, figure in (
        ("trials", f"{seen.trials}"),
        ("pruning", f"of each round {rungs} train on" if rungs else "none"),
        ("lanes", f"{seen.lanes} (networks: each trial on every fold and seed)"),
        ("populations", f"{seen.populations}"),
        ("programs", f"{seen.programs}"),
        ("workers", f"{seen.workers}" + f" on {seen.device}" * on_gpu + f", busy for {seen.busy:.0%} of the search"),
        *((f"  with search.pending_rounds {ahead}", f"busy for {busy:.0%}") for ahead, busy in seen.busy_ahead.items()),
        ("estimated", f"{seen.seconds:,.0f} s" + " if it were processors: of GPUs nothing is known" * on_gpu),
    ):
        facts.add_row(f"  {name}", figure)
    plan = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("  program: trunk x branch", "batch", "optimizer", "lanes", "populations", "useful", "core seconds"):
        plan.add_column(column, justify="left" if column == "optimizer" else "right")
    for each in seen.plan:
        width, useful = f"{each.trunk_width} x {each.branch_width}", f"{each.useful:.0%}"
        counts = (f"{each.batch_size}", each.optimizer, f"{each.lanes}", f"{each.populations}")
        plan.add_row(width, *counts, useful, f"{each.seconds:,.0f}")
    return Group(Text(f"{seen.sweep} would train", style="bold"), facts, Text(), plan)


def render_data_summary(dataset: Dataset, split: Split, units: Mapping[str, str]) -> RenderableType:
    """A table as an experiment reads it: where it is from, its columns, its parts."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("column", "role", "unit", "min", "mean", "max", "sd"):
        grid.add_column(column, justify="left" if column in {"column", "role", "unit"} else "right")
    columns = [(name, "input", "", dataset.x[:, place]) for place, name in enumerate(dataset.inputs)]
    columns += [(name, "head", units[name], dataset.y[:, place]) for place, name in enumerate(dataset.heads)]
    for name, role, unit, values in columns:
        grid.add_row(
            name, role, unit, *(f"{figure:.4g}" for figure in (values.min(), values.mean(), values.max(), values.std()))
        )
    facts = Table.grid(padding=(0, 2))
    folds = f"{len(split.folds)} x {len(split.folds[0][0]):,} to learn, {len(split.folds[0][1]):,} to validate"
    for name, figure in (
        ("source", f"{dataset.source}: {dataset.location}"),
        ("rows", f"{dataset.rows:,}"),
        ("digest", dataset.digest),
        ("split", f"{len(split.train):,} to train, {len(split.test):,} to test"),
        ("folds", folds),
        ("split digest", split.digest),
    ):
        facts.add_row(name, figure)
    return Group(facts, Text(), grid)


def render_search_space_summary(seen: SearchSpaceSummary) -> RenderableType:
    """What a search space holds."""
    title = Text.assemble((seen.space, "bold"), f": {', '.join(seen.inputs)} to {', '.join(seen.heads)}")
    parts: list[RenderableType] = [title, Text()]
    if seen.dimensions:
        parts += [_dimensions(seen.dimensions), Text()]
    if seen.fixed:
        parts += [Text("fixed", style="bold"), key_value_table(seen.fixed), Text()]
    parts += [Text.assemble(("size  ", "bold"), _size(seen))]
    for place, sample in enumerate(seen.samples, start=1 - sum(bool(sample.known) for sample in seen.samples)):
        parts += [Text(), Text(f"known: {sample.known}" if sample.known else f"sample {place}", style="bold")]
        parts += [_picture(sample), key_value_table(sample.params)]
    return Group(*parts)


def render_network_drawings(samples: Iterable[SampledNetwork]) -> RenderableType:
    """The networks that an experiment names, as pictures."""
    parts: list[RenderableType] = []
    for sample in samples:
        title = f"known: {sample.known}" if sample.known else "fixed values and defaults"
        parts += [Text(title, style="bold"), _picture(sample), Text()]
    return Group(*parts[:-1])


def _picture(sample: SampledNetwork) -> Text:
    return Text("\n".join(f"{'':{INDENT}}{line}" for line in sample.picture), no_wrap=True, style="cyan")


def _dimensions(dimensions: Sequence[DimensionSummary]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    conditional = any(varied.dimension.when for varied in dimensions)
    for column in ("dimension", "type", "values", "scale", *(["asked if"] if conditional else []), "acts", "meaning"):
        table.add_column(column, no_wrap=column in {"dimension", "type", "scale", "acts"})
    for varied in dimensions:
        dimension, tunable = varied.dimension, varied.tunable
        cells = [varied.name, dimension.type, _values(dimension), _scale(dimension)]
        cells += [_condition(dimension)] if conditional else []
        table.add_row(*cells, tunable.acts.value, tunable.meaning)
    return table


def _values(dimension: Dimension) -> str:
    """The values of a dimension, in words."""
    if isinstance(dimension, Choice):
        return ", ".join(map(format_param, dimension.choices))
    return f"{format_param(dimension.low)} to {format_param(dimension.high)}"


def _scale(dimension: Dimension) -> str:
    """How the values of a dimension lie to each other, in words."""
    if isinstance(dimension, Choice):
        return "ordered" if dimension.ordered else "unordered"
    if dimension.log:
        return "log"
    return "linear" if dimension.step is None or dimension.step == 1 else f"step {format_param(dimension.step)}"


def _condition(dimension: Dimension) -> str:
    """When a dimension is asked, in words."""
    conditions = (f"{other} is {_alternatives(values)}" for other, values in (dimension.when or {}).items())
    return " and ".join(conditions)


def _alternatives(values: Sequence[ParamValue]) -> str:
    *others, last = map(format_param, values) if values else ["nothing"]
    return f"{', '.join(others)} or {last}" if others else last


def _size(seen: SearchSpaceSummary) -> str:
    """How many points there are, in a sentence."""
    conditions = seen.unconditional > seen.discrete_points
    without = f" ({thousands(seen.unconditional)} without the conditions)" if conditions else ""
    if seen.points == math.inf:
        plural = "dimension is" if seen.continuous == 1 else "dimensions are"
        discrete = f"the discrete part has {thousands(seen.discrete_points)} points{without}"
        return f"infinite, for {seen.continuous} {plural} continuous; {discrete}"
    return f"{thousands(int(seen.points))} point{'s' * (seen.points != 1)}{without}"
