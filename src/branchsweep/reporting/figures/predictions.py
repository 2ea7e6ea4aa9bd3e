"""Predicted against actual values, and residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from branchsweep.metrics.scores import r2
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, INK, OCHRE, VERMILLION, Axes, Figure
from branchsweep.reporting.figures.trials import MANY, WIDTH, SweepFigure
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import HeadPredictions, SweepReport

MOST_POINTS = 20_000
"""Test rows that are painted; of more, evenly spread ones."""


def predicted_against_actual(report: SweepReport) -> SweepFigure:
    """Per head, the finished model on the test rows: predicted against actual, and what is left over."""
    name, title = "predicted_against_actual", "Predicted against actual"
    if not report.predictions:
        return SweepFigure(name, title, "There is no finished model, so there are no predictions to show.")
    caption = (
        "Each dot is one row that the model never saw. Left: the nearer to the diagonal, the better; orange is where many dots "
        "lie on top of each other. Right: by how much it was off, which should look the same along the whole line."
    )
    return SweepFigure(
        name, title, caption, prediction_figure(report.predictions, {n: of.unit for n, of in report.experiment.heads.items()})
    )


def prediction_figure(predictions: Mapping[str, HeadPredictions], units: Mapping[str, str]) -> Figure:
    """Per head predicted against actual, with its R², and beside it what is left over."""
    figure, panels = plot_style.panels(WIDTH, 400 * len(predictions), 2 * len(predictions), 2)
    for place, (head, said) in enumerate(predictions.items()):
        _scatter(panels[2 * place], head, units[head], said)
        _residuals(panels[2 * place + 1], head, units[head], said)
    return figure


def _thinned(said: HeadPredictions) -> tuple[Floats, Floats]:
    every = -(-len(said.actual) // MOST_POINTS)
    return said.actual[::every], said.predicted[::every]


def _scatter(panel: Axes, head: str, unit: str, said: HeadPredictions) -> None:
    actual, predicted = _thinned(said)
    low, high = float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))
    margin = 0.03 * (high - low or 1.0)
    panel.plot([low, high], [low, high], color=INK, alpha=0.6, linewidth=1)
    _paint_dense(panel, actual, predicted)
    panel.set_xlim(low - margin, high + margin)
    panel.set_ylim(low - margin, high + margin)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel(f"measured{_in(unit)}")
    panel.set_ylabel(f"predicted{_in(unit)}")
    explained = float(r2(said.actual, said.predicted, axis=-1))
    plot_style.title(panel, f"{head}: R² {explained:.3f} on the test rows")


def _residuals(panel: Axes, head: str, unit: str, said: HeadPredictions) -> None:
    actual, predicted = _thinned(said)
    off = predicted - actual
    everywhere = said.predicted - said.actual
    rmse, mae = float(np.sqrt(np.mean(everywhere**2))), float(np.mean(np.abs(everywhere)))
    panel.axhline(0, color=INK, alpha=0.6, linewidth=1)
    _paint_dense(panel, predicted, off)
    panel.set_xlabel(f"predicted{_in(unit)}")
    panel.set_ylabel(f"predicted minus measured{_in(unit)}")
    plot_style.title(panel, f"{head}: off by {mae:.3g} {unit} on average, RMSE {rmse:.3g}")


def _paint_dense(panel: Axes, x: Floats, y: Floats) -> None:
    """Points as an image, coloured by how many there are around them, the crowded ones in front."""
    counts, xs, ys = np.histogram2d(x, y, bins=40)
    column = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, 39)
    row = np.clip(np.searchsorted(ys, y, side="right") - 1, 0, 39)
    around = counts[column, row]
    order = np.argsort(around, kind="stable")
    crowd = np.log(around) / max(np.log(around.max()), 1e-9)
    colours = _between([BLUE, GREEN, OCHRE, VERMILLION], crowd)
    panel.scatter(x[order], y[order], s=9 if len(x) > MANY else 20, c=colours[order], linewidths=0, alpha=0.75, rasterized=True)


def _between(stops: Sequence[str], shares: Floats) -> Floats:
    """`(n, 3)` colours along a row of colours, for shares `(n,)` from 0 to 1."""
    rgb = np.array([[int(stop[place : place + 2], 16) / 255 for place in (1, 3, 5)] for stop in stops])
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(shares, places, rgb[:, channel]) for channel in range(3)], axis=1)


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""
