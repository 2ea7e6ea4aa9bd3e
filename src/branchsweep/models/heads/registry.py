"""The kinds of heads by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from branchsweep.config import kinds
from branchsweep.config.experiment import Experiment
from branchsweep.models.heads.binary import BINARY
from branchsweep.models.heads.count import COUNT
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.multiclass import Multiclass
from branchsweep.models.heads.quantile import Quantile
from branchsweep.models.heads.quantiles import Quantiles
from branchsweep.models.heads.regression import HUBER, MAE, MSE

_HEADS: kinds.KindRegistry[Head] = kinds.KindRegistry(kinds.HEADS, (MSE, MAE, HUBER))

_OF_TASKS: Mapping[str, Head] = {head.name: head for head in (BINARY, COUNT)}
"""The kinds of the tasks that have one loss, by the task."""


def register_head(head: Head) -> None:
    """Offer a kind of head more: experiments may name it as a head's `loss`.

    Worker processes import the module that calls this function, so it should be called when that module is imported. A script
    or notebook that runs a sweep is not such a module.

    Raises:
        ValueError: The kind has several units, and not one name for the column of each.
    """
    expected = head.units if head.units > 1 else 0
    if not len(set(head.output_names)) == len(head.output_names) == expected:
        names = ", ".join(head.output_names) or "none"
        raise ValueError(f"{head.name}: got output_names {names}, expected {expected}: one for each of several units")
    _HEADS.register(head, kinds.registering_module())
    kinds.HEAD_SCORES[head.name] = head.score
    if head.output_names:
        kinds.HEAD_OUTPUTS[head.name] = tuple(head.output_names)
    kinds.HEAD_METRICS[head.name] = head.metrics


def unregister_head(name: str) -> None:
    """Offer a kind no longer."""
    _HEADS.unregister(name)
    kinds.HEAD_SCORES.pop(name, None)
    kinds.HEAD_OUTPUTS.pop(name, None)
    kinds.HEAD_METRICS.pop(name, None)


def head_kind(name: str) -> Head:
    """The kind of this name (see `Head.kind` of `config/sections/heads.py`).

    Raises:
        KeyError: No kind has this name; an experiment was checked long before.
    """
    levels = kinds.quantile_levels(name)
    if levels:
        return _quantile(levels)
    classes = kinds.class_count(name)
    if classes is not None:
        return _multiclass(classes)
    return _OF_TASKS[name] if name in _OF_TASKS else _HEADS[name]


@cache
def _quantile(levels: tuple[float, ...]) -> Head:
    """The kind of the heads that predict these quantiles: one object for each."""
    return Quantile(*levels) if len(levels) == 1 else Quantiles(levels)


@cache
def _multiclass(classes: int) -> Head:
    """The kind of the heads with so many classes: one object for each number."""
    return Multiclass(classes)


def head_kinds() -> list[Head]:
    """Every kind; of quantiles the median, an outer one and three at once, of heads with classes those of three and of five."""
    quantiles = [_quantile(levels) for levels in ((0.5,), (0.9,), (0.1, 0.5, 0.9))]
    return [*_HEADS, *_OF_TASKS.values(), *quantiles, _multiclass(3), _multiclass(5)]


def kinds_of(names: Iterable[str]) -> tuple[Head, ...]:
    """The kinds of several heads, in order."""
    return tuple(head_kind(name) for name in names)


def kinds_by_head(experiment: Experiment) -> dict[str, Head]:
    """The kind of each head of an experiment, in order."""
    return {name: head_kind(head.kind) for name, head in experiment.heads.items()}
