"""What Jupyter shows of a result: sentences, and the tables that its DataFrames are, as HTML without styles of its own."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from branchsweep.config.metric_names import MEAN
from branchsweep.errors import escape_controls
from branchsweep.metrics.names import label, score_names
from branchsweep.reporting.formatting import format_param, format_score_with_error, promotion_outcome, status_counts

if TYPE_CHECKING:
    import pandas as pd

    from branchsweep.api.comparisons import ComparisonResult
    from branchsweep.api.models import Model, ModelHistory
    from branchsweep.api.sweeps import Sweep
    from branchsweep.trial import Result

MOST_TRIALS = 10
"""Trials of a sweep that are shown."""


def sweep_html(sweep: Sweep) -> str:
    """A sweep: its state, the best trial, the scores of the finalist and the baselines, the model, and the best trials."""
    summary, best = sweep.summary, sweep.best_trial
    counts = status_counts(Counter(result.score.status.value.lower() for result in sweep.trials)) or "no trial has ended"
    parts = [_heading(f"sweep {sweep.name}"), _text(f"{sweep.status.lower()}, run {sweep.run_id[:8]}: {counts}")]
    if best:
        parts.append(_text(_best_trial(best, "finalist" if summary else "best trial so far")))
        parts.append(_text(", ".join(f"{name} {format_param(value)}" for name, value in best.params.items())))
    if summary and summary.finalist:
        parts += [_text(f"{label(summary.metric)} of the finalist and the baselines:"), _table(sweep.scores_dataframe())]
    if summary and summary.registered:
        registered = summary.registered
        outcome = promotion_outcome(registered.promoted)
        parts.append(_text(f"{registered.model} version {registered.version} {outcome}: {registered.because}"))
    trials = sweep.trials_dataframe()
    if len(trials):
        scores = score_names(sweep.experiment.score_metrics)
        shown = ["trial", "status", scores[MEAN], *(scores[head] for head in sweep.experiment.heads)]
        names = list(dict.fromkeys([*shown, *sweep.experiment.space.dimensions]))
        parts += [_text("The best trials:"), _table(trials[names].head(MOST_TRIALS).set_index("trial"))]
    return _block(parts)


def _best_trial(result: Result, name: str) -> str:
    scores, errors = result.score.scores, result.score.scores_se
    numbers = ", ".join(f"{head} {format_score_with_error(scores[head], errors[head])}" for head in scores)
    return f"{name}: trial {result.number} ({numbers})"


def comparison_html(result: ComparisonResult) -> str:
    """A comparison: what follows, the scores of all contestants, and the differences to the reference."""
    parts = [_heading(f"comparison {result.comparison}"), *map(_text, result.conclusions)]
    parts += [_text(f"warning: {sentence}") for sentence in result.warnings]
    parts += [_text(f"{label(result.metric)}, mean of the halves:"), _table(result.scores_dataframe())]
    if result.differences:
        parts += [_text(f"Differences to {result.reference}:"), _table(result.differences_dataframe())]
    return _block(parts)


def model_html(model: Model) -> str:
    """A model: what it predicts, from which columns, in which ranges."""
    heads = (
        f"{head} ({' or '.join(model.classes[head])})" if head in model.classes else f"{head} ({unit})" if unit else head
        for head, unit in model.units.items()
    )
    return _block([_heading("model"), _text(f"predicts {', '.join(heads)} from"), _table(model.inputs_dataframe())])


def history_html(history: ModelHistory) -> str:
    """The versions and the champions of a registered model."""
    parts = [_heading(f"model {history.model}"), _table(history.versions_dataframe().set_index("version"))]
    if history.tenures:
        parts += [_text("champions:"), _table(history.champions_dataframe().set_index("version"))]
    return _block([*parts, *map(_text, filter(None, [history.problem]))])


def _heading(text: str) -> str:
    return f"<b>{_escaped(text)}</b>"


def _text(text: str) -> str:
    return f"<div>{_escaped(text)}</div>"


def _escaped(text: str) -> str:
    return html.escape(escape_controls(text))


def _table(frame: pd.DataFrame) -> str:
    """The table with four digits of each number, zeros among them."""
    return frame.to_html(border=0, na_rep="", float_format="{:#.4g}".format)


def _block(parts: Iterable[str]) -> str:
    return f"<div>{''.join(parts)}</div>"
