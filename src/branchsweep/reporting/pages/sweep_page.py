"""The page of a sweep, its pictures and its tables: all that is kept with it for people to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.config.loading import dump_yaml
from branchsweep.models.drawing import draw_network
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.figures.axis_scales import format_value
from branchsweep.reporting.formatting import format_score, format_score_with_error
from branchsweep.workflows.sweep_report import Files, SweepReport, report_tables
from branchsweep.workflows.sweep_result import BaselineResult, BestTrial

PAGE, INTERACTIVE, PLOTS = "report.html", "interactive.html", "plots"
"""Files, and the folder of the pictures."""

MOST_LEADING = 10
"""Trials in the page's table."""


def report_files(report: SweepReport) -> Files:
    """All files of a report by name: the page, the pictures as PNG, the page to play with, the tables.

    matplotlib and Plotly take seconds to come, so nobody pays for them who only searches.
    """
    from branchsweep.reporting.figures import plot_style, sweep_figures  # noqa: PLC0415  # see above
    from branchsweep.reporting.figures.interactive import interactive_page  # noqa: PLC0415

    made = sweep_figures.sweep_figures(report)
    files: dict[str, str | bytes] = {PAGE: _page(report, made), **report_tables(report), INTERACTIVE: interactive_page(report)}
    return files | {f"{PLOTS}/{one.name}.png": plot_style.png(one.figure) for one in made if one.figure is not None}


def trial_figures(report: SweepReport) -> Mapping[int, Files]:
    """By trial, the fit of each finalist as PNG: on rows of the confirmation that its networks had not learnt from."""
    from branchsweep.reporting.figures import plot_style  # noqa: PLC0415  # see printed
    from branchsweep.reporting.figures.predictions import prediction_figure  # noqa: PLC0415  # see printed

    units = {name: head.unit for name, head in report.experiment.heads.items()}
    return {
        trial: {f"{PLOTS}/predicted_against_actual.png": plot_style.png(prediction_figure(predictions, units))}
        for trial, predictions in report.finalists.items()
    }


def render_sweep_page(report: SweepReport) -> str:
    """The page alone: one HTML file that needs nothing from outside."""
    from branchsweep.reporting.figures import sweep_figures  # noqa: PLC0415  # see printed

    return _page(report, sweep_figures.sweep_figures(report))


def _page(report: SweepReport, made: Sequence[Any]) -> str:
    from branchsweep.reporting.figures import search  # noqa: PLC0415  # see printed
    from branchsweep.reporting.pages.html import figure_markup, render_template  # noqa: PLC0415  # see report_files

    said, experiment = report.summary, report.experiment
    return render_template(
        "sweep.html",
        name=said.sweep,
        version=report.environment.get("version", ""),
        trials=f"{len(report.results):,}",
        answer=answer_sentence(report),
        lead=_lead(report),
        question=experiment.question,
        stand_in=_stand_in(report),
        facts=_facts(report),
        warnings=list(said.unmet),
        heads=list(experiment.heads),
        comparison=_comparison(report),
        nothing=_nothing(report),
        network=_network(report),
        recipe=_recipe(said.best) if said.best else "",
        pictures=[
            {
                "name": one.name,
                "title": one.title,
                "caption": one.caption,
                "svg": figure_markup(one.figure, f"{one.title}. {one.caption}") if one.figure is not None else "",
            }
            for one in made
        ],
        edges=list(said.edges),
        no_edges="The best trial stands at no end of a range that could be moved." if said.best else "There is no best trial.",
        ends=[
            (name, low, high, value, None if math.isnan(at) else 4 + 192 * min(max(at, 0.0), 1.0))
            for name, low, high, value, at in search.trial_ends(report)
        ],
        leading=_leading(report),
        data_sentence=_data_sentence(report),
        data_warnings=[] if _stand_in(report) else list(report.table.warnings),
        columns=[
            {
                "name": one.name,
                "role": {"input": "input", "head": "predicted"}[one.role],
                "unit": one.unit,
                **{key: f"{getattr(one, key):.5g}" for key in ("low", "mean", "high", "sd")},
            }
            for one in report.table.columns
        ],
        commands=_commands(report),
        yaml=dump_yaml(experiment),
        versions="\n".join(f"{name.removeprefix('version_')} {value}" for name, value in sorted(report.environment.items())),
        foot=f"Run {said.run_id} in MLflow. This page needs nothing from outside.",
    )


def answer_sentence(report: SweepReport) -> str:
    """What came of the sweep, in one sentence: the first thing that is read."""
    said, heads = report.summary, list(report.experiment.heads)
    if said.best is None:
        return "No trial meets the constraints." if said.trials.get("complete") else "No trial trained to its end."
    who = f"the mean of {said.members} networks" if said.members > 1 else "the best network"
    who = f"On made-up stand-in data, {who}" if _stand_in(report) else f"T{who[1:]}"
    if said.test_r2:
        compared = [f"{one.name} {_listed([number3(one.test_r2[h]) for h in heads])}" for one in said.references if one.test_r2]
        others = f"; {', '.join(compared)}" if compared else ""
        return f"{who} predicts {_per_head(heads, said.test_r2)} on rows it never saw{others}."
    return f"{who} predicts {_per_head(heads, said.best.r2)} on validation rows; trained on all rows, it diverged."


def _per_head(heads: Sequence[str], r2: Mapping[str, float]) -> str:
    first, *others = [f"{head} with R² {number3(r2[head])}" for head in heads]
    return _listed([first, *(words.replace("R² ", "") for words in others)])


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def number3(figure: float) -> str:
    """An R² for a sentence."""
    return f"{figure:.3f}" if math.isfinite(figure) else "-"


def _lead(report: SweepReport) -> list[str]:
    said = report.summary
    lead = []
    if said.best:
        twice = next((one for one in said.confirmed if one.trial == said.best.trial), None)
        gap = f" {_luck(twice.searched['mean'], twice.r2['mean'])}" if twice else ""
        lead.append(
            f"It is trial {said.best.trial} of {len(report.results):,}, a network of {said.best.parameters:,} parameters.{gap}"
        )
    if said.champion:
        crown = "is the champion" if said.champion.crowned else "is registered, but does not take the title"
        lead.append(f"{said.champion.model} version {said.champion.version} {crown}: {said.champion.because}.")
    return lead


def _luck(searched: float, confirmed: float) -> str:
    """What became of the search's score when the trial was trained again, in a sentence."""
    if not (math.isfinite(searched) and math.isfinite(confirmed)):
        return ""
    return f"Its mean R² was {searched:.4f} in the search and {confirmed:.4f} when it was trained again on freshly cut rows."


def _stand_in(report: SweepReport) -> str:
    if report.summary.data["source"] != "stand-in":
        return ""
    return " ".join(report.table.warnings) or "These figures are of the embedded stand-in, not of measured data."


def _facts(report: SweepReport) -> list[tuple[str, str]]:
    said = report.summary
    minutes, seconds = divmod(round(sum(result.score.seconds for result in report.results)), 60)
    return [
        ("trials", f"{len(report.results):,}"),
        ("trained to their end", f"{said.trials.get('complete', 0):,}"),
        ("stopped early", f"{said.trials.get('pruned', 0):,}"),
        ("failed", f"{said.trials['failed']:,}" if said.trials.get("failed") else ""),
        ("training of all trials", f"{minutes} min {seconds} s" if minutes else f"{seconds} s"),
        ("rows", f"{said.data['rows']:,}"),
    ]


def _nothing(report: SweepReport) -> str:
    return f"There is nothing to compare: {answer_sentence(report)}"


def _comparison(report: SweepReport) -> list[Mapping[str, Any]]:
    said, heads = report.summary, list(report.experiment.heads)
    if said.best is None:
        return []
    best = said.best
    twice = next((one for one in said.confirmed if one.trial == best.trial), None)
    r2, r2_se = (twice.r2, twice.r2_se) if twice else (best.r2, best.r2_se)
    rows = [BaselineResult("the best of the sweep", r2, r2_se, said.test_r2 or {}), *said.references]
    of = f"trial {best.trial}" + (f", the mean of {said.members} networks" if said.members > 1 else "")
    most = {head: max((row.test_r2.get(head, -math.inf) for row in rows), default=-math.inf) for head in heads}
    return [
        {
            "name": row.name,
            "remark": of if place == 0 else "",
            "test": [
                {"words": format_score(row.test_r2.get(head)), "leads": row.test_r2.get(head) == most[head]} for head in heads
            ],
            "confirmed": [{"words": format_score_with_error(row.r2.get(head), row.r2_se.get(head))} for head in heads],
        }
        for place, row in enumerate(rows)
    ]


def _network(report: SweepReport) -> str:
    if report.summary.best is None:
        return ""
    architecture = recipe_for(report.experiment, report.summary.best.params).architecture
    return "\n".join(draw_network(architecture, report.experiment.table.inputs))


def _recipe(best: BestTrial) -> str:
    return ", ".join(f"{name} {format_value(value)}" for name, value in sorted(best.recipe.items()))


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """A row of the page's table of trials."""

    number: int
    chosen: bool
    r2: list[str]
    words: str


def _leading(report: SweepReport) -> list[LeaderboardRow]:
    best = report.summary.best.trial if report.summary.best else None
    return [
        LeaderboardRow(
            number=result.trial.number,
            chosen=result.trial.number == best,
            r2=[format_score(result.score.of_heads.get(head)) for head in report.experiment.heads],
            words=(f"{result.trial.known}: " if result.trial.known else "")
            + (
                result.score.reason
                or ", ".join(f"{name} {format_value(value)}" for name, value in sorted(result.trial.params.items()))
            ),
        )
        for result in report.ranked[:MOST_LEADING]
    ]


def _data_sentence(report: SweepReport) -> str:
    said, table = report.summary.data, report.table
    parts = f", {table.train:,} to train and validate, {table.test:,} set aside for the test" if table.train else ""
    clean = " No row repeats another." if table.train and not table.warnings else ""
    return f"{said['location']}: {said['rows']:,} rows{parts}. Digest {said['digest']}.{clean}"


def _commands(report: SweepReport) -> str:
    said = report.summary
    lines = ["branchsweep run experiment.yaml --fresh            # the whole sweep"]
    if said.best:
        lines.append(
            f"branchsweep replay {said.run_id[:12]} --trial {said.best.trial}    # its best trial, compared with its record"
        )
    if said.champion:
        lines.append(f"branchsweep predict models:/{said.champion.model}/{said.champion.version} TABLE.xlsx -o predictions.csv")
    lines.append(f"branchsweep report {said.run_id[:12]} -o report.html   # this page")
    return "\n".join(lines)
