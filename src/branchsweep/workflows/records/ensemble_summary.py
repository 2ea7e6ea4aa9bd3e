"""What an ensemble consists of, and what it is worth: recorded with the sweep that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.trial import MeanScores


@dataclass(frozen=True, slots=True)
class EnsembleMember:
    """A trial or an estimator of which an ensemble consists.

    Args:
        name: For people (`trial 17`, `random forest`).
        networks: How many networks it was trained as, each from a seed of its own; 0 for an estimator of scikit-learn.
        weights: By head, what its prediction weighs. For each head the weights of all members add up to 1.
    """

    name: str
    networks: int
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EnsembleSummary:
    """An ensemble.

    Args:
        choose: How its members were chosen: `seeds`, `greedy` or `stack`.
        members: What it consists of, by the sum of their weights, the largest first.
        scores: Its scores on the folds of the confirmation, each fold predicted with members and weights that the other folds
            chose; None where the finalist is judged by its own scores.
    """

    choose: str
    members: tuple[EnsembleMember, ...]
    scores: MeanScores | None = None

    @property
    def members_differ(self) -> bool:
        """Whether it consists of more than the networks of one recipe, so that there is a choice to show."""
        return len(self.members) > 1

    @property
    def estimators(self) -> int:
        """How many of its members are estimators of scikit-learn."""
        return sum(not member.networks for member in self.members)


def model_description(networks: int, members: Sequence[EnsembleMember] = (), of: str = "network") -> str:
    """What a model is in words, such as `the mean of 8 networks`; empty for one network.

    Args:
        networks: How many it has.
        members: The recipes and estimators that they are of, where that is known.
        of: What a network is called.
    """
    estimators = sum(not member.networks for member in members)
    if networks < 2 and not estimators:
        return ""
    kind = "weighted mean" if estimators or any(len(set(member.weights.values())) > 1 for member in members) else "mean"
    beside = f" and {estimators} estimator{'s' * (estimators > 1)} of scikit-learn" if estimators else ""
    return f"the {kind} of {networks} {of}{'s' * (networks != 1)}{beside}"
