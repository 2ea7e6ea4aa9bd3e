"""A recipe: every hyperparameter of one network with its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, TRUNK, check_value
from branchsweep.config.kinds import DEFAULT_LAYER, output_units
from branchsweep.config.metric_names import MULTIPLICATIONS, NETWORK_METRICS, PARAMETERS, SIZE
from branchsweep.config.sections.columns import Column
from branchsweep.data.encoders.inputs import InputEncoder, InputEncoding
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.models.architecture import Architecture, branch_points, layer_widths
from branchsweep.models.built_network import BuiltNetwork
from branchsweep.trial import Params, ParamValue

DEFAULT = InputEncoding("standard")
"""The defaults of the hyperparameters of encoders."""

NO_CLIPPING = str(HYPERPARAMETERS["output_clipping"].default)
"""The value of `output_clipping` of networks whose predictions stay as they are."""

BYTES_OF_WEIGHT = 4
"""Of a weight or bias: networks are trained and exported in 32-bit floating point."""

DEFAULT_BETA_2 = float(HYPERPARAMETERS["beta_2"].default)
"""Keras's Adam's."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a trial's params mean in full: every hyperparameter with its value. Equal recipes train equal networks.

    Args:
        architecture: The network.
        loss_weights: By head, the factor of its loss.
        loss_balancing: See `config/hyperparameters.py`; `static` for a network of one head, which has nothing to balance.
        optimizer, learning_rate, learning_rate_schedule, momentum, weight_decay, batch_size, input_scaling, target_scaling,
            epochs, bins, one_hot_limit, hash_columns, warmup, beta_2, ema_momentum, clipnorm, output_clipping,
            target_noise: See the hyperparameters of these names.
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
    bins: int = DEFAULT.bins
    one_hot_limit: int = DEFAULT.one_hot_limit
    hash_columns: int = DEFAULT.hash_columns
    warmup: float = 0.0
    beta_2: float = DEFAULT_BETA_2
    ema_momentum: float = 0.0
    clipnorm: float = 0.0
    output_clipping: str = NO_CLIPPING
    target_noise: float = 0.0

    @property
    def clips_outputs(self) -> bool:
        """Whether predictions are clipped to the range of the training targets."""
        return self.output_clipping != NO_CLIPPING

    @property
    def encoding(self) -> InputEncoding:
        """How the inputs are encoded."""
        return InputEncoding(self.input_scaling, self.bins, self.one_hot_limit, self.hash_columns)

    def encoded_width(self, columns: Iterable[Column]) -> int:
        """The inputs of the network over these columns."""
        return InputEncoder(tuple(columns), self.encoding).width

    def parameters(self, columns: Iterable[Column]) -> int:
        """Weights and biases of the network over these columns; 0 where a user's builder fails for these values."""
        return self.architecture.parameters(self.encoded_width(columns))

    def network_metrics(self, columns: Iterable[Column]) -> Mapping[str, float]:
        """What is known of the network over these columns before it is trained, by `NETWORK_METRICS`, in their order.

        A network of the user's own has no multiplications that could be counted, and nothing where its builder fails.
        """
        width = self.encoded_width(columns)
        parameters = self.architecture.parameters(width)
        counts = {PARAMETERS: parameters, SIZE: BYTES_OF_WEIGHT * parameters} if parameters else {}
        if self.architecture.built is None:
            counts[MULTIPLICATIONS] = sum(layer.products for layer in self.architecture.layers(width))
        return {name: float(counts[name]) for name in NETWORK_METRICS if name in counts}

    @classmethod
    def of(cls, params: Params, heads: Sequence[str], output_units: Mapping[str, int] | None = None) -> Recipe:
        """The recipe of a network with these heads; hyperparameters that `params` do not name have their defaults.

        Args:
            params: Hyperparameters.
            heads: The names of the heads, in order.
            output_units: By head, the units of its output where these are several.

        Raises:
            ConfigError: A name is no hyperparameter's, or a value is not one it may have.
        """
        for param, given in params.items():
            check_value(param, given, heads)

        def value(name: str) -> ParamValue:
            return params.get(name, HYPERPARAMETERS[name].default)

        def head_value(head: str, name: str) -> ParamValue:
            return params.get(f"{head}.{HYPERPARAMETERS[name].per_head}", value(name))

        def widths(part: str, value_of: Callable[[str], ParamValue]) -> tuple[int, ...]:
            depth, width, taper = (value_of(f"{part}.{name}") for name in ("depth", "width", "taper"))
            return layer_widths(int(depth), int(width), float(taper))

        dropouts = {head: float(head_value(head, "branch.dropout")) for head in heads}
        layers = {head: str(head_value(head, "branch.layer")) for head in heads}
        trunk, branches = widths("trunk", value), {head: widths("branch", partial(head_value, head)) for head in heads}
        reads = {head: str(head_value(head, "branch.reads")) for head in heads}
        points = branch_points(
            len(trunk),
            branches,
            exits={head: int(head_value(head, "branch.exit")) for head in heads},
            reads={head: other for head, other in reads.items() if other != TRUNK},
        )
        scaling = str(value("input_scaling"))

        return cls(
            architecture=Architecture(
                trunk=trunk[: points.depth],
                branches=branches,
                activation=str(value("activation")),
                trunk_layer=str(value("trunk.layer")),
                branch_layers={head: layer for head, layer in layers.items() if layer != DEFAULT_LAYER},
                exits=points.exits,
                reads=points.reads,
                trunk_dropout=float(value("trunk.dropout")),
                input_factor_rate=float(value("input_factor_rate")),
                residual=value("residual") == "equal_widths",
                branch_dropouts={head: rate for head, rate in dropouts.items() if rate and branches[head]},
                output_units=output_units or {},
            ),
            loss_weights={head: float(head_value(head, "loss_weight")) for head in heads},
            loss_balancing=str(value("loss_balancing")) if len(heads) > 1 else "static",
            optimizer=str(value("optimizer")),
            learning_rate=float(value("learning_rate")),
            learning_rate_schedule=str(value("learning_rate_schedule")),
            momentum=float(value("momentum")) if value("optimizer") == "sgd" else 0.0,
            weight_decay=float(value("weight_decay")),
            batch_size=int(value("batch_size")),
            input_scaling=scaling,
            target_scaling=str(value("target_scaling")),
            epochs=int(value("epochs")),
            bins=int(value("bins")) if encoder_kind(scaling).with_bins else DEFAULT.bins,
            one_hot_limit=int(value("one_hot_limit")),
            hash_columns=int(value("hash_columns")),
            warmup=float(value("warmup")),
            beta_2=float(value("beta_2")) if value("optimizer") == "adam" else DEFAULT_BETA_2,
            ema_momentum=float(value("ema_momentum")),
            clipnorm=float(value("clipnorm")),
            output_clipping=str(value("output_clipping")),
            target_noise=float(value("target_noise")),
        )


def recipe_for(experiment: Experiment, params: Params) -> Recipe:
    """The recipe of a trial of this experiment: what its params do not name, the space may fix, else the default holds."""
    if experiment.space.builder:
        return _built_recipe(experiment, {**experiment.space.fixed, **params})
    units = {name: count for name, head in experiment.heads.items() if (count := output_units(head.kind)) > 1}
    return Recipe.of({**experiment.space.fixed, **params}, list(experiment.heads), units)


def _built_recipe(experiment: Experiment, params: Params) -> Recipe:
    """The recipe of a network that the space's builder builds, which is trained by the hyperparameters of training."""
    heads, builder = list(experiment.heads), experiment.space.builder
    assert builder is not None, "the caller looked"
    units = {name: count for name, head in experiment.heads.items() if (count := output_units(head.kind)) > 1}
    of_training = {name: value for name, value in params.items() if experiment.space.own_hyperparameter(name, heads) is None}
    recipe = Recipe.of(of_training, heads)
    architecture = Architecture(
        trunk=(1,),
        branches=dict.fromkeys(heads, ()),
        activation=recipe.architecture.activation,
        output_units=units,
        built=BuiltNetwork(builder, dict(params)),
    )
    return replace(recipe, architecture=architecture)


def epochs_of(recipe: Recipe, experiment: Experiment) -> int:
    """The epochs that a recipe's training is laid out for: its own, never more than the experiment's."""
    most = experiment.fit.epochs
    return min(recipe.epochs or most, most)
