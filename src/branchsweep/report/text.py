"""Says what came of a sweep, for people at a terminal: the summary at its end, the list of sweeps, a leaderboard, a trial.

What is shown here comes from flows that read tables and train. They are imported for their types alone: `branchsweep show`
answers without pandas.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.experiment import MEAN
from branchsweep.ledgers.succession import CHAMPION, UNKNOWN, Chronicle, Rollback
from branchsweep.report import curves
from branchsweep.report.standing import Place, Standing, figures, halves, standings, verdict
from branchsweep.report.words import (
    MARKS,
    level,
    milliseconds,
    named,
    number,
    p_value,
    parameters,
    seconds,
    signed,
    value,
    with_error,
)
from branchsweep.space import Choice, Dimension
from branchsweep.summary import Best, Reference, Summary
from branchsweep.trial import Params, ParamValue, Score
from branchsweep.workshop import CPU

if TYPE_CHECKING:
    from branchsweep.data import Dataset, Split
    from branchsweep.findings import Findings, Measured
    from branchsweep.ledgers.listing import ComparisonSummary
    from branchsweep.outlook import Outlook
    from branchsweep.promote import Ending
    from branchsweep.replay import Figure, Replay
    from branchsweep.review import Leaderboard, Portrait
    from branchsweep.survey import Sample, Survey, Varied

INDENT = 2
"""Columns that a picture of a network stands to the right."""

MOST_DIMENSIONS = 8
"""Dimensions whose importance is shown."""

BAR = 16
"""Characters of a bar that stands for all."""


NO_TRIALS = "This sweep has no trials yet."

MANY_MEETINGS = 20
"""Models that may meet the same test rows before that is worth a warning."""


def _worn_out(meetings: int) -> str:
    """A warning that grows with the count: every look at test rows that leads to a choice uses them up a little."""
    much = "no longer tell" if meetings > 10 * MANY_MEETINGS else "tell less and less of"
    return (
        f"warning: {meetings} models have met these test rows in this store. If any of their test scores led to a choice, the "
        f"rows {much} what a new model is worth: take others (test.seed), or new data."
    )


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
    if said.confirmed:
        parts += [Text(), _twice(said)]
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
    if said.meetings > MANY_MEETINGS:
        parts.append(Text(_worn_out(said.meetings), style="bold yellow"))
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


def _twice(said: Summary) -> RenderableType:
    """The best trials in the search and once more; the gap is the flattery of having been chosen."""
    title = Text("the best of the search, once more from fresh seeds on fresh folds (mean R²)", style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("  trial", "searched", "confirmed", "gap", "parameters"):
        table.add_column(column, justify="right")
    for one in said.confirmed:
        before, after = one.searched["mean"], one.r2["mean"]
        chosen = said.best is not None and one.trial == said.best.trial
        gap = "-" if math.isnan(after) else f"{before - after:+.4f}"
        cells = (f"{one.trial}", number(before), with_error(after, one.r2_se.get("mean")), gap, f"{one.parameters:,}")
        table.add_row(*cells, style="bold green" if chosen else "")
    return Group(title, table)


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
        table.add_column(f"{head} confirmed", justify="right")
    for head in heads:
        table.add_column(f"{head} test", justify="right")
    twice = next((one for one in said.confirmed if one.trial == best.trial), None)
    r2, r2_se = (twice.r2, twice.r2_se) if twice else (best.r2, best.r2_se)
    of = f"mean of {said.members}, " if said.members > 1 else ""
    rows = [Reference(f"best ({of}trial {best.trial})", r2, r2_se, said.test_r2 or {}), *said.references]
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


def ending(said: Ending, heads: Sequence[str]) -> RenderableType:
    """What came of a final: every contender's confirmed scores, the finalist, the verdict."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title="confirmed R²", title_justify="left", title_style="bold"
    )
    for column in ("  contender", *heads, "mean", "parameters"):
        table.add_column(column, justify="left" if column == "  contender" else "right")
    for one in said.confirmed:
        figures = [with_error(one.score.r2.get(head), one.score.r2_se.get(head)) for head in (*heads, "mean")]
        cells = figures if one.score.is_complete else [one.score.reason, *("-" for _ in heads)]
        table.add_row(
            f"  {one.contender.name}", *cells, f"{one.parameters:,}", style="bold green" if one is said.finalist else ""
        )
    parts: list[RenderableType] = [table, Text()]
    if said.test_r2:
        parts.append(Text("on the test rows: " + "  ".join(f"{head} {number(r2)}" for head, r2 in said.test_r2.items())))
    if said.crowning:
        crown = "is the champion" if said.crowning.crowned else "is registered as challenger, not crowned"
        parts.append(
            Text(f"{said.crowning.model} version {said.crowning.version} {crown}: {said.crowning.because}.", style="bold")
        )
    elif said.verdict:
        crown = "would be crowned" if said.verdict.crown else "would not be crowned"
        name = said.finalist.contender.name if said.finalist else ""
        parts.append(Text(f"{name} {crown}: {said.verdict.because}. Nothing was registered.", style="bold"))
    return Group(*parts)


def outlook(seen: Outlook) -> RenderableType:
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
        *((f"  with search.ahead {ahead}", f"busy for {busy:.0%}") for ahead, busy in seen.busy_ahead.items()),
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
    for place, sample in enumerate(seen.samples, start=1 - sum(bool(sample.known) for sample in seen.samples)):
        parts += [Text(), Text(f"known: {sample.known}" if sample.known else f"sample {place}", style="bold")]
        parts += [_picture(sample), _pairs(sample.params)]
    return Group(*parts)


def networks(samples: Iterable[Sample]) -> RenderableType:
    """The networks that an experiment names, as pictures."""
    parts: list[RenderableType] = []
    for sample in samples:
        title = f"known: {sample.known}" if sample.known else "fixed values and defaults"
        parts += [Text(title, style="bold"), _picture(sample), Text()]
    return Group(*parts[:-1])


def _picture(sample: Sample) -> Text:
    return Text("\n".join(f"{'':{INDENT}}{line}" for line in sample.picture), no_wrap=True, style="cyan")


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


def listed(sweeps: Sequence[Listed], comparisons: Sequence[ComparisonSummary]) -> RenderableType:
    """The sweeps and the comparisons of a store, in the order given."""
    return Group(_sweeps(sweeps), Text(), _comparisons(comparisons)) if comparisons else _sweeps(sweeps)


def _comparisons(comparisons: Sequence[ComparisonSummary]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("run", "comparison", "started", "status", "answer"):
        table.add_column(column, overflow="fold")
    for one in comparisons:
        name = f"{one.name} (stand-in)" if one.data == "stand-in" else one.name
        table.add_row(
            one.run_id[:8],
            name,
            one.started.astimezone().strftime("%Y-%m-%d %H:%M"),
            one.status.lower(),
            " ".join(one.answer[:1]),
        )
    return table


def _sweeps(listed: Sequence[Listed]) -> RenderableType:
    if not listed:
        return Text("There are no sweeps here yet: branchsweep run experiments/branched.yaml begins one.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("run", "sweep", "started", "status", "trials", "best R²"):
        table.add_column(column, overflow="fold")
    for one in listed:
        best = "  ".join(f"{head} {r2:.4f}" for head, r2 in one.best.items())
        others = [f"{one.trials[status]} {status}" for status in ("pruned", "failed") if one.trials.get(status)]
        trials = ", ".join([f"{one.trials.get('complete', 0)}", *others])
        name = f"{one.name} (stand-in)" if one.data == "stand-in" else one.name
        table.add_row(one.run_id[:8], name, _moment(one.started), one.status.lower(), trials, best)
    return table


def chronicle(told: Chronicle) -> RenderableType:
    """What the registry knows of a model: its versions, the newest first, and who reigned, in order."""
    figures = list(dict.fromkeys(name for one in told.versions for name in one.test if name.startswith("test_r2/")))
    versions = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("version", "title", "registered", "sweep", "trial", "validation", *figures, "because"):
        versions.add_column(column, justify="left" if column in {"title", "registered", "sweep", "because"} else "right")
    for one in told.versions:
        tests = [number(one.test.get(figure)) for figure in figures]
        cells = [
            f"{one.version}",
            ", ".join(one.titles),
            local(one.registered),
            one.sweep[:8],
            f"{one.trial}" if one.sweep else "",
        ]
        style = "bold green" if CHAMPION in one.titles else ""
        versions.add_row(*cells, number(one.value), *tests, one.because, style=style)
    reigns = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title="champions", title_justify="left", title_style="bold")
    for column in ("version", "since", "until", "because"):
        reigns.add_column(column, justify="right" if column == "version" else "left")
    for reign in told.reigns:
        lasts = reign.until is None
        until = "now" if reign.until is None else local(reign.until)
        reigns.add_row(f"{reign.version}", local(reign.since), until, reign.because, style="bold green" if lasts else "")
    return Group(Text(told.model, style="bold"), versions, Text(), reigns if told.reigns else Text("nobody was ever crowned"))


def local(time: str) -> str:
    """A time of the registry, where we are; what is no time stays as it is."""
    return time if time == UNKNOWN else _moment(datetime.fromisoformat(time))


def _moment(time: datetime) -> str:
    """A time where we are, to the minute."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M")


def rollback(done: Rollback) -> RenderableType:
    """What a rollback did."""
    further = "" if done.previous is None else f"; one more rollback brings back version {done.previous}"
    return Text(
        f"{done.model}: version {done.restored} is the champion again, and version {done.deposed} the challenger{further}."
    )


def leaderboard(board: Leaderboard) -> RenderableType:
    """Trials of a sweep, in the order that was asked for."""
    if not board.shown:
        return Text(f"None of the {board.recorded} trials of {board.sweep} is as you ask." if board.recorded else NO_TRIALS)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    own = [] if board.objective.rule == MEAN else [board.objective.rule_in_words]
    extra = [board.sort] if board.sort in {"seconds", "parameters"} else []
    for column in ("trial", *(f"r2/{head}" for head in board.heads), "r2/mean", *own, *extra):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("params")
    for result in board.shown:
        score, trial = result.score, result.trial
        figures = [number(score.heads[head].r2) if head in score.heads else "-" for head in board.heads]
        mean = with_error(score.value, score.value_se) if score.is_complete else score.status.value
        said = ", ".join(f"{name} {value(param)}" for name, param in sorted(trial.params.items()))
        known = f"{trial.known}: " if trial.known else ""
        ranked = [number(board.judged.rank(score)) if score.is_complete else "-" for _ in own]
        more = [f"{score.seconds:.1f}" if name == "seconds" else f"{board.parameters[trial.number]:,}" for name in extra]
        broken = "breaks a constraint: " if score.is_complete and not board.judged.is_eligible(result) else ""
        table.add_row(f"{trial.number}", *figures, mean, *ranked, *more, score.reason or broken + known + said)
    left = board.meeting - len(board.shown)
    return Group(table, Text(f"… and {left:,} more (--most)", style="dim")) if left else table


def portrait(seen: Portrait) -> RenderableType:
    """One trial: how it ended, what it was, what it scored, and how it learnt."""
    score, trial = seen.result.score, seen.result.trial
    style = {"COMPLETE": "bold green", "FAILED": "bold red"}.get(score.status.value, "bold yellow")
    status = score.status.value.lower()
    ended = score.reason if score.reason.startswith(status) else f"{status}{', ' * bool(score.reason)}{score.reason}"
    known = f" ({trial.known})" if trial.known else ""
    title = Text.assemble((f"{seen.sweep}, trial {trial.number}", "bold"), known, ": ", (ended, style))
    lanes = f"{score.lanes} lane{'s' * (score.lanes != 1)}"
    facts = Text(f"run {seen.run_id}; {score.epochs:g} epochs, {score.seconds:.1f} s, {lanes}", style="dim")
    parts: list[RenderableType] = [title, facts, Text()]
    parts += [Text("chosen by the search", style="bold"), _pairs(dict(sorted(trial.params.items())))]
    if seen.fixed:
        parts += [Text("fixed", style="bold"), _pairs(dict(sorted(seen.fixed.items())))]
    picture = "\n".join(f"{'':{INDENT}}{line}".rstrip() for line in seen.picture)
    parts += [Text(), Text(picture, no_wrap=True, style="cyan")]
    if score.heads:
        parts += [Text(), _scores(seen, score)]
    plots = [Text("\n".join([head, *curves.plot(points)]), no_wrap=True) for head, points in seen.curves.items()]
    if plots:
        parts += [Text(), Text("validation R² while it learnt", style="bold"), Columns(plots, padding=(0, 2))]
    return Group(*parts, Text(), Text(seen.replay, style="cyan"))


def _scores(seen: Portrait, score: Score) -> Table:
    """Head by head: the average with its standard error, then lane by lane and rung by rung what is behind it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for head in (*seen.heads, "mean"):
        table.add_column(head, justify="right", no_wrap=True)
    errors = score.r2_se
    table.add_row("  R²", *(with_error(r2, errors.get(head)) for head, r2 in score.r2.items()), style="bold")
    for name in ("rmse", "mae"):
        cells = (f"{getattr(of, name):.4g} {seen.heads[head]}".strip() for head, of in score.heads.items())
        table.add_row(f"  {name.upper()}", *cells, "")
    for name, lane in seen.lanes.items():
        table.add_row(f"  {name}", *(number(r2) for r2 in lane.values()), number(sum(lane.values()) / len(lane)))
    for epoch, r2 in score.rungs.items():
        table.add_row(f"  rung at epoch {epoch}", *map(number, r2), number(sum(r2) / len(r2)), style="dim")
    return table


def replay(said: Replay) -> RenderableType:
    """A trial's record beside what came of training it again: figure by figure, then what else is not as it was."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("", "recorded", "replayed", "difference"):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    then, now = said.recorded, said.replayed
    table.add_row("  status", then.status.value, now.status.value)
    table.add_row("  epochs", f"{then.epochs:g}", f"{now.epochs:g}", _gap(abs(now.epochs - then.epochs)))
    errors = {one.name.removeprefix("r2_se/"): one for one in said.figures if one.name.startswith("r2_se/")}
    for figure in said.figures:
        if figure.name.startswith("r2/"):
            table.add_row(*_beside(figure, errors.get(figure.name.removeprefix("r2/")) if figure.epoch is None else None))
    for one in said.circumstances:
        if one.decides or not one.is_as_recorded:
            table.add_row(f"  {one.called}", *one.then_and_now)
    style = "bold green" if said.agrees else "bold red"
    return Group(
        Text(f"{said.sweep}, trial {said.trial.number}", style="bold"), table, Text(), Text(said.sentence, style=style)
    )


def _beside(figure: Figure, error: Figure | None) -> tuple[str, str, str, str]:
    """An R² then and now, each with its standard error if it has one, and how far the one or the other is off."""
    called = figure.name if figure.epoch is None else f"{figure.name}, epoch {figure.epoch}"
    if error is None:
        return f"  {called}", number(figure.recorded), number(figure.replayed), _gap(figure.gap)
    then, now = with_error(figure.recorded, error.recorded), with_error(figure.replayed, error.replayed)
    return f"  {called}", then, now, _gap(max(figure.gap, error.gap))


def _gap(gap: float) -> str:
    return "0" if not gap else f"{gap:.1e}"


MOST_FIGURES = 4
"""Figures side by side in a terminal of a hundred columns; three, and there is room for what they cost."""


def comparison(found: Findings) -> RenderableType:
    """The end of a comparison: its answer, then where everyone stands, then what sharing gains."""
    parts: list[RenderableType] = [Text()]
    if found.data["source"] == "stand-in":
        parts.append(Text("These figures are of the embedded stand-in, not of measured data.", style="bold yellow"))
    parts += [Text(sentence, style="" if place else "bold green") for place, sentence in enumerate(found.answer)]
    rows, shown = standings(found), figures(found)
    with_costs = len(shown) < MOST_FIGURES
    for first in range(0, len(shown), MOST_FIGURES):
        parts += [Text(), _standings(found, rows, shown[first : first + MOST_FIGURES], with_costs)]
    if not with_costs:
        parts += [Text(), _standings(found, rows, (), with_costs=True)]
    parts += [Text(), Text(_legend(found), style="dim")]
    parts += [Text(f"{row.one.name} failed: {row.one.failed}", style="bold red") for row in rows if row.one.failed]
    if found.transfer:
        parts += [Text(), _transfer(found)]
    parts += [Text(f"warning: {sentence}", style="yellow") for sentence in found.warnings]
    return Group(*parts)


def _standings(found: Findings, rows: Sequence[Standing], shown: Sequence[str], with_costs: bool) -> Table:
    """Two lines for each contestant: R², and below it the difference to the reference."""
    title = f"R² on {halves(found)} halves, and the difference to {found.reference}" if shown else "what they take"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left", title_style="bold")
    table.add_column("", min_width=12, overflow="fold")
    for name in (*shown, *(("parameters", "training", "latency") if with_costs else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [_placed(row, row.places.get(figure)) for figure in shown]
        style = "bold" if row.is_reference else "red" if row.one.failed else ""
        table.add_row(Text(row.one.name), *cells, *(_costs(row.one) if with_costs else ()), style=style)
    return table


def _placed(row: Standing, place: Place | None) -> Text:
    if place is None:
        return Text("failed")
    if place.contrast is None:
        return Text(f"{place.r2}\n{'reference' if row.is_reference else ''}")
    style = {"better": "bold green", "worse": "bold red"}.get(place.verdict, "")
    return Text.assemble(place.r2, "\n", (f"{MARKS[place.verdict]} {signed(place.contrast.difference)}", style))


def _costs(one: Measured) -> tuple[str, str, str]:
    if one.failed:
        return "-", "-", "-"
    return parameters(one.cost.parameters), seconds(one.cost.training_seconds), milliseconds(one.cost.latency)


def _legend(found: Findings) -> str:
    return (
        f"▲ ▼ significantly better or worse (combined 5x2cv F, Holm, alpha {found.alpha:g}), = undecided\n"
        "± standard error over the halves; training on one half; latency per 1,000 rows"
    )


def _transfer(found: Findings) -> RenderableType:
    """A line per figure: what it gains by sharing."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", title_style="bold")
    table.title = f"what a head gains by sharing: {found.transfer[0].one} less {found.transfer[0].other}"
    for column in ("", "R²", f"{level(found.alpha)} interval", "p, adjusted", "sharing"):
        table.add_column(column, justify="left" if column in {"", "sharing"} else "right", no_wrap=True)
    outcomes = {"better": "helps", "worse": "hurts", "undecided": "undecided"}
    for gain in found.transfer:
        words = verdict(gain)
        style = {"better": "bold green", "worse": "bold red"}.get(words, "")
        interval = f"{signed(gain.low)} to {signed(gain.high)}"
        outcome = Text(f"{MARKS[words]} {outcomes[words]}", style=style)
        table.add_row(f"  {named(gain.figure)}", signed(gain.difference), interval, p_value(gain.p_adjusted), outcome)
    return table
