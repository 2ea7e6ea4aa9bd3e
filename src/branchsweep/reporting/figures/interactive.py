"""Pictures of a sweep to play with: one page with Plotly inside, beside the report. The one address of Plotly.

The report itself has none of it: Plotly's script has 4.8 MB, and a page that is read and printed should open at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from plotly import graph_objects, io, offline

from branchsweep.reporting.figures.axis_scales import axis_floor, axis_position, format_value, ticks
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, GREY, OCHRE, VERMILLION
from branchsweep.reporting.pages import html
from branchsweep.trial import Result
from branchsweep.workflows.sweep_report import SweepReport

INK, RULE = "#808a95", "rgba(128, 138, 149, 0.25)"
"""Words and grids that can be read on white and on black."""

CLEAR = "rgba(0,0,0,0)"

NOT_ASKED = -0.12
"""Where a line passes a dimension that its trial was not asked for."""

COLOURS = [[0.0, GREY], [0.4, BLUE], [0.65, GREEN], [0.85, OCHRE], [1.0, VERMILLION]]
"""From the worst to the best: each can be seen on white and on black."""


def interactive_page(report: SweepReport) -> str:
    """The page: parallel coordinates, the heads against each other, the score along every dimension, and by trial."""
    complete = [result for result in report.ranked if result.score.is_complete]
    makers = (_parallel, _heads, _slices, _course)
    made = [one for one in (maker(report, complete) for maker in makers) if one] if complete else []
    pictures = [(title, caption, _element(place, figure)) for place, (title, caption, figure) in enumerate(made)]
    library = html.trusted_markup(offline.get_plotlyjs())  # Plotly's own script
    return html.render_template("interactive.html", name=report.experiment.name, library=library, pictures=pictures)


Shown = tuple[str, str, Any]
"""A title, a sentence, and a figure of Plotly's."""


def _element(place: int, figure: Any) -> str:
    figure.update_layout(
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"color": INK, "family": "system-ui, sans-serif"},
        margin={"l": 60, "r": 40, "t": figure.layout.margin.t or 50, "b": 50},
        modebar={"bgcolor": CLEAR, "color": INK, "activecolor": BLUE},
        template="none",
    )
    figure.update_xaxes(gridcolor=RULE, zeroline=False)
    figure.update_yaxes(gridcolor=RULE, zeroline=False)
    written = io.to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        div_id=f"picture-{place}",
        config={"displaylogo": False, "responsive": True},
    )
    return html.trusted_markup(written)  # Plotly escapes what stands in it


def _values(report: SweepReport, results: list[Result]) -> list[float]:
    judged = report.judged
    return [judged.rank(result.score) for result in results]


def _words(result: Result) -> str:
    """What is said of a trial that is pointed at."""
    figures = ", ".join(f"{head} {r2:.4f}" for head, r2 in result.score.of_heads.items())
    params = "<br>".join(f"{name}: {format_value(value)}" for name, value in result.trial.params.items())
    known = f" ({result.trial.known})" if result.trial.known else ""
    return f"<b>trial {result.trial.number}{known}</b><br>R² {figures}<br>{params}"


def _marks(report: SweepReport, results: list[Result]) -> Mapping[str, Any]:
    values = _values(report, results)
    return {"color": values, "colorscale": COLOURS, "cmin": axis_floor(values), "cmax": max(values), "size": 7, "opacity": 0.85}


def _parallel(report: SweepReport, results: list[Result]) -> Shown | None:
    dimensions = report.experiment.space.dimensions
    if not dimensions:
        return None
    values = _values(report, results)
    low, top = axis_floor(values), max(values)
    axes: list[dict[str, Any]] = []
    for name, dimension in dimensions.items():
        places = [axis_position(dimension, result.trial.params.get(name)) for result in results]
        marks = ticks(dimension, 8)
        missing = any(map(math.isnan, places))
        axes.append(
            {
                "label": name,
                "values": [NOT_ASKED if math.isnan(at) else at for at in places],
                "range": [NOT_ASKED if missing else 0, 1],
                "tickvals": [*([NOT_ASKED] if missing else []), *(at for at, _ in marks)],
                "ticktext": [*(["not asked"] if missing else []), *(words for _, words in marks)],
            }
        )
    axes += [
        {"label": f"R² {head}", "values": [max(result.score.of_heads[head], low - 1) for result in results]}
        for head in report.experiment.heads
    ]
    axes.append(
        {
            "label": report.experiment.objective.ranking_metric,
            "values": [max(value, low) for value in values],
            "range": [low, top],
        }
    )
    line = {"color": values, "colorscale": COLOURS, "cmin": low, "cmax": top, "showscale": True}
    figure = graph_objects.Figure(
        graph_objects.Parcoords(
            dimensions=axes, line=line, labelangle=-25, labelside="top", rangefont={"size": 1, "color": CLEAR}
        )
    )
    figure.update_layout(height=540, margin={"t": 110})
    return "Every trial as a line", "Trials that trained to their end; the more orange a line, the better.", figure


def _heads(report: SweepReport, results: list[Result]) -> Shown | None:
    heads = list(report.experiment.heads)[:2]
    if len(heads) < 2:
        return None
    x, y = ([result.score.of_heads[head] for result in results] for head in heads)
    figure = graph_objects.Figure(
        graph_objects.Scatter(
            x=x, y=y, mode="markers", marker=_marks(report, results), text=[*map(_words, results)], hoverinfo="text"
        )
    )
    figure.update_xaxes(title=f"R² of {heads[0]}", range=_range(x))
    figure.update_yaxes(title=f"R² of {heads[1]}", range=_range(y))
    figure.update_layout(height=520)
    return "The heads against each other", "Up and to the right is better.", figure


def _range(values: list[float]) -> list[float]:
    low, top = axis_floor(values), max(values)
    margin = 0.05 * (top - low or 0.01)
    return [low - margin, top + margin]


def _slices(report: SweepReport, results: list[Result]) -> Shown | None:
    """One panel, and a list to choose its dimension from."""
    dimensions, values = report.experiment.space.dimensions, _values(report, results)
    if not dimensions:
        return None
    places = {
        name: [
            None if math.isnan(at) else at
            for at in (axis_position(dimension, result.trial.params.get(name)) for result in results)
        ]
        for name, dimension in dimensions.items()
    }
    first = next(iter(dimensions))
    figure = graph_objects.Figure(
        graph_objects.Scatter(
            x=places[first],
            y=values,
            mode="markers",
            marker=_marks(report, results),
            text=[*map(_words, results)],
            hoverinfo="text",
        )
    )
    buttons = [
        {"label": name, "method": "update", "args": [{"x": [places[name]]}, {"xaxis": _axis(dimension, name)}]}
        for name, dimension in dimensions.items()
    ]
    figure.update_layout(
        height=480,
        xaxis=_axis(dimensions[first], first),
        updatemenus=[
            {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.14, "yanchor": "bottom", "font": {"color": "#333"}}
        ],
    )
    figure.update_yaxes(title=report.experiment.objective.ranking_metric, range=_range(values))
    return "The score along a dimension", "Choose the dimension from the list.", figure


def _axis(dimension: Any, name: str) -> dict[str, Any]:
    marks = ticks(dimension, 10)
    return {
        "title": {"text": name},
        "tickvals": [at for at, _ in marks],
        "ticktext": [words for _, words in marks],
        "range": [-0.06, 1.06],
        "gridcolor": RULE,
        "zeroline": False,
    }


def _course(report: SweepReport, results: list[Result]) -> Shown | None:
    values = _values(report, results)
    numbers = [result.trial.number for result in results]
    scatter = graph_objects.Scatter(
        x=numbers, y=values, mode="markers", marker=_marks(report, results), text=[*map(_words, results)], hoverinfo="text"
    )
    figure = graph_objects.Figure(scatter)
    figure.update_xaxes(title="trial")
    figure.update_yaxes(title=report.experiment.objective.ranking_metric, range=_range(values))
    figure.update_layout(height=420)
    return "The course of the search", "Trials that trained to their end, in the order in which they were asked.", figure
