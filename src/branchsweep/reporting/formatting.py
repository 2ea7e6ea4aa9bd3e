"""Formats single numbers for display: scores, differences, p-values, times, sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from branchsweep.config.metric_names import LATENCY, MEAN, NETWORK_METRICS, R2, metric_of_head
from branchsweep.metrics.names import TEST, label
from branchsweep.metrics.permutation_importance import Importance
from branchsweep.metrics.selection_bias import SelectionBias
from branchsweep.trial import MeanScores, ParamValue
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.stages import rounded_stages

VERDICT_MARKS = {"gains": "▲", "loses": "▼", "equal": "=", "undecided": "?"}
"""Symbols of the verdicts on a difference; colour alone is not readable for everyone."""


SYNTHETIC_DATA_WARNING = "These scores are of the built-in synthetic table, not of measured data."
"""Shown wherever the results of a sweep or a comparison on the synthetic table are shown."""


def format_param(param: ParamValue) -> str:
    """The value of a hyperparameter; floats in three significant digits."""
    return f"{param:.3g}" if isinstance(param, float) else str(param)


def format_score(score: float | None) -> str:
    """A score in four decimals; `-` for NaN or None."""
    if score is None or math.isnan(score):
        return "-"
    return f"{score:.4f}" if score > -10 else f"{score:.1e}"  # a diverged network must not widen its column


def format_metric(name: str, value: float) -> str:
    """A metric by its full name: counts and bytes of a network in full, its latency in milliseconds, others as scores are."""
    if name == LATENCY:
        return format_milliseconds(value)
    return f"{value:,.0f}" if name in NETWORK_METRICS else format_score(value)


def format_score_with_error(score: float | None, error: float | None) -> str:
    """A score with its standard error, where there is one."""
    if error is None or math.isnan(error):
        return format_score(score)
    return f"{format_score(score)} ± {error:.4f}" if error < 100 else f"{format_score(score)} ± {error:.1e}"


def format_mean_score(scores: MeanScores, head: str, separator: str = ", ") -> str:
    """The mean score of a head with its standard error; where some network collapsed, the median before it.

    Args:
        scores: By head.
        head: The head, or `mean`.
        separator: Between the median and the mean.
    """
    mean = format_score_with_error(scores.values.get(head), scores.errors.get(head))
    median = scores.medians.get(head)
    return mean if median is None else f"median {format_score(median)}{separator}mean {mean}"


def score_name_legend(score_metrics: Mapping[str, str]) -> str:
    """What the names of scores in tables mean: those of MLflow and of `--sort`.

    Args:
        score_metrics: The name of the metric that is the score, by head.
    """
    head, metric = next(iter(score_metrics.items()))
    return f"{metric_of_head(metric, head)}: validation {label(metric)} of {head}, by the name it has in MLflow and for --sort"


def score_explained(score_metrics: Mapping[str, str]) -> str:
    """What a score is, as a sentence: of heads with unlike scores by head.

    Args:
        score_metrics: The name of the metric that is the score, by head.
    """
    metrics = list(dict.fromkeys(score_metrics.values()))
    if len(metrics) == 1:
        constant = "for always predicting the mean" if metrics == [R2] else "for the best constant"
        return f"{label(metrics[0])} is 1 for a perfect prediction and 0 {constant}."
    by_metric = (
        f"{label(metric)} ({', '.join(head for head, own in score_metrics.items() if own == metric)})" for metric in metrics
    )
    return f"The score is {', '.join(by_metric)}: 1 for a perfect prediction and 0 for the best constant."


def tested_name_legend(name: str) -> str:
    """What the name of a score on the test rows means, `test_r2/PE`."""
    metric, _, head = name.partition("/")
    of = "mean of the heads" if head == MEAN else head
    return f"{name}: {label(metric.removeprefix(TEST.format('')))} of {of} on the test rows, by the name it has in MLflow"


def chosen_params(baseline: BaselineResult) -> str:
    """The hyperparameters that a search chose for a baseline, in a phrase; empty where nothing was searched."""
    if not baseline.trials:
        return ""
    chosen = ", ".join(f"{name} {format_param(value)}" for name, value in baseline.params.items())
    return f"{chosen or 'the defaults of scikit-learn'} (the best of {baseline.trials:,} trials)"


def format_share(share: float) -> str:
    """A share in percent: `90 %`, `89.6 %`."""
    return f"{100 * share:.3g} %"


def format_importance(importance: Importance | None) -> str:
    """The importance of an input with half the width of its confidence interval; `-` where there is none."""
    return "-" if importance is None else f"{importance.value:.4f} ± {importance.high - importance.value:.4f}"


def format_difference(difference: float) -> str:
    """A difference of two scores, with its sign."""
    if math.isnan(difference):
        return "-"
    return f"{difference:+.4f}" if abs(difference) < 10 else f"{difference:+.1e}"


def format_p_value(p: float) -> str:
    """A p-value, such as `p = 0.031` or `p < 0.001`."""
    if math.isnan(p):
        return "p = -"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def format_p_cell(p: float) -> str:
    """A p-value below a header that says so: `0.031` or `< 0.001`."""
    return format_p_value(p).removeprefix("p = ").removeprefix("p ")


def format_effect(deviations: float) -> str:
    """An effect size in standard deviations, with its sign."""
    if not math.isfinite(deviations):
        return "-"
    return f"{deviations:+.1f}" if abs(deviations) < 10 else f"{deviations:+.0f}"


def verdict_legend(alpha: float, margin: float) -> str:
    """What the symbols of the verdicts mean.

    Args:
        alpha: Level of the tests.
        margin: What counts as equal; NaN where that was not tested.
    """
    equal = "" if math.isnan(margin) else f", = equal within {margin:g} (two one-sided tests)"
    return (
        "▲ gains, ▼ loses (better or worse than the reference by the combined 5x2cv F test, Holm's correction, alpha "
        f"{alpha:g}){equal}, ? undecided"
    )


def head_label(head: str) -> str:
    """A head's name, or `mean of the heads`."""
    return "mean of the heads" if head == MEAN else head


def format_alpha(alpha: float) -> str:
    """The level of the intervals at `alpha`, in percent: `95%`."""
    return f"{100 * (1 - alpha):g}%"


def format_seconds(time: float) -> str:
    """A duration given in seconds, in hours, minutes or seconds."""
    if math.isnan(time):
        return "-"
    if time >= 5400:
        return f"{time / 3600:.1f} h"
    if time >= 90:
        return f"{time / 60:.1f} min"
    return f"{time:.0f} s" if time >= 10 else f"{time:.1f} s" if time >= 1 else f"{time:.2f} s" if time >= 0.01 else "< 0.01 s"


def format_duration(time: float) -> str:
    """An elapsed time given in seconds, in minutes and seconds, or in hours and minutes."""
    minutes, seconds = divmod(round(time), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def stages_sentence(stages: Mapping[str, float]) -> str:
    """How long each stage took, and all of them together, in seconds; those that took next to nothing are left out."""
    rounded = rounded_stages(stages)
    each = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in rounded.items() if seconds)
    return f"seconds: {each}; {sum(rounded.values()):.1f} from the command to its result"


def shift_sentence(bias: SelectionBias) -> str:
    """The shift of the mean score, and the formula that separates it from the selection bias."""
    shift = format_difference(bias.shift[MEAN])
    return (
        f"shift {shift}: the median difference of {bias.trials} trials; selection bias is a trial's difference less the shift"
    )


def capitalized(sentence: str) -> str:
    """A sentence as it begins."""
    return sentence[:1].upper() + sentence[1:]


def uncapitalized(sentence: str) -> str:
    """A sentence as it continues another one after a colon."""
    return sentence[:1].lower() + sentence[1:]


def format_milliseconds(time: float) -> str:
    """A duration given in seconds, in milliseconds with three significant digits."""
    shown = time * 1000
    return f"{shown:,.0f} ms" if shown >= 100 else f"{shown:.3g} ms"


def format_bytes(count: float) -> str:
    """A number of bytes, in GB, MB, kB or B."""
    for unit, bytes_each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= bytes_each:
            return f"{count / bytes_each:.3g} {unit}" if count < 100 * bytes_each else f"{count / bytes_each:,.0f} {unit}"
    return f"{count:.0f} B"


def format_parameters(count: float | None) -> str:
    """A number of weights and biases; `-` for an estimator, which has none, and for a network that cannot be built."""
    return f"{count:,.0f}" if count else "-"


def status_counts(counts: Mapping[str, int]) -> str:
    """How many trials there are of each status, such as `8 complete, 8 pruned`; empty for none."""
    return ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)


def promotion_outcome(is_champion: bool) -> str:
    """The predicate of a sentence on a registered version after the decision about its promotion."""
    return "is the champion" if is_champion else "is registered as challenger, not promoted"
