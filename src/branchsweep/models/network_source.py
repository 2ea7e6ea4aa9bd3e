"""What one network of a generated script is in plain Keras: its encoders, layers, losses and optimizer, as source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.data.encoders.encoder import same_width
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.errors import BackendError
from branchsweep.models.exported_model import ModelMember, Provenance
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.input_source import InputSource
from branchsweep.models.layers.input_factors import INPUT_FACTORS
from branchsweep.models.layers.registry import layer_kind
from branchsweep.models.learning_rates import schedule_source
from branchsweep.models.output_clipping import is_linear
from branchsweep.models.recipe import DEFAULT_BETA_2, Recipe
from branchsweep.models.source_layout import entries, source
from branchsweep.types import SourceCall


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """What the template writes of one network.

    Args:
        recipe: Its recipe.
        epochs: How many it is trained for.
        schedule_epochs: The epochs that its schedule is laid out for.
        losses: By head.
        inputs: The input columns.
    """

    recipe: Recipe
    epochs: int
    schedule_epochs: int
    losses: Mapping[str, str]
    inputs: InputSource

    @classmethod
    def of(cls, member: ModelMember, inputs: InputSource, provenance: Provenance) -> NetworkSource:
        """The network of a member."""
        schedule_epochs = min(member.recipe.epochs or provenance.epochs, provenance.epochs)
        return cls(member.recipe, member.epochs or schedule_epochs, schedule_epochs, provenance.losses, inputs)

    @property
    def schedule(self) -> str:
        """How its step size changes: `constant`, `cosine` as Keras has it, or `own` for a class of the script."""
        schedule = self.recipe.learning_rate_schedule
        return "own" if self.recipe.warmup or schedule not in ("constant", "cosine") else schedule

    @property
    def schedule_source(self) -> list[str]:
        """The lines that compute the factor of the learning rate from `done`, the share of all steps that have been taken."""
        return schedule_source(self.recipe.learning_rate_schedule, self.recipe.warmup)

    @property
    def encoders(self) -> list[SourceCall]:
        """What encodes its inputs and its targets."""
        of_inputs = [self.input_source] if self.is_plain else self.inputs.calls(self.recipe.encoding)
        return [source for source in (*of_inputs, self.target_source) if source]

    @property
    def is_plain(self) -> bool:
        """Whether one transformer of scikit-learn encodes all inputs."""
        return self.inputs.is_plain and not encoder_kind(self.recipe.input_scaling).beside

    def encoding_lines(self, columns: int) -> str:
        """The lines that encode its inputs, of so many characters at most, where several transformers do."""
        return self.inputs.encoding_lines(self.recipe.encoding, columns)

    @property
    def input_source(self) -> SourceCall | None:
        """What encodes the inputs; None where they stay as they are."""
        kind = encoder_kind(self.recipe.input_scaling)
        if kind.source is None and kind.name != "none":
            raise BackendError(f"there is no script for input_scaling: {kind.name}; export the network (--format keras)")
        return kind.source

    @property
    def target_source(self) -> SourceCall | None:
        """What encodes the targets; None where all stay as they are."""
        scalings = set(self._target_scalings)
        if len(scalings) > 1 and scalings != {"none", "standard"}:
            raise BackendError("heads whose targets are encoded in different ways have no script; use target_scaling: none")
        return encoder_kind(max(scalings, key=lambda name: name != "none")).source

    @property
    def unscaled(self) -> list[str]:
        """The positions of the heads whose targets stay as they are, where those of others do not."""
        scalings = self._target_scalings
        return [str(position) for position, name in enumerate(scalings) if name == "none" and set(scalings) != {"none"}]

    @property
    def _target_scalings(self) -> list[str]:
        """By head, the encoder of its targets."""
        return [head_kind(loss).target_encoder(self.recipe.target_scaling) for loss in self.losses.values()]

    @property
    def input_width(self) -> str:
        """The width of the encoded inputs, as source."""
        is_same = self.is_plain and encoder_kind(self.recipe.input_scaling).width is same_width
        return "len(INPUTS)" if is_same else "x_train.shape[1]"

    @property
    def input_factors(self) -> SourceCall | None:
        """The layer with the learned factors of the inputs; None where they have none."""
        return INPUT_FACTORS.source(self.input_width) if self.recipe.architecture.input_factor_rate else None

    @property
    def builder(self) -> SourceCall | None:
        """The function of a user's own that builds it, with its arguments; None for a network of layers."""
        built = self.recipe.architecture.built
        if built is None:
            return None
        module, _, name = built.builder.partition(":")
        return SourceCall(name, ("hyperparameters", self.input_width, "units"), module)

    @property
    def hyperparameters(self) -> list[str]:
        """The entries of what the builder is given, as source."""
        built = self.recipe.architecture.built
        given = built.hyperparameters if built else {}
        return entries({name: repr(value) if isinstance(value, bool) else source(value) for name, value in given.items()})

    @property
    def output_activations(self) -> dict[str, str]:
        """By head whose output is not its prediction, what makes it one."""
        activations = {head: head_kind(loss).output_activation for head, loss in self.losses.items()}
        return {head: name for head, name in activations.items() if name != "linear"}

    @property
    def trunk(self) -> list[SourceCall]:
        """The layers of the trunk."""
        architecture = self.recipe.architecture
        return self._layers(architecture.trunk_layer, architecture.trunk)

    def dropout(self, head: str = "") -> float:
        """The dropout rate after each layer of a head's branch, of the trunk if no head is given."""
        architecture = self.recipe.architecture
        return architecture.branch_dropout(head) if head else architecture.trunk_dropout

    def adds(self, layer: int, head: str = "") -> bool:
        """Whether a layer adds what it reads.

        Args:
            layer: Its position, from 0.
            head: In the branch of this head; in the trunk if not given.
        """
        architecture = self.recipe.architecture
        heads = list(architecture.branches)
        before = [len(architecture.branches[other]) for other in heads[: heads.index(head)]] if head else []
        first = len(architecture.trunk) + sum(before) if head else 0
        return architecture.residual_layers[first + layer]

    @property
    def branches(self) -> dict[str, list[SourceCall]]:
        """By head, the layers of its branch."""
        architecture = self.recipe.architecture
        return {head: self._layers(architecture.branch_layer(head), units) for head, units in architecture.branches.items()}

    @property
    def trunk_variables(self) -> list[str]:
        """The variable of each layer of the trunk: one for all, or one each where branches begin at several."""
        architecture = self.recipe.architecture
        layers = range(1, 1 + len(architecture.trunk))
        return [f"trunk_{layer}" if architecture.exits else "trunk" for layer in layers]

    @property
    def branch_variables(self) -> dict[str, str]:
        """By head, the variable of its layers: one of its own where another head reads the last of them."""
        architecture = self.recipe.architecture
        read = set(architecture.reads.values())
        return {
            head: f"branch_{number}" if head in read else "branch" for number, head in enumerate(architecture.branches, start=1)
        }

    @property
    def origins(self) -> dict[str, str]:
        """By head, the variable that its branch reads, or its output where it has no layers."""
        architecture = self.recipe.architecture
        return {head: architecture.origin(head, self.trunk_variables, self.branch_variables) for head in architecture.branches}

    @property
    def comments(self) -> dict[str, str]:
        """By head, what its branch is, as a comment."""
        architecture, described = self.recipe.architecture, {}
        for head, branch in architecture.branches.items():
            other, layer = architecture.reads.get(head), architecture.exits.get(head)
            where = f", after those of {other}" if other else f", after layer {layer} of the trunk" if layer else ""
            if branch:
                number = f"{len(branch)} layers" if len(branch) > 1 else "a layer"
                described[head] = f"{head} has {number} of its own{where}"
            elif other:
                described[head] = f"{head} reads the last layer of {other}"
            else:
                described[head] = f"{head} reads layer {layer} of the trunk" if layer else f"{head} reads the trunk itself"
        return described

    @property
    def outputs(self) -> dict[str, SourceCall]:
        """By head, its output layer."""
        found = {}
        for head, loss in self.losses.items():
            kind = head_kind(loss)
            activation = [] if kind.output_activation == "linear" else [f"activation={source(kind.output_activation)}"]
            found[head] = SourceCall("keras.layers.Dense", (str(kind.units), *activation))
        return found

    @property
    def optimizer(self) -> SourceCall:
        """The optimizer."""
        recipe = self.recipe
        momentum = [f"momentum={recipe.momentum!r}"] if recipe.momentum else []
        beta_2 = [f"beta_2={recipe.beta_2!r}"] if recipe.beta_2 != DEFAULT_BETA_2 else []
        decay = [f"weight_decay={recipe.weight_decay!r}"] if recipe.weight_decay else []
        clipping = [f"clipnorm={recipe.clipnorm!r}"] if recipe.clipnorm else []
        average = ["use_ema=True", f"ema_momentum={recipe.ema_momentum!r}"] if recipe.ema_momentum else []
        name = {"adam": "Adam", "sgd": "SGD"}[recipe.optimizer]
        return SourceCall(f"keras.optimizers.{name}", ("learning_rate", *momentum, *beta_2, *decay, *clipping, *average))

    def target_noise(self, head: str) -> float:
        """The standard deviation of the noise of a head's targets."""
        return self.recipe.target_noise if is_linear(head_kind(self.losses[head])) else 0.0

    @property
    def clips_outputs(self) -> bool:
        """Whether predictions of some heads are clipped to the range of the training targets."""
        return self.recipe.clips_outputs and len(self._nonlinear) < len(self.losses)

    @property
    def unclipped(self) -> list[str]:
        """The positions of the heads whose predictions stay as they are where those of others are clipped."""
        return [str(position) for position in self._nonlinear if self.clips_outputs]

    @property
    def _nonlinear(self) -> list[int]:
        """The positions of the heads of classes and counts."""
        return [position for position, loss in enumerate(self.losses.values()) if not is_linear(head_kind(loss))]

    @property
    def sorted_heads(self) -> list[str]:
        """The heads with several quantiles."""
        return [head for head, loss in self.losses.items() if head_kind(loss).is_sorted]

    @property
    def loss_sources(self) -> dict[str, str]:
        """By head, its loss."""
        return {head: head_kind(loss).loss_source() for head, loss in self.losses.items()}

    def _layers(self, kind: str, units: Sequence[int]) -> list[SourceCall]:
        return [layer_kind(kind).source(width, self.recipe.architecture.activation) for width in units]
