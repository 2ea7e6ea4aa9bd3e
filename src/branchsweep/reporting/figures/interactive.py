"""Interactive figures of a sweep with Plotly, which is an optional dependency: import this module where it is installed."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plotly import graph_objects

from branchsweep.reporting.figures.axis_scales import axis_floor, axis_position, format_value, ticks
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, GREY, OCHRE, VERMILLION
from branchsweep.reporting.figures.trials import ranking_name, score_label
from branchsweep.trial import Result
from branchsweep.workflows.sweep_report import SweepReport

INK, RULE = "#808a95", "rgba(128, 138, 149, 0.25)"
"""Colours of text and grids that are readable on white and on black."""

PRUNED = (
    "Hollow markers are pruned trials, with the scores of the epoch at which they were pruned; failed trials have no score."
)
"""How pruned trials are shown, for captions."""

TRANSPARENT = "rgba(0,0,0,0)"

NOT_ACTIVE = -0.12
"""Position on the axis of a dimension that was not active in a trial."""

COLOUR_SCALE = [[0.0, GREY], [0.4, BLUE], [0.65, GREEN], [0.85, OCHRE], [1.0, VERMILLION]]
"""Colour scale from the worst to the best value, readable on white and on black."""


@dataclass(frozen=True, slots=True, eq=False)
class InteractiveFigure:
    """A figure of Plotly with its text.

    Args:
        title: What it shows.
        caption: How to read it.
        figure: A `plotly.graph_objects.Figure`.
    """

    title: str
    caption: str
    figure: Any


def interactive_figures(report: SweepReport) -> list[InteractiveFigure]:
    """Parallel coordinates, the heads against each other, slices, and the optimization history, of complete and pruned trials.

    A figure that has nothing to show is left out. A trial that was pruned has the scores of its last epoch.
    """
    scored = [result for result in report.ranked if result.score.heads]
    if not scored:
        return []
    figures = [draw(report, scored) for draw in (_parallel_coordinates, _pareto_front, _slices, _optimization_history)]
    return [_with_style(figure) for figure in figures if figure is not None]


def _with_style(interactive: InteractiveFigure) -> InteractiveFigure:
    """The figure with transparent background and colours that suit the light and the dark page."""
    interactive.figure.update_layout(
        paper_bgcolor=TRANSPARENT,
        plot_bgcolor=TRANSPARENT,
        font={"color": INK, "family": "system-ui, sans-serif"},
        margin={"l": 60, "r": 40, "t": interactive.figure.layout.margin.t or 50, "b": 50},
        modebar={"bgcolor": TRANSPARENT, "color": INK, "activecolor": BLUE},
        template="none",
    )
    interactive.figure.update_xaxes(gridcolor=RULE, zeroline=False)
    interactive.figure.update_yaxes(gridcolor=RULE, zeroline=False)
    return interactive


def _values(report: SweepReport, results: list[Result]) -> list[float]:
    evaluator = report.evaluator
    return [evaluator.rank(result.score) for result in results]


def _hover_text(result: Result) -> str:
    """The text that is shown when hovering over a trial."""
    scores = ", ".join(f"{head} {score:.4f}" for head, score in result.score.by_head.items())
    params = "<br>".join(f"{name}: {format_value(value)}" for name, value in result.trial.params.items())
    known = f" ({html.escape(result.trial.known)})" if result.trial.known else ""
    ended = f" after epoch {result.score.ended_at}" if result.score.ended_at else ""
    status = f"{result.score.status.lower()}{ended}"
    return f"<b>trial {result.trial.number}{known}</b>, {status}<br>{scores}<br>{params}"


def _marker(report: SweepReport, results: list[Result]) -> Mapping[str, Any]:
    values = _values(report, results)
    return {
        "color": values,
        "colorscale": COLOUR_SCALE,
        "cmin": axis_floor(values),
        "cmax": max(values),
        "size": [9 if result.score.is_complete else 7 for result in results],
        "symbol": ["circle" if result.score.is_complete else "circle-open" for result in results],
        "opacity": 0.85,
    }


def _parallel_coordinates(report: SweepReport, results: list[Result]) -> InteractiveFigure | None:
    dimensions = report.experiment.space.dimensions
    if not dimensions:
        return None
    values = _values(report, results)
    low, top = axis_floor(values), max(values)
    axes: list[dict[str, Any]] = []
    for name, dimension in dimensions.items():
        positions = [axis_position(dimension, result.trial.params.get(name)) for result in results]
        labels = ticks(dimension, 8)
        inactive = any(map(math.isnan, positions))
        axes.append(
            {
                "label": name,
                "values": [NOT_ACTIVE if math.isnan(at) else at for at in positions],
                "range": [NOT_ACTIVE if inactive else 0, 1],
                "tickvals": [*([NOT_ACTIVE] if inactive else []), *(at for at, _ in labels)],
                "ticktext": [*(["not active"] if inactive else []), *(label for _, label in labels)],
            }
        )
    status = [float(result.score.is_complete) for result in results]
    axes.append({"label": "status", "values": status, "range": [0, 1], "tickvals": [0, 1], "ticktext": ["pruned", "complete"]})
    for head in report.experiment.heads:
        scores = [result.score.by_head[head] for result in results]
        floor, highest = axis_floor(scores), max(scores)
        limited = [max(score, floor) for score in scores]
        axes.append({"label": f"{score_label(report)} {head}", "values": limited, "range": [floor, highest]})
    axes.append(
        {
            "label": ranking_name(report),
            "values": [max(value, low) for value in values],
            "range": [low, top],
        }
    )
    line = {"color": values, "colorscale": COLOUR_SCALE, "cmin": low, "cmax": top, "showscale": True}
    figure = graph_objects.Figure(
        graph_objects.Parcoords(
            dimensions=axes, line=line, labelangle=-25, labelside="top", rangefont={"size": 1, "color": TRANSPARENT}
        )
    )
    figure.update_layout(height=540, margin={"t": 110})
    caption = (
        "One line per trial; orange is the best. A pruned trial has the scores of the epoch at which it was pruned; to leave "
        "pruned trials out, drag along the top of the axis status."
    )
    return InteractiveFigure("Parallel coordinates", caption, figure)


def _pareto_front(report: SweepReport, results: list[Result]) -> InteractiveFigure | None:
    heads = list(report.experiment.heads)[:2]
    if len(heads) < 2:
        return None
    x, y = ([result.score.by_head[head] for result in results] for head in heads)
    figure = graph_objects.Figure(
        graph_objects.Scatter(
            x=x, y=y, mode="markers", marker=_marker(report, results), text=[*map(_hover_text, results)], hoverinfo="text"
        )
    )
    figure.update_xaxes(title=f"{score_label(report)} of {heads[0]}", range=_range(x))
    figure.update_yaxes(title=f"{score_label(report)} of {heads[1]}", range=_range(y))
    figure.update_layout(height=520)
    return InteractiveFigure("Heads against each other", f"Up and to the right is better. {PRUNED}", figure)


def _range(values: list[float]) -> list[float]:
    low, top = axis_floor(values), max(values)
    margin = 0.05 * (top - low or 0.01)
    return [low - margin, top + margin]


def _slices(report: SweepReport, results: list[Result]) -> InteractiveFigure | None:
    """The score against one dimension, which is chosen from a list."""
    dimensions, values = report.experiment.space.dimensions, _values(report, results)
    if not dimensions:
        return None
    positions = {
        name: [
            None if math.isnan(at) else at
            for at in (axis_position(dimension, result.trial.params.get(name)) for result in results)
        ]
        for name, dimension in dimensions.items()
    }
    first = next(iter(dimensions))
    figure = graph_objects.Figure(
        graph_objects.Scatter(
            x=positions[first],
            y=values,
            mode="markers",
            marker=_marker(report, results),
            text=[*map(_hover_text, results)],
            hoverinfo="text",
        )
    )
    buttons = [
        {"label": name, "method": "update", "args": [{"x": [positions[name]]}, {"xaxis": _axis(dimension, name)}]}
        for name, dimension in dimensions.items()
    ]
    figure.update_layout(
        height=480,
        xaxis=_axis(dimensions[first], first),
        updatemenus=[
            {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.14, "yanchor": "bottom", "font": {"color": "#333"}}
        ],
    )
    figure.update_yaxes(title=ranking_name(report), range=_range(values))
    caption = f"The score against one dimension, which is chosen from the list. {PRUNED}"
    return InteractiveFigure("Slices", caption, figure)


def _axis(dimension: Any, name: str) -> dict[str, Any]:
    labels = ticks(dimension, 10)
    return {
        "title": {"text": name},
        "tickvals": [at for at, _ in labels],
        "ticktext": [label for _, label in labels],
        "range": [-0.06, 1.06],
        "gridcolor": RULE,
        "zeroline": False,
    }


def _optimization_history(report: SweepReport, results: list[Result]) -> InteractiveFigure | None:
    values = _values(report, results)
    numbers = [result.trial.number for result in results]
    scatter = graph_objects.Scatter(
        x=numbers,
        y=values,
        mode="markers",
        marker=_marker(report, results),
        text=[*map(_hover_text, results)],
        hoverinfo="text",
    )
    figure = graph_objects.Figure(scatter)
    figure.update_xaxes(title="trial")
    figure.update_yaxes(title=ranking_name(report), range=_range(values))
    figure.update_layout(height=420)
    return InteractiveFigure("Optimization history", f"The score of each trial by its number. {PRUNED}", figure)
