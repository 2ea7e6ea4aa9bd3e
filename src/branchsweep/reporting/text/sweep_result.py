"""Says what came of a sweep, for people at a terminal: the summary at its end, the list of sweeps, a leaderboard, a trial.

What is shown here comes from flows that read tables and train. They are imported for their types alone: `branchsweep show`
answers without pandas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.metrics.names import score_names
from branchsweep.reporting.formatting import (
    SYNTHETIC_DATA_WARNING,
    format_score,
    format_score_with_error,
    promotion_outcome,
)
from branchsweep.reporting.text.layout import key_value_table
from branchsweep.workflows.sweep_result import BaselineResult, BestTrial, SweepResult

if TYPE_CHECKING:
    from branchsweep.workflows.promotion import PromotionOutcome

MOST_DIMENSIONS = 8
"""Dimensions whose importance is shown."""

BAR = 16
"""Characters of a bar that stands for all."""

MANY_MEETINGS = 20
"""Models that may meet the same test rows before that is worth a warning."""


def _worn_out(meetings: int) -> str:
    """A warning that grows with the count: every look at test rows that leads to a choice uses them up a little."""
    much = "no longer tell" if meetings > 10 * MANY_MEETINGS else "tell less and less of"
    return (
        f"warning: {meetings} models have met these test rows in this store. If any of their test scores led to a choice, the "
        f"rows {much} what a new model is worth: take others (test.seed), or new data."
    )


def render_sweep_result(said: SweepResult, units: Mapping[str, str]) -> RenderableType:
    """The end of a sweep, as a person is glad to read it.

    Args:
        said: What the sweep has to say.
        units: Unit by head.
    """
    parts: list[RenderableType] = [Text(), _title(said)]
    if said.data["source"] == "stand-in":
        parts.append(Text(SYNTHETIC_DATA_WARNING, style="bold yellow"))
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
    if said.test_scores is None:
        parts.append(
            Text("The refit on all training rows diverged from every seed, so nothing is registered.", style="bold red")
        )
    if said.champion:
        outcome = promotion_outcome(said.champion.crowned)
        parts.append(
            Text(f"{said.champion.model} version {said.champion.version} {outcome}: {said.champion.because}.", style="bold")
        )
        parts += [
            Text(f"  branchsweep predict models:/{said.champion.model}@champion TABLE.xlsx -o predictions.csv", style="cyan"),
        ]
    parts.append(Text("  branchsweep ui", style="cyan"))
    if said.meetings > MANY_MEETINGS:
        parts.append(Text(_worn_out(said.meetings), style="bold yellow"))
    return Group(*parts)


def _title(said: SweepResult) -> Text:
    counts = ", ".join(f"{count} {status}" for status, count in said.trials.items() if count)
    minutes, seconds = divmod(round(said.seconds), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    where = f"{said.data['location']} ({said.data['rows']:,} rows)"
    trials = f"{sum(said.trials.values())} trials ({counts})"
    return Text.assemble((said.sweep, "bold"), f": {trials} in {took} on {where}; {said.stopped_because}")


def _front(said: SweepResult) -> RenderableType:
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title="Pareto front", title_justify="left", title_style="bold"
    )
    heads = list(said.front[0].scores)
    for column in ("  trial", *score_names(said.score_metrics, mean=False).values()):
        table.add_column(column, justify="right")
    for member in said.front:
        chosen = said.best is not None and member.trial == said.best.trial
        table.add_row(
            f"{member.trial}", *(format_score(member.scores[head]) for head in heads), style="bold green" if chosen else ""
        )
    return table


def _twice(said: SweepResult) -> RenderableType:
    """The best trials in the search and once more; the gap is the flattery of having been chosen."""
    title = Text("the best of the search, once more from fresh seeds on fresh folds (mean R²)", style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("  trial", "searched", "confirmed", "gap", "parameters"):
        table.add_column(column, justify="right")
    for one in said.confirmed:
        before, after = one.searched["mean"], one.scores["mean"]
        chosen = said.best is not None and one.trial == said.best.trial
        gap = "-" if math.isnan(after) else f"{before - after:+.4f}"
        cells = (
            f"{one.trial}",
            format_score(before),
            format_score_with_error(after, one.scores_se.get("mean")),
            gap,
            f"{one.parameters:,}",
        )
        table.add_row(*cells, style="bold green" if chosen else "")
    return Group(title, table)


def _recipe(best: BestTrial) -> RenderableType:
    table = key_value_table(dict(sorted(best.recipe.items())))
    table.title = Text(f"best: trial {best.trial}, {best.parameters:,} parameters", style="bold")
    table.title_justify = "left"
    return table


def _comparison(said: SweepResult, best: BestTrial, heads: Sequence[str]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title="R²", title_justify="left", title_style="bold")
    table.add_column("")
    for head in heads:
        table.add_column(f"{head} confirmed", justify="right")
    for head in heads:
        table.add_column(f"{head} test", justify="right")
    twice = next((one for one in said.confirmed if one.trial == best.trial), None)
    scores, errors = (twice.scores, twice.scores_se) if twice else (best.scores, best.scores_se)
    of = f"mean of {said.members}, " if said.members > 1 else ""
    rows = [BaselineResult(f"best ({of}trial {best.trial})", scores, errors, said.test_scores or {}), *said.references]
    for place, row in enumerate(rows):
        cells = [format_score_with_error(row.scores.get(head), row.scores_se.get(head)) for head in heads]
        cells += [format_score(row.test_scores.get(head)) for head in heads]
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


def render_promotion_outcome(said: PromotionOutcome, heads: Sequence[str]) -> RenderableType:
    """What came of a final: every contender's confirmed scores, the finalist, the verdict."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title="confirmed R²", title_justify="left", title_style="bold"
    )
    for column in ("  contender", *heads, "mean", "parameters"):
        table.add_column(column, justify="left" if column == "  contender" else "right")
    for one in said.confirmed:
        figures = [
            format_score_with_error(one.score.scores.get(head), one.score.scores_se.get(head)) for head in (*heads, "mean")
        ]
        cells = figures if one.score.is_complete else [one.score.reason, *("-" for _ in heads)]
        table.add_row(
            f"  {one.contender.name}", *cells, f"{one.parameters:,}", style="bold green" if one is said.finalist else ""
        )
    parts: list[RenderableType] = [table, Text()]
    if said.test_scores:
        parts.append(
            Text("on the test rows: " + "  ".join(f"{head} {format_score(score)}" for head, score in said.test_scores.items()))
        )
    if said.crowning:
        outcome = promotion_outcome(said.crowning.crowned)
        parts.append(
            Text(f"{said.crowning.model} version {said.crowning.version} {outcome}: {said.crowning.because}.", style="bold")
        )
    elif said.verdict:
        outcome = "would be promoted to champion" if said.verdict.promote else "would not be promoted"
        name = said.finalist.contender.name if said.finalist else ""
        parts.append(Text(f"{name} {outcome}: {said.verdict.because}. Nothing was registered.", style="bold"))
    return Group(*parts)
