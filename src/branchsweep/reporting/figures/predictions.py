"""Figures of predictions: predicted against actual values, and residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from branchsweep.metrics.functions import r2
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, INK, OCHRE, VERMILLION, Axes, Figure
from branchsweep.reporting.figures.trials import MANY, WIDTH, SweepFigure
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import HeadPredictions, SweepReport

MOST_POINTS = 20_000
"""Points per panel; of more rows, evenly spaced ones are drawn."""


def predicted_against_actual(report: SweepReport) -> SweepFigure:
    """Predictions of the final model on the test rows."""
    name, title = "predicted_against_actual", "Predicted against actual"
    if not report.predictions:
        return SweepFigure(name, title, "There is no final model, so there are no predictions to show.")
    caption = (
        "Each point is a test row, which the model was not trained on. Left: predicted against measured values; points near "
        "the diagonal are predicted well, and colours show density, from blue to orange. Right: residuals, which should be "
        "spread evenly around zero along the whole axis."
    )
    units = {head: settings.unit for head, settings in report.experiment.heads.items()}
    return SweepFigure(name, title, caption, prediction_figure(report.predictions, units, "the test rows"))


def prediction_figure(predictions: Mapping[str, HeadPredictions], units: Mapping[str, str], rows: str) -> Figure:
    """Per head two panels: predicted against actual values, and residuals.

    Args:
        predictions: By head.
        units: By head.
        rows: Which rows were predicted, for the titles: `test rows`.
    """
    figure, panels = plot_style.panels(WIDTH, 400 * len(predictions), 2 * len(predictions), 2)
    for row, (head, of_head) in enumerate(predictions.items()):
        _scatter(panels[2 * row], head, units[head], of_head, rows)
        _residuals(panels[2 * row + 1], head, units[head], of_head)
    return figure


def _thinned(predictions: HeadPredictions) -> tuple[Floats, Floats]:
    step = -(-len(predictions.actual) // MOST_POINTS)
    return predictions.actual[::step], predictions.predicted[::step]


def _scatter(panel: Axes, head: str, unit: str, predictions: HeadPredictions, rows: str) -> None:
    actual, predicted = _thinned(predictions)
    low, high = float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))
    margin = 0.03 * (high - low or 1.0)
    panel.plot([low, high], [low, high], color=INK, alpha=0.6, linewidth=1)
    _scatter_by_density(panel, actual, predicted)
    panel.set_xlim(low - margin, high + margin)
    panel.set_ylim(low - margin, high + margin)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel(f"measured{_unit(unit)}")
    panel.set_ylabel(f"predicted{_unit(unit)}")
    score = float(r2(predictions.actual, predictions.predicted, axis=-1))
    plot_style.title(panel, f"{head}: R² {score:.3f} on {rows}")


def _residuals(panel: Axes, head: str, unit: str, predictions: HeadPredictions) -> None:
    actual, predicted = _thinned(predictions)
    residuals = predictions.predicted - predictions.actual
    rmse, mae = float(np.sqrt(np.mean(residuals**2))), float(np.mean(np.abs(residuals)))
    panel.axhline(0, color=INK, alpha=0.6, linewidth=1)
    _scatter_by_density(panel, predicted, predicted - actual)
    panel.set_xlabel(f"predicted{_unit(unit)}")
    panel.set_ylabel(f"predicted minus measured{_unit(unit)}")
    plot_style.title(panel, f"{head}: MAE {mae:.3g}, RMSE {rmse:.3g}{_unit(unit)}")


def _scatter_by_density(panel: Axes, x: Floats, y: Floats) -> None:
    """Rasterized points, coloured by the density around them, the densest in front."""
    counts, xs, ys = np.histogram2d(x, y, bins=40)
    column = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, 39)
    row = np.clip(np.searchsorted(ys, y, side="right") - 1, 0, 39)
    neighbours = counts[column, row]
    order = np.argsort(neighbours, kind="stable")
    density = np.log(neighbours) / max(np.log(neighbours.max()), 1e-9)
    colours = _interpolated([BLUE, GREEN, OCHRE, VERMILLION], density)
    panel.scatter(x[order], y[order], s=9 if len(x) > MANY else 20, c=colours[order], linewidths=0, alpha=0.75, rasterized=True)


def _interpolated(colours: Sequence[str], shares: Floats) -> Floats:
    """RGB values `(n, 3)` on the scale through these colours, at shares `(n,)` from 0 to 1."""
    rgb = np.array([[int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)] for colour in colours])
    positions = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(shares, positions, rgb[:, channel]) for channel in range(3)], axis=1)


def _unit(unit: str) -> str:
    return f" ({unit})" if unit else ""
