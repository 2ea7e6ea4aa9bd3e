"""Writes a model as a script in plain Keras, as a tutorial has it: whoever has the table trains it anew, without this package.

The script is a Jinja template, `templates/script.py.jinja`. One network is written from top to bottom; a mean of several has a
function for each distinct recipe and calls it as often as the recipe is among the members. What the kinds of encoders, layers
and heads are in plain Keras and scikit-learn is read from the kinds. The script is formatted as a formatter leaves it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from branchsweep.config.codec import from_data
from branchsweep.config.sections.columns import Column
from branchsweep.config.sections.database import sql_statement
from branchsweep.data.class_weights import class_weight
from branchsweep.data.files.number_marks import NumberMarks
from branchsweep.errors import MALFORMED, BackendError
from branchsweep.metrics.names import plain_label
from branchsweep.models.exported_model import ModelMember, Provenance
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.input_source import InputSource
from branchsweep.models.layers.input_factors import LAYER_NAME
from branchsweep.models.network_source import NetworkSource
from branchsweep.models.recipe import Recipe
from branchsweep.models.source_layout import COLUMNS, entries, imported_from, laid_out, source
from branchsweep.models.split_source import SplitSource
from branchsweep.types import SourceCall


def script_from_manifest(name: str, manifest: Mapping[str, Any]) -> str:
    """The script of an exported model.

    Args:
        name: The model's name, shown in comments and messages.
        manifest: Its `serving.json`.

    Raises:
        BackendError: It does not say where the model comes from, cannot be read, or there is no script for its kinds.
    """
    if not manifest.get("provenance"):
        raise BackendError(f"{name} does not say how it was trained, so there is no script; train and register it anew")
    try:
        provenance, described = from_data(Provenance, manifest["provenance"]), manifest.get("columns", {})
        inputs = {str(name): Column.model_validate(described.get(name, {})) for name in manifest["inputs"]}
        members = [
            ModelMember(
                from_data(Recipe, member["recipe"]),
                (),
                float(member["share"]),
                int(member["epochs"]),
                {head: float(share) for head, share in member.get("shares", {}).items()},
            )
            for member in manifest["members"]
        ]
    except MALFORMED as error:
        raise BackendError(f"the description of {name} cannot be read ({error!r}): was it edited by hand?") from error
    if manifest.get("estimators"):
        message = f"{name} has estimators of scikit-learn beside its networks, and a script trains networks alone"
        raise BackendError(f"{message}; give promotion.ensemble.members: networks, or use the registered model itself")
    return generate_script(name, inputs, members, provenance)


def generate_script(name: str, inputs: Mapping[str, Column], members: Sequence[ModelMember], provenance: Provenance) -> str:
    """The script that trains these members on their table, and prints the score of every head on the test rows.

    Args:
        name: The model's name, shown in comments and messages.
        inputs: The input columns, in order, each with what it is.
        members: Their recipes, epochs and shares; weights are not read.
        provenance: What the recipes leave open.

    Raises:
        BackendError: There is no script for the kinds of the heads, or for how inputs are encoded.
    """
    _check_heads(provenance)
    columns = InputSource(inputs, provenance.named_classes)
    by_member = [NetworkSource.of(member, columns, provenance) for member in members]
    networks = [network for index, network in enumerate(by_member) if network not in by_member[:index]]
    heads = {head: head_kind(loss) for head, loss in provenance.losses.items()}
    scores = {head: kind.score_source() for head, kind in heads.items()}
    split = SplitSource.of(provenance, columns.has_missing_values)
    encoders = [call for network in networks for call in network.encoders]
    split_calls = [SourceCall(name, module="sklearn.model_selection") for name in split.splitters]
    builders = [network.builder for network in networks if network.builder]
    own = [*scores.values(), *encoders, *builders]
    calls = [*own, *(used for call in own for used in call.uses)]
    of_heads = [*(kind.loss_definition() for kind in heads.values()), *(score.definition for score in scores.values())]
    of_encoders = [call.definition for call in encoders]
    definitions = [code for code in dict.fromkeys([*columns.definitions, *of_encoders, *of_heads]) if code]
    return (
        _environment()
        .get_template("script.py.jinja")
        .render(
            name=name,
            inputs=list(inputs),
            columns_of=columns,
            definitions=definitions,
            provenance=provenance,
            networks=networks,
            members=[
                (_share_source(member, provenance), 1 + networks.index(own))
                for member, own in zip(members, by_member, strict=True)
            ],
            summary=_summary(len(members)),
            note=_note(networks),
            split=split,
            **_weight_sources(provenance, split),
            **_names_of_columns(columns, provenance),
            **_output_sources(provenance),
            imports=_imports([*calls, *_weighing_calls(provenance), *split_calls]),
            scores=list(dict.fromkeys(scores.values())),
            score_functions={head: score.name for head, score in scores.items()},
            csv_arguments=_csv_arguments(provenance),
            missing=["np.inf", "-np.inf", *(f"{code!r}" for code in provenance.missing if not isinstance(code, str))],
            query=_query(provenance.query or ""),
            marks=_number_marks(provenance),
            score_label=plain_label(next(iter(heads.values())).score),
            columns=COLUMNS,
            factors_name=LAYER_NAME,
        )
    )


def _check_heads(provenance: Provenance) -> None:
    """Check that the lines of a script can read and train the heads.

    Raises:
        BackendError: The words of classes are not recorded, or several heads have one column.
    """
    remedy = "export the network (--format keras)"
    if provenance.has_words and not provenance.classes:
        raise BackendError(f"the model was registered without the words of its classes, so there is no script; {remedy}")
    if len(set(provenance.columns.values())) < len(provenance.columns):
        raise BackendError(f"several heads of one target column have no script; {remedy}")


def _share_source(member: ModelMember, provenance: Provenance) -> str:
    """What a network weighs: one number, or one for each head where they differ."""
    if not member.head_shares:
        return repr(member.share)
    units = _output_units(provenance)
    return f"np.array([{', '.join(repr(member.share_of(head)) for head in provenance.columns for _ in range(units[head]))}])"


def _output_units(provenance: Provenance) -> dict[str, int]:
    """By head, the columns of its predictions."""
    return {head: head_kind(provenance.losses[head]).units for head in provenance.columns}


def _output_sources(provenance: Provenance) -> dict[str, Any]:
    """What the template writes of the columns of predictions where some head has several."""
    units = _output_units(provenance)
    ends = accumulate(units.values())
    return {
        "has_several_outputs": max(units.values()) > 1,
        "output_columns": {
            head: f"slice({end - own}, {end})" if own > 1 else str(end - 1)
            for (head, own), end in zip(units.items(), ends, strict=True)
        },
        "heads_of_outputs": [str(number) for number, own in enumerate(units.values()) for _ in range(own)],
    }


def _weight_sources(provenance: Provenance, split: SplitSource) -> dict[str, Any]:
    """What the template writes of missing targets and weights."""
    columns = list(dict.fromkeys(column for of_head in provenance.weights.values() for column in of_head))
    return {
        "is_weighed": provenance.partial_targets or bool(columns) or bool(provenance.class_weights),
        "class_weights": _class_weights(provenance),
        "weight_columns": columns,
        "weights": [
            f"{source(head)}: [{', '.join(map(source, of_head))}]" for head, of_head in provenance.weights.items() if of_head
        ],
        "needed": [
            "*INPUTS",
            "*TARGETS",
            *(["*WEIGHT_COLUMNS"] if columns else []),
            *([source(split.column)] if split.column else []),
        ],
        "missing_texts": [source(code) for code in provenance.missing if isinstance(code, str)],
    }


def _weighing_calls(provenance: Provenance) -> list[SourceCall]:
    """What the script imports to weigh rows by their classes."""
    return [SourceCall("compute_sample_weight", module="sklearn.utils.class_weight")] if provenance.class_weights else []


def _class_weights(provenance: Provenance) -> list[str]:
    """The lines that say what rows of each class count, by target column: `balanced`, or by the number of the class."""
    lines = []
    for head, given in provenance.class_weights.items():
        weight = class_weight(head, given, provenance.classes[head], head)
        begin = f"CLASS_WEIGHT[{source(provenance.columns[head])}] = "
        by_class = [f"{number}: {own}" for number, own in enumerate(weight or ())]
        lines.append(f"{begin}{source(weight)}" if isinstance(weight, str) else laid_out(by_class, f"{begin}{{", "}"))
    return lines


def _names_of_columns(columns: InputSource, provenance: Provenance) -> dict[str, Any]:
    """Which columns are numbers, which may be empty, and which are checked for invalid values, as the template names them."""
    gaps = [name for name, has in (("GAPS", columns.gaps), ("TARGETS", provenance.partial_targets)) if has]
    constants = [columns.numbers, "TARGETS", "WEIGHT_COLUMNS" if any(provenance.weights.values()) else ""]
    dates = [name for name in columns.others if name == "DATES"]
    checked = _joined(["numbers", *dates])
    return {
        "number_columns": [f"*{name}" for name in constants if name],
        "may_be_empty": _joined(gaps),
        "checked_names": checked,
        "checked": f"table[{checked}]" if columns.others else "table",
    }


def _joined(lists: Sequence[str]) -> str:
    """The list that joins these, as source; empty for none."""
    return lists[0] if len(lists) == 1 else f"[{', '.join(f'*{name}' for name in lists)}]" if lists else ""


def _csv_arguments(provenance: Provenance) -> list[str]:
    """The arguments of `pandas.read_csv` with which it reads the values that the search read."""
    # pandas takes a mark between thousands between any digits: 1,5 would be 15.
    named = [f"{name}={source(value)}" for name, value in provenance.csv_arguments.items() if name != "thousands"]
    return ["path", *named]


def _query(text: str) -> str:
    """The argument of SQLAlchemy's `text` for a query, as source."""
    return "\n".join(source(line) for line in sql_statement(text).splitlines(keepends=True))


def _number_marks(provenance: Provenance) -> NumberMarks:
    """The marks in the numbers of the table."""
    arguments = provenance.csv_arguments
    return NumberMarks(str(arguments.get("decimal", ".")), str(arguments.get("thousands", "")))


def _summary(networks: int) -> str:
    trained = f"{networks} branched networks, and tests their mean" if networks > 1 else "a branched network, and tests it"
    sentence = f"Trains {trained}. Weights begin at random, so scores differ a little from the registered model's."
    return textwrap.fill(sentence, COLUMNS)


def _note(networks: Sequence[NetworkSource]) -> str:
    """A comment on what `fit` cannot do; empty where it can do all."""
    schemes = sorted({network.recipe.loss_balancing for network in networks} - {"static"})
    if not schemes:
        return ""
    sentences = (
        f"The registered model balanced its heads' losses while it trained (loss_balancing: {', '.join(schemes)}). "
        "Keras's fit has no such thing: here the loss weights stay what they are."
    )
    return textwrap.indent(textwrap.fill(sentences, COLUMNS - 2), "# ")


def _imports(calls: Sequence[SourceCall]) -> dict[str, list[str]]:
    """By module, the names to import from it, in the order of a formatter."""
    modules = sorted({call.module for call in calls if call.module})
    return {module: sorted({call.name for call in calls if call.module == module}) for module in modules}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("branchsweep.models"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # Python, not HTML
    )
    environment.filters |= {"source": source, "entries": entries, "laid_out": laid_out, "imported_from": imported_from}
    return environment
