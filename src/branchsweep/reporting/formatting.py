"""How figures are written for people, in a terminal, a page, a table or a picture."""

from __future__ import annotations

import math

from branchsweep.metrics.comparison_result import MEAN
from branchsweep.trial import ParamValue

VERDICT_MARKS = {"better": "▲", "worse": "▼", "undecided": "="}
"""By verdict on a difference, so that it is not told by colour alone."""


def format_param(param: ParamValue) -> str:
    """A param's value, for people."""
    return f"{param:.3g}" if isinstance(param, float) else str(param)


def format_score(figure: float | None) -> str:
    """An R², for people."""
    if figure is None or math.isnan(figure):
        return "-"
    return f"{figure:.4f}" if figure > -10 else f"{figure:.1e}"  # a network that went astray fills no column


def format_score_with_error(figure: float | None, error: float | None) -> str:
    """An R² with its standard error, for people."""
    return format_score(figure) if error is None or math.isnan(error) else f"{format_score(figure)} ± {error:.4f}"


def format_difference(difference: float) -> str:
    """A difference of two R², with its sign."""
    if math.isnan(difference):
        return "-"
    return f"{difference:+.4f}" if abs(difference) < 10 else f"{difference:+.1e}"


def format_p_value(p: float) -> str:
    """A p-value after its letter; nobody needs the digits of a tiny one."""
    if math.isnan(p):
        return "p = -"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def format_effect(deviations: float) -> str:
    """An effect size; above 10 nobody needs the digits."""
    if not math.isfinite(deviations):
        return "-"
    return f"{deviations:+.1f}" if abs(deviations) < 10 else f"{deviations:+.0f}"


def metric_label(figure: str) -> str:
    """A figure, for people."""
    return "mean of the heads" if figure == MEAN else figure


def format_alpha(alpha: float) -> str:
    """Of the intervals, in percent."""
    return f"{100 * (1 - alpha):g}%"


def format_seconds(time: float) -> str:
    """A time, in the unit that is read at a glance."""
    if math.isnan(time):
        return "-"
    if time >= 5400:
        return f"{time / 3600:.1f} h"
    if time >= 90:
        return f"{time / 60:.1f} min"
    return f"{time:.0f} s" if time >= 10 else f"{time:.1f} s" if time >= 1 else f"{time:.2f} s" if time >= 0.01 else "< 0.01 s"


def format_milliseconds(time: float) -> str:
    """Seconds as milliseconds, in three digits."""
    shown = time * 1000
    return f"{shown:,.0f} ms" if shown >= 100 else f"{shown:.3g} ms"


def format_bytes(count: float) -> str:
    """Bytes, in the unit that is read at a glance."""
    for unit, bytes_each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= bytes_each:
            return f"{count / bytes_each:.3g} {unit}" if count < 100 * bytes_each else f"{count / bytes_each:,.0f} {unit}"
    return f"{count:.0f} B"


def format_parameters(count: float | None) -> str:
    """Weights and biases, an average over halves; estimators have none."""
    return "-" if count is None else f"{count:,.0f}"
