"""The kinds of heads by name."""

from __future__ import annotations

from collections.abc import Iterable

from branchsweep.config import kinds
from branchsweep.config.experiment import Experiment
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.regression import HUBER, MAE, MSE

_HEADS: kinds.KindRegistry[Head] = kinds.KindRegistry(kinds.HEADS, (MSE, MAE, HUBER))


def register_head(head: Head) -> None:
    """Offer a kind of head more: experiments may name it as a head's `loss`.

    Worker processes import the module that calls this function, so it should be called when that module is imported. A script
    or notebook that runs a sweep is not such a module.
    """
    _HEADS.register(head, kinds.registering_module())
    kinds.HEAD_SCORES[head.name] = head.score


def unregister_head(name: str) -> None:
    """Offer a kind no longer."""
    _HEADS.unregister(name)
    kinds.HEAD_SCORES.pop(name, None)


def head_kind(name: str) -> Head:
    """The kind of the heads with this loss.

    Raises:
        KeyError: No kind has this name; an experiment was checked long before.
    """
    return _HEADS[name]


def head_kinds() -> list[Head]:
    """Every kind."""
    return list(_HEADS)


def kinds_of(names: Iterable[str]) -> tuple[Head, ...]:
    """The kinds of several heads, in order."""
    return tuple(head_kind(name) for name in names)


def kinds_by_head(experiment: Experiment) -> dict[str, Head]:
    """The kind of each head of an experiment, in order."""
    return {name: head_kind(head.loss) for name, head in experiment.heads.items()}
