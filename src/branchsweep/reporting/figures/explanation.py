"""Figures of what a model's predictions rest on: importance of inputs, and partial dependence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from branchsweep.metrics.names import label
from branchsweep.metrics.partial_dependence import PartialDependence
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.serving import CLASS_PROBABILITY_COLUMN
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import BLUE, INK, Axes, Figure
from branchsweep.reporting.figures.trials import WIDTH, SweepFigure
from branchsweep.workflows.explanation import Explanation
from branchsweep.workflows.sweep_report import SweepReport

MOST_INPUTS = 20
"""Inputs that are drawn, the most important ones."""

MOST_HEADS = 6
"""Heads that are drawn, the first ones."""

MOST_OUTPUTS = 12
"""Outputs whose partial dependence is drawn, the first ones: a head of several classes or quantiles has one for each."""

MOST_CURVES = 4
"""Inputs whose partial dependence is drawn."""

NOT_EXPLAINED = "There is no final model, or an earlier version evaluated it."
"""The caption where there is nothing to draw."""

_LONGEST_NAME = 24  # characters of an input


def permutation_importance(report: SweepReport) -> SweepFigure:
    """What each head's score on the test rows loses without an input."""
    name, title, explanation = "permutation_importance", "Importance of the inputs", report.explanation
    if explanation is None or not explanation.explained_heads:
        return SweepFigure(name, title, NOT_EXPLAINED)
    caption = (
        f"What the score of each head loses when the values of one input are shuffled among {explanation.rows:,} test rows"
        " (permutation importance, the mean of several shuffles), with its 95 % confidence interval. Of inputs that say the"
        " same, each has a small importance."
    )
    left_out = _left_out(explanation, len(explanation.score_metrics), MOST_HEADS, "heads")
    return SweepFigure(name, title, caption + left_out, importance_figure(explanation))


def partial_dependence(report: SweepReport) -> SweepFigure:
    """The mean prediction of the final model by the value of an input."""
    name, title, explanation = "partial_dependence", "How predictions depend on the inputs", report.explanation
    if explanation is None or not has_curves(explanation):
        return SweepFigure(name, title, NOT_EXPLAINED)
    caption = (
        "The mean prediction of the final model if an input had the same value in all test rows, by that value (partial"
        f" dependence); of the most important inputs, at most {MOST_CURVES}."
    )
    heads = report.experiment.heads
    if any(head_kind(head.kind).is_probability for head in heads.values()):
        caption += " Predictions of classes are probabilities, of two that of the positive one."
    units = [head.unit for head in heads.values() for _ in range(head_kind(head.kind).units)]
    left_out = _left_out(explanation, len(explanation.heads), MOST_OUTPUTS, "outputs")
    return SweepFigure(name, title, caption + left_out, dependence_figure(explanation, units))


def _left_out(explanation: Explanation, number: int, most: int, what: str) -> str:
    """Sentences on what is not drawn; empty where all is."""
    lines = f" Only the first {most} of {number} {what} are drawn." * (number > most)
    inputs = f" Only the {MOST_INPUTS} most important inputs of {len(explanation.importance)} are considered."
    return lines + inputs * (len(explanation.importance) > MOST_INPUTS)


def importance_figure(explanation: Explanation) -> Figure:
    """A panel of bars for each head: what its score loses when an input is shuffled, with the confidence interval."""
    heads = explanation.explained_heads[:MOST_HEADS]
    shown = explanation.ranked[:MOST_INPUTS]
    beside = min(3, len(heads))
    height = (100 + 26 * len(shown)) * -(-len(heads) // beside)
    figure, panels = plot_style.panels(WIDTH, height, len(heads), beside, share_y=True)
    rows = np.arange(len(shown))[::-1]
    for panel, head in zip(panels, heads, strict=True):
        found = [explanation.importance[name][head] for name in shown]
        values = np.array([own.value for own in found])
        ends = np.array([[own.value - own.low, own.high - own.value] for own in found]).T
        panel.barh(rows, values, height=0.62, color=BLUE)
        panel.errorbar(values, rows, xerr=ends, fmt="none", ecolor=INK, elinewidth=1, capsize=3)
        panel.set_yticks(rows, [_short(name) for name in shown])
        panel.axvline(0, color=INK, linewidth=1)
        panel.set_xlabel(f"loss of {label(explanation.score_metrics[head])}")
        plot_style.title(panel, head)
    return figure


def dependence_figure(explanation: Explanation, units: Sequence[str]) -> Figure:
    """A row of panels for each output of a head: its mean prediction by the value of the most important inputs.

    Args:
        explanation: The explanation.
        units: The unit of each output, empty for none.
    """
    heads = explanation.heads[:MOST_OUTPUTS]
    names = [name for name, own in explanation.dependence.items() if len(own.values) > 1][:MOST_CURVES]
    figure, panels = plot_style.panels(WIDTH, 210 * len(heads), len(heads) * len(names), len(names))
    for row, head in enumerate(heads):
        of_row = panels[row * len(names) : (row + 1) * len(names)]
        for panel, name in zip(of_row, names, strict=True):
            curve = explanation.dependence[name]
            _curve(panel, explanation, name, [point[row] for point in curve.predictions])
            panel.set_xlabel(_short(name))
        low = min(panel.get_ylim()[0] for panel in of_row)
        high = max(panel.get_ylim()[1] for panel in of_row)
        for panel in of_row:
            panel.set_ylim(low, high)
        axis = _output_label(head, explanation.score_metrics)
        of_row[0].set_ylabel(f"{axis} ({units[row]})" if units[row] else axis)
    return figure


def _output_label(output: str, heads: Iterable[str]) -> str:
    """The name of an output as the height of a panel has room for it: of a class that of its head in a line above."""
    for head in heads:
        beginning = CLASS_PROBABILITY_COLUMN.format(head=head, label="")
        if output.startswith(beginning):
            return f"{_short(head)}:\n{_short(output.removeprefix(beginning))}"
    return _short(output)


def has_curves(explanation: Explanation) -> bool:
    """Whether there is any partial dependence to draw."""
    return any(len(own.values) > 1 for own in explanation.dependence.values())


def _curve(panel: Axes, explanation: Explanation, name: str, means: list[float]) -> None:
    curve: PartialDependence = explanation.dependence[name]
    if name in explanation.categories:
        positions = np.arange(len(curve.values))
        panel.plot(positions, means, "o", color=BLUE)
        labels = [explanation.categories[name][int(value)] if value >= 0 else "other" for value in curve.values]
        panel.set_xticks(positions, [_short(text, 10) for text in labels], rotation=90 if len(labels) > 3 else 0)
        return
    values = np.array(curve.values)
    drawn = values.astype("datetime64[s]") if name in explanation.dates else values
    panel.plot(drawn, means, color=BLUE, linewidth=2)
    if name in explanation.dates:
        panel.tick_params(axis="x", rotation=90)


def _short(text: str, most: int = _LONGEST_NAME) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
