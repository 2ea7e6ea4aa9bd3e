"""A recipe: every hyperparameter of one network with its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, check_value
from branchsweep.models.architecture import Architecture, layer_widths
from branchsweep.trial import Params, ParamValue


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a trial's params mean in full: every tunable with its value. Equal recipes train equal networks.

    Args:
        architecture: The network.
        loss_weights: By head, the factor of its loss.
        loss_balancing: See the module; `static` for a network of one head, which has nothing to balance.
        optimizer, learning_rate, learning_rate_schedule, momentum, weight_decay, batch_size, input_scaling, target_scaling,
            epochs: See the tunables of these names.
    """

    architecture: Architecture
    loss_weights: Mapping[str, float]
    loss_balancing: str
    optimizer: str
    learning_rate: float
    learning_rate_schedule: str
    momentum: float
    weight_decay: float
    batch_size: int
    input_scaling: str
    target_scaling: str
    epochs: int

    @classmethod
    def of(cls, params: Params, heads: Sequence[str]) -> Recipe:
        """The recipe that `params` spell out for a network with these heads; what they do not name has its default.

        Raises:
            ConfigError: A name is not a tunable's, or a value is not one it may have.
        """
        for name, value in params.items():
            check_value(name, value, heads)

        def said(name: str) -> ParamValue:
            return params.get(name, HYPERPARAMETERS[name].default)

        def of_head(head: str, name: str) -> ParamValue:
            return params.get(f"{head}.{HYPERPARAMETERS[name].per_head}", said(name))

        def stack(part: str, spelled: Callable[[str], ParamValue]) -> tuple[int, ...]:
            depth, width, taper = (spelled(f"{part}.{word}") for word in ("depth", "width", "taper"))
            return layer_widths(int(depth), int(width), float(taper))

        return cls(
            architecture=Architecture(
                trunk=stack("trunk", said),
                branches={head: stack("branch", partial(of_head, head)) for head in heads},
                activation=str(said("activation")),
            ),
            loss_weights={head: float(of_head(head, "loss_weight")) for head in heads},
            loss_balancing=str(said("loss_balancing")) if len(heads) > 1 else "static",
            optimizer=str(said("optimizer")),
            learning_rate=float(said("learning_rate")),
            learning_rate_schedule=str(said("learning_rate_schedule")),
            momentum=float(said("momentum")) if said("optimizer") == "sgd" else 0.0,
            weight_decay=float(said("weight_decay")),
            batch_size=int(said("batch_size")),
            input_scaling=str(said("input_scaling")),
            target_scaling=str(said("target_scaling")),
            epochs=int(said("epochs")),
        )


def recipe_for(experiment: Experiment, params: Params) -> Recipe:
    """The recipe of a trial of this experiment: what its params do not name, the space may fix, else the default holds."""
    return Recipe.of({**experiment.space.fixed, **params}, list(experiment.heads))


def recipe_from_dict(plain: Mapping[str, Any]) -> Recipe:
    """The recipe that `dataclasses.asdict` made plain, before or after it was JSON."""
    shape = plain["architecture"]
    branches = {head: tuple(branch) for head, branch in shape["branches"].items()}
    architecture = Architecture(tuple(shape["trunk"]), branches, shape["activation"])
    return Recipe(**{**plain, "architecture": architecture})


def epochs_of(recipe: Recipe, experiment: Experiment) -> int:
    """The epochs that a recipe's training is laid out for: its own, never more than the experiment's."""
    most = experiment.fit.epochs
    return min(recipe.epochs or most, most)
