"""Chooses the finished trials that a sampler is given if there are very many: the best and the latest."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from branchsweep.metrics.functions import mean


def remembered(finished: Sequence[FrozenTrial], most: int | None) -> list[FrozenTrial]:
    """The best trials, half of `most`, and the latest trials, the other half, in their order.

    The best are those by each objective and by the mean of all objectives, in equal parts. As samplers rank them, a trial that
    meets the constraints is better than one that does not, a complete one better than a pruned one, and of pruned ones the one
    that was trained longer. A trial that was forgotten is neither among the best nor among the latest of all that ever ended,
    so the result is the same if trials are forgotten after every round.

    Args:
        finished: In the order in which they were asked.
        most: How many to keep, at most; None for all.
    """
    if most is None or len(finished) <= most:
        return list(finished)
    half = most // 2
    kept = set(range(len(finished) - half, len(finished)))
    keys = [_sort_keys(trial) for trial in finished]
    orders = max(map(len, keys))
    for order in range(orders):
        best_first = sorted(range(len(finished)), key=lambda index: keys[index][min(order, len(keys[index]) - 1)], reverse=True)
        kept |= set(best_first[: half // orders])
    return [finished[index] for index in sorted(kept)]


def _sort_keys(trial: FrozenTrial) -> list[tuple[float, ...]]:
    """The keys by which trials are ranked, higher is better: by each objective, and by their mean if there are several."""
    violated = sum(max(0.0, by) for by in trial.constraints.values())
    if trial.state is TrialState.COMPLETE:
        values = [*trial.values] if len(trial.values) == 1 else [*trial.values, mean(trial.values)]
        return [(-violated, 2.0, 0.0, value) for value in values]
    step = trial.last_step
    if trial.state is TrialState.PRUNED and step is not None:
        return [(-violated, 1.0, step, trial.intermediate_values[step])]
    return [(-violated, 0.0)]
