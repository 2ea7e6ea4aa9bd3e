"""Says what came of a sweep, for people: the summary at its end, the list of sweeps, a sweep's leaderboard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.data import Dataset, Split
from branchsweep.experiment import MEAN, Objective
from branchsweep.objective import Judge, judge
from branchsweep.outlook import Outlook
from branchsweep.space import Choice, Dimension
from branchsweep.summary import Best, Reference, Summary
from branchsweep.survey import Survey, Varied
from branchsweep.trial import Params, ParamValue, Result

INDENT = 2
"""Columns that a picture of a network stands to the right."""

MOST_DIMENSIONS = 8
"""Dimensions whose importance is shown."""

BAR = 16
"""Characters of a bar that stands for all."""


def summary(said: Summary, units: Mapping[str, str]) -> RenderableType:
    """The end of a sweep, as a person is glad to read it.

    Args:
        said: What the sweep has to say.
        units: Unit by head.
    """
    parts: list[RenderableType] = [Text(), _title(said)]
    if said.data["source"] == "stand-in":
        parts.append(Text("These figures are of the embedded stand-in, not of measured data.", style="bold yellow"))
    if said.best is None:
        missing = "meets the constraints" if said.trials.get("complete") else "is complete"
        parts.append(Text(f"No trial {missing}, so there is nothing to compare or to register.", style="bold red"))
        parts += [Text(sentence, style="bold red") for sentence in said.unmet]
        return Group(*parts)
    if said.front:
        parts += [Text(), _front(said)]
    parts += [Text(f"warning: {sentence}", style="bold yellow") for sentence in said.unmet]
    parts += [Text(), _recipe(said.best), Text(), _comparison(said, said.best, list(units)), Text()]
    if said.importance:
        parts += [_importance(said.importance, [*units, "mean"]), Text()]
    if said.edges:
        parts += [*(Text(f"warning: {sentence}", style="yellow") for sentence in said.edges), Text()]
    if said.test_r2 is None:
        parts.append(
            Text("The refit on all training rows diverged from every seed, so nothing is registered.", style="bold red")
        )
    if said.champion:
        crown = "is the champion" if said.champion.crowned else "is registered, but not crowned"
        parts.append(
            Text(f"{said.champion.model} version {said.champion.version} {crown}: {said.champion.because}.", style="bold")
        )
        parts += [
            Text(f"  branchsweep predict models:/{said.champion.model}@champion TABLE.xlsx -o predictions.csv", style="cyan"),
        ]
    parts.append(Text("  branchsweep ui", style="cyan"))
    return Group(*parts)


def _title(said: Summary) -> Text:
    counts = ", ".join(f"{count} {status}" for status, count in said.trials.items() if count)
    minutes, seconds = divmod(round(said.seconds), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    where = f"{said.data['location']} ({said.data['rows']:,} rows)"
    trials = f"{sum(said.trials.values())} trials ({counts})"
    return Text.assemble((said.sweep, "bold"), f": {trials} in {took} on {where}; {said.stopped_because}")


def _front(said: Summary) -> RenderableType:
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title="Pareto front", title_justify="left", title_style="bold"
    )
    heads = list(said.front[0].r2)
    for column in ("  trial", *(f"r2/{head}" for head in heads)):
        table.add_column(column, justify="right")
    for member in said.front:
        chosen = said.best is not None and member.trial == said.best.trial
        table.add_row(f"{member.trial}", *(number(member.r2[head]) for head in heads), style="bold green" if chosen else "")
    return table


def _recipe(best: Best) -> RenderableType:
    table = _pairs(dict(sorted(best.recipe.items())))
    table.title = Text(f"best: trial {best.trial}, {best.parameters:,} parameters", style="bold")
    table.title_justify = "left"
    return table


def _in_columns(names: Sequence[str], columns: int) -> Iterable[Sequence[str]]:
    rows = -(-len(names) // columns)
    return [names[row::rows] for row in range(rows)]


def _comparison(said: Summary, best: Best, heads: Sequence[str]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title="R²", title_justify="left", title_style="bold")
    table.add_column("")
    for head in heads:
        table.add_column(f"{head} validation", justify="right")
    for head in heads:
        table.add_column(f"{head} test", justify="right")
    rows = [Reference(f"best (trial {best.trial})", best.r2, best.r2_se, said.test_r2 or {}), *said.references]
    for place, row in enumerate(rows):
        cells = [with_error(row.r2.get(head), row.r2_se.get(head)) for head in heads]
        cells += [number(row.test_r2.get(head)) for head in heads]
        table.add_row(row.name, *cells, style="bold green" if place == 0 else "")
    return table


def _importance(importance: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> RenderableType:
    """A row per dimension, those first that matter most to any head; the rest, where there are many, are left out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", title_style="bold")
    table.title = "what made trials good (PED-ANOVA)"
    table.add_column("")
    for column in columns:
        table.add_column(column)
    most = {name: max(of.get(name, 0.0) for of in importance.values()) for of in importance.values() for name in of}
    for name in sorted(most, key=lambda each: -most[each])[:MOST_DIMENSIONS]:
        table.add_row(f"  {name}", *(_bar(importance.get(column, {}).get(name, 0.0)) for column in columns))
    return table


def _bar(share: float) -> str:
    """A share as a bar and in percent."""
    return f"{share:4.0%} {'█' * round(share * BAR)}"


def value(param: ParamValue) -> str:
    """A param's value, for people."""
    return f"{param:.3g}" if isinstance(param, float) else str(param)


def number(figure: float | None) -> str:
    """An R², for people."""
    if figure is None or math.isnan(figure):
        return "-"
    return f"{figure:.4f}" if figure > -10 else f"{figure:.1e}"  # a network that went astray fills no column


def with_error(figure: float | None, error: float | None) -> str:
    """An R² with its standard error, for people."""
    return number(figure) if error is None or math.isnan(error) else f"{number(figure)} ± {error:.4f}"


def outlook(seen: Outlook) -> RenderableType:
    """What a sweep would do."""
    facts = Table.grid(padding=(0, 2))
    rungs = ", ".join(f"{count} after epoch {epoch}" for epoch, count in seen.rungs.items())
    for name, figure in (
        ("trials", f"{seen.trials}"),
        ("pruning", f"of each round {rungs} train on" if rungs else "none"),
        ("lanes", f"{seen.lanes} (networks: each trial on every fold and seed)"),
        ("populations", f"{seen.populations}"),
        ("programs", f"{seen.programs}"),
        ("workers", f"{seen.workers}"),
        ("estimated", f"{seen.seconds:,.0f} s"),
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


def rows(dataset: Dataset, split: Split, units: Mapping[str, str]) -> RenderableType:
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


def survey(seen: Survey) -> RenderableType:
    """What a search space holds."""
    title = Text.assemble((seen.space, "bold"), f": {', '.join(seen.inputs)} to {', '.join(seen.heads)}")
    parts: list[RenderableType] = [title, Text()]
    if seen.dimensions:
        parts += [_dimensions(seen.dimensions), Text()]
    if seen.fixed:
        parts += [Text("fixed", style="bold"), _pairs(seen.fixed), Text()]
    parts += [Text.assemble(("size  ", "bold"), _size(seen))]
    for number, sample in enumerate(seen.samples, start=1 - sum(bool(sample.known) for sample in seen.samples)):
        parts += [Text(), Text(f"known: {sample.known}" if sample.known else f"sample {number}", style="bold")]
        parts += [
            Text("\n".join(f"{'':{INDENT}}{line}" for line in sample.picture), no_wrap=True, style="cyan"),
            _pairs(sample.params),
        ]
    return Group(*parts)


def _dimensions(dimensions: Sequence[Varied]) -> Table:
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
        return ", ".join(map(value, dimension.choices))
    return f"{value(dimension.low)} to {value(dimension.high)}"


def _scale(dimension: Dimension) -> str:
    """How the values of a dimension lie to each other, in words."""
    if isinstance(dimension, Choice):
        return "ordered" if dimension.ordered else "unordered"
    if dimension.log:
        return "log"
    return "linear" if dimension.step is None or dimension.step == 1 else f"step {value(dimension.step)}"


def _condition(dimension: Dimension) -> str:
    """When a dimension is asked, in words."""
    conditions = (f"{other} is {_alternatives(values)}" for other, values in (dimension.when or {}).items())
    return " and ".join(conditions)


def _alternatives(values: Sequence[ParamValue]) -> str:
    *others, last = map(value, values) if values else ["nothing"]
    return f"{', '.join(others)} or {last}" if others else last


def _size(seen: Survey) -> str:
    """How many points there are, in a sentence."""
    conditions = seen.unconditional > seen.discrete_points
    without = f" ({_thousands(seen.unconditional)} without the conditions)" if conditions else ""
    if seen.points == math.inf:
        plural = "dimension is" if seen.continuous == 1 else "dimensions are"
        discrete = f"the discrete part has {_thousands(seen.discrete_points)} points{without}"
        return f"infinite, for {seen.continuous} {plural} continuous; {discrete}"
    return f"{_thousands(int(seen.points))} point{'s' * (seen.points != 1)}{without}"


def _thousands(count: int) -> str:
    """A count, for people; one that nobody would read to its end, about."""
    return f"{count:,}" if count < 10**15 else f"about {count:.1e}"


def _pairs(params: Params) -> Table:
    """Names and values, side by side."""
    table = Table.grid(padding=(0, 2))
    for names in _in_columns(list(params), 3):
        table.add_row(*(cell for name in names for cell in (f"  {name}", value(params[name]))))
    return table


class Listed(Protocol):
    """A sweep in a list of sweeps."""

    @property
    def run_id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def started(self) -> datetime: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def trials(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def best(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def data(self) -> str: ...  # noqa: D102


def sweeps(listed: Sequence[Listed]) -> RenderableType:
    """The sweeps of a store, in the order given."""
    if not listed:
        return Text("There are no sweeps here yet: branchsweep run experiments/branched.yaml begins one.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("run", "sweep", "started", "status", "trials", "best R²"):
        table.add_column(column, overflow="fold")
    for one in listed:
        best = "  ".join(f"{head} {r2:.4f}" for head, r2 in one.best.items())
        started = one.started.astimezone().strftime("%Y-%m-%d %H:%M")
        others = [f"{one.trials[status]} {status}" for status in ("pruned", "failed") if one.trials.get(status)]
        trials = ", ".join([f"{one.trials.get('complete', 0)}", *others])
        name = f"{one.name} (stand-in)" if one.data == "stand-in" else one.name
        table.add_row(one.run_id[:8], name, started, one.status.lower(), trials, best)
    return table


def leaderboard(results: Sequence[Result], heads: Sequence[str], most: int, objective: Objective) -> RenderableType:
    """The trials in order of the objective, the best first; then those that break a constraint, pruned ones, failed ones."""
    judged = judge(objective, results)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    own = [] if objective.rule == MEAN else [objective.rule_in_words]
    for column in ("trial", *(f"r2/{head}" for head in heads), "r2/mean", *own):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("params")
    for result in sorted(results, key=lambda result: _rank(result, judged))[:most]:
        score, params = result.score, result.trial.params
        figures = [number(score.heads[head].r2) if head in score.heads else "-" for head in heads]
        mean = with_error(score.value, score.value_se) if score.is_complete else score.status.value
        said = ", ".join(f"{name} {value(param)}" for name, param in sorted(params.items()))
        known = f"{result.trial.known}: " if result.trial.known else ""
        ranked = [number(judged.rank(score)) if score.is_complete else "-" for _ in own]
        broken = "breaks a constraint: " if score.is_complete and not judged.is_eligible(result) else ""
        table.add_row(f"{result.trial.number}", *figures, mean, *ranked, score.reason or broken + known + said)
    return table


def _rank(result: Result, judged: Judge) -> tuple[bool, bool, float]:
    """Eligible trials first, the best of them foremost."""
    complete = result.score.is_complete
    order = -judged.rank(result.score) if complete else result.trial.number
    return not judged.is_eligible(result), not complete, order
