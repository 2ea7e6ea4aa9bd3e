"""Writes a model as a script in plain Keras, in the manner of a tutorial: whoever has the table trains it anew, without us.

One network is told from top to bottom. A mean of several has a function for each recipe, which tells the same, and calls it as
often as the recipe is among the members. What is written is what a formatter would leave as it is.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.data.encoders.encoder import same_width
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.errors import BackendError
from branchsweep.metrics.names import plain_label
from branchsweep.models.exported_model import ModelMember, Provenance
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.layers.registry import layer_kind
from branchsweep.models.recipe import Recipe, recipe_from_dict
from branchsweep.types import SourceCall

COLUMNS = 88
"""Letters of a line, at most: what formatters take for granted where nobody says."""


def script_from_manifest(name: str, manifest: Mapping[str, Any]) -> str:
    """The script of an exported model.

    Args:
        name: What the model is called, for people.
        manifest: Its `serving.json`.

    Raises:
        BackendError: It does not say where the model comes from.
    """
    if not manifest.get("provenance"):
        raise BackendError(f"{name} does not say how it was trained, so there is no script; train and register it anew")
    members = [ModelMember(recipe_from_dict(one["recipe"]), (), one["share"], one["epochs"]) for one in manifest["members"]]
    return generate_script(name, manifest["inputs"], members, Provenance(**manifest["provenance"]))


def generate_script(name: str, inputs: Sequence[str], members: Sequence[ModelMember], provenance: Provenance) -> str:
    """The script that trains these members on the table they come from, and prints R² by head on the test rows.

    Args:
        name: What the model is called, for people.
        inputs: The input columns, in order.
        members: Their recipes, epochs and shares; weights are not looked at.
        provenance: What the recipes leave open.
    """
    told = [_Network.of(member, provenance) for member in members]
    networks = [network for place, network in enumerate(told) if network not in told[:place]]
    lines = [*_opening(name, networks, members), "", *_imports(networks), "", *_names(inputs, provenance), ""]
    if len(members) == 1:
        lines += [*_table(provenance), "", *networks[0].lines(COLUMNS)]
    else:
        for number, network in enumerate(networks, start=1):
            lines += ["", *_function(number, network), ""]
        lines += ["", *_table(provenance), ""]
        numbers = [1 + networks.index(network) for network in told]
        lines += ["# The mean of what the networks say, each with its share"]
        entries = [f"({member.share!r}, network_{number})" for member, number in zip(members, numbers, strict=True)]
        lines += _laid_out("members = [", entries, "]", exploded=True)
        lines += ["predicted = sum(share * network(train, test) for share, network in members)"]
    return "\n".join([*lines, "", *_ending(networks)]) + "\n"


@dataclass(frozen=True, slots=True)
class _Network:
    """One recipe as a story. Equal ones are told once.

    Args:
        recipe: What is trained.
        epochs: How many.
        horizon: The epochs that its schedule is laid out for.
        losses: By head.
    """

    recipe: Recipe
    epochs: int
    horizon: int
    losses: Mapping[str, str]

    @classmethod
    def of(cls, member: ModelMember, provenance: Provenance) -> _Network:
        """The network of a member."""
        horizon = min(member.recipe.epochs or provenance.epochs, provenance.epochs)
        return cls(member.recipe, member.epochs or horizon, horizon, provenance.losses)

    @property
    def falls(self) -> bool:
        """Whether its step size does."""
        return self.recipe.learning_rate_schedule == "cosine"

    @property
    def encoders(self) -> set[SourceCall]:
        """What encodes its inputs and its targets."""
        return {source for source in (self.input_source, self.target_source) if source}

    @property
    def input_source(self) -> SourceCall | None:
        """What encodes the inputs; None where they stay as they are."""
        return encoder_kind(self.recipe.input_scaling).source

    @property
    def target_source(self) -> SourceCall | None:
        """What encodes the targets, all alike; None where they stay as they are."""
        scalings = {head_kind(loss).target_encoder(self.recipe.target_scaling) for loss in self.losses.values()}
        if len(scalings) > 1:
            raise BackendError("heads whose targets are encoded in different ways have no script yet")
        return encoder_kind(scalings.pop()).source

    def lines(self, columns: int, result: str = "predicted = ") -> list[str]:
        """From the scalers to the predictions, in lines of so many letters; what becomes of these, `result` says."""
        return [
            *self._scaling(columns),
            "",
            *_architecture(self.recipe, self.losses, columns),
            "",
            *self._training(columns),
            "",
            *self._prediction(result),
        ]

    def _scaling(self, columns: int) -> list[str]:
        inputs, targets = self.input_source, self.target_source
        lines = []
        if inputs:
            lines += ["# Inputs, scaled by what the training rows are like"]
            lines += [*_scaler("input_scaler", inputs, "INPUTS", columns)]
            lines += ["x_train = input_scaler.transform(train[INPUTS])", "x_test = input_scaler.transform(test[INPUTS])"]
        else:
            lines += ["# Inputs, as they are", "x_train, x_test = train[INPUTS].to_numpy(), test[INPUTS].to_numpy()"]
        lines += [""]
        if targets:
            lines += ["# Targets, scaled likewise"]
            lines += [*_scaler("target_scaler", targets, "TARGETS", columns)]
            lines += ["y_train = target_scaler.transform(train[TARGETS])"]
        else:
            lines += ["# Targets, in natural units", "y_train = train[TARGETS].to_numpy()"]
        return lines

    def _training(self, columns: int) -> list[str]:
        recipe, rate = self.recipe, f"learning_rate = {self.recipe.learning_rate!r}"
        lines = ["# Training: each head has its loss, and the network minimises their weighted sum"]
        lines += [f"epochs, batch_size = {self.epochs}, {recipe.batch_size}"]
        if self.falls:
            epochs = "epochs"
            if self.horizon != self.epochs:
                lines += [f"# the step size falls as if there were {self.horizon} epochs"]
                epochs = str(self.horizon)
            lines += [f"steps = {epochs} * math.ceil(len(train) / batch_size)"]
            rate = f"learning_rate = keras.optimizers.schedules.CosineDecay({recipe.learning_rate!r}, steps)"
        words = ["learning_rate"]
        words += [f"momentum={recipe.momentum!r}"] if recipe.momentum else []
        words += [f"weight_decay={recipe.weight_decay!r}"] if recipe.weight_decay else []
        weights = {head: repr(weight) for head, weight in recipe.loss_weights.items()}
        optimizer = {"adam": "Adam", "sgd": "SGD"}[recipe.optimizer]
        return [
            *lines,
            rate,
            *_laid_out(f"optimizer = keras.optimizers.{optimizer}(", words, ")", columns),
            *_mapping("loss", {head: head_kind(loss).loss_source() for head, loss in self.losses.items()}, columns),
            *_mapping("loss_weights", weights, columns),
            "model.compile(optimizer, loss=loss, loss_weights=loss_weights)",
            "targets = {head: y_train[:, [place]] for place, head in enumerate(HEADS)}",
            "model.fit(x_train, targets, epochs=epochs, batch_size=batch_size, verbose=2)",
        ]

    def _prediction(self, result: str) -> list[str]:
        said = "np.concatenate([answers[head] for head in HEADS], axis=1)"
        lines = ["# What it says of the test rows, in natural units", "answers = model.predict(x_test, verbose=0)"]
        if self.target_source:
            return [*lines, f"scaled = {said}", f"{result}target_scaler.inverse_transform(scaled)"]
        return [*lines, f"{result}{said}"]


def _opening(name: str, networks: Sequence[_Network], members: Sequence[ModelMember]) -> list[str]:
    """The docstring, and what `fit` cannot say."""
    what = f"{len(members)} branched networks, and tests their mean" if len(members) > 1 else "a branched network, and tests it"
    sentence = f"Trains {what}. Weights begin at random, so figures differ a little from the registered model's."
    lines = [
        f'"""{name} in plain Keras.',
        "",
        *textwrap.wrap(sentence, COLUMNS),
        "",
        "    python this_script.py TABLE    (.csv, .xlsx or .parquet)",
        '"""',
    ]
    schemes = sorted({network.recipe.loss_balancing for network in networks} - {"static"})
    if schemes:
        note = (
            f"The registered model balanced its heads' losses while it trained (loss_balancing: {', '.join(schemes)}). "
            "Keras's fit has no such thing: here the loss weights stay what they are."
        )
        lines += ["", *(f"# {line}" for line in textwrap.wrap(note, COLUMNS - 2))]
    return lines


def _imports(networks: Sequence[_Network]) -> list[str]:
    calls = set().union(*(network.encoders for network in networks), _scores(networks))
    modules = {*(call.module for call in calls), "sklearn.model_selection"}
    names = {module: sorted({call.name for call in calls if call.module == module}) for module in modules}
    names["sklearn.model_selection"] = ["train_test_split"]
    return [
        *(["import math"] if any(network.falls for network in networks) else []),
        "import sys",
        "from pathlib import Path",
        "",
        "import keras",
        "import numpy as np",
        "import pandas as pd",
        *(f"from {module} import {', '.join(names[module])}" for module in sorted(modules)),
    ]


def _scores(networks: Sequence[_Network]) -> set[SourceCall]:
    """The functions that compute the heads' scores."""
    return {head_kind(loss).score_source() for loss in networks[0].losses.values()}


def _names(inputs: Sequence[str], provenance: Provenance) -> list[str]:
    return [
        *_laid_out("INPUTS = [", map(_text, inputs), "]"),
        *_laid_out("HEADS = [", map(_text, provenance.columns), "]"),
        *_laid_out("TARGETS = [", map(_text, provenance.columns.values()), "]", note="  # the heads' columns"),
    ]


def _table(provenance: Provenance) -> list[str]:
    sheet = "" if provenance.sheet is None else f", sheet_name={_text(provenance.sheet)}"
    lines = [
        "# The table",
        "path = Path(sys.argv[1])",
        'if path.suffix == ".xlsx":',
        f"    table = pd.read_excel(path{sheet})",
        'elif path.suffix == ".parquet":',
        "    table = pd.read_parquet(path)",
        "else:",
        "    table = pd.read_csv(path)",
        'table = table.dropna(how="all")[[*INPUTS, *TARGETS]]',
    ]
    if provenance.invalid == "drop":
        lines += ['table = table.apply(pd.to_numeric, errors="coerce").dropna()']
    if provenance.duplicates == "drop":
        lines += ["table = table.drop_duplicates()"]
    split = ["table", f"test_size={provenance.test_fraction!r}", f"random_state={provenance.test_seed}"]
    return [
        *lines,
        "",
        "# The same rows for training and for the test as in the search",
        *_laid_out("train, test = train_test_split(", split, ")"),
        "keras.utils.set_random_seed(1)",
    ]


def _scaler(variable: str, source: SourceCall, columns_of: str, columns: int) -> list[str]:
    return _laid_out(f"{variable} = {source.name}(", source.arguments, f").fit(train[{columns_of}])", columns)


def _architecture(recipe: Recipe, losses: Mapping[str, str], columns: int) -> list[str]:
    """The network in Keras's functional API, each layer with its name."""
    architecture = recipe.architecture

    def call(variable: str, source: SourceCall, name: str, on: str) -> list[str]:
        return _laid_out(f"{variable} = {source.name}(", [*source.arguments, f"name={_text(name)}"], f")({on})", columns)

    def stack(variable: str, kind: str, widths: Sequence[int], stem: str, on: str) -> Iterator[str]:
        for depth, units in enumerate(widths, start=1):
            source = layer_kind(kind).source(units, architecture.activation)
            yield from call(variable, source, f"{stem}_{depth}", on if depth == 1 else variable)

    width = "len(INPUTS)" if encoder_kind(recipe.input_scaling).width is same_width else "x_train.shape[1]"
    lines = ["# The trunk, which all heads share", f'inputs = keras.Input(({width},), name="inputs")']
    lines += stack("trunk", architecture.trunk_layer, architecture.trunk, "trunk", "inputs")
    lines += ["outputs = {}"]
    for head, branch in architecture.branches.items():
        own = "a layer of its own" if len(branch) == 1 else f"{len(branch)} layers of its own"
        lines += ["", f"# {head} has {own}" if branch else f"# {head} stands on the trunk itself"]
        lines += stack("branch", architecture.branch_layer(head), branch, head, "trunk")
        kind = head_kind(losses[head])
        activation = [] if kind.output_activation == "linear" else [f"activation={_text(kind.output_activation)}"]
        output = SourceCall("keras.layers.Dense", (str(kind.units), *activation))
        lines += call(f"outputs[{_text(head)}]", output, head, "branch" if branch else "trunk")
    return [*lines, "", "model = keras.Model(inputs, outputs)", "model.summary()"]


def _function(number: int, network: _Network) -> list[str]:
    body = [
        '"""Trains one network, and says what it predicts of the test rows: (rows, heads)."""',
        *network.lines(COLUMNS - 4, "return "),
    ]
    return [f"def network_{number}(train, test):", *(f"    {line}" if line else "" for line in body)]


def _ending(networks: Sequence[_Network]) -> list[str]:
    """Prints the score of every head on the test rows; heads of different scores have a table of functions."""
    losses = networks[0].losses
    functions = {head: head_kind(loss).score_source().name for head, loss in losses.items()}
    label = {head: plain_label(head_kind(loss).score) for head, loss in losses.items()}
    loop = "for place, (head, column) in enumerate(zip(HEADS, TARGETS, strict=True)):"
    if len(set(functions.values())) == 1:
        function, metric = next(iter(functions.values())), next(iter(label.values()))
        variable = metric.lower()
        return [
            loop,
            f"    {variable} = {function}(test[column], predicted[:, place])",
            f'    print(f"{{head}}: {metric} {{{variable}:.4f}} on the test rows")',
        ]
    return [
        *_mapping("scores", functions, COLUMNS),
        loop,
        "    score = scores[head](test[column], predicted[:, place])",
        '    print(f"{head}: {score:.4f} on the test rows")',
    ]


def _text(value: str | int) -> str:
    """A value as source: a word in double quotes, where it has none itself."""
    return json.dumps(value, ensure_ascii=False) if '"' not in str(value) else repr(value)


def _mapping(variable: str, entries: Mapping[str, str], columns: int) -> list[str]:
    return _laid_out(f"{variable} = {{", [f"{_text(name)}: {value}" for name, value in entries.items()], "}", columns)


def _laid_out(
    begin: str, entries: Iterable[str], end: str, columns: int = COLUMNS, note: str = "", exploded: bool = False
) -> list[str]:
    """Entries between brackets: on one line where they fit, else one to a line."""
    entries = list(entries)
    line = f"{begin}{', '.join(entries)}{end}"
    if len(line + note) <= columns and not exploded:
        return [line + note]
    return [begin, *(f"    {entry}," for entry in entries), end + note]
