"""An experiment around a search space in a file of its own, so that the space can be shown without an experiment."""

from __future__ import annotations

import re
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from branchsweep.config.config_model import NAME
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS
from branchsweep.config.sections.table import POWER_PLANT_HEADS, POWER_PLANT_INPUTS, POWER_PLANT_TABLE
from branchsweep.config.yaml.document_validation import validate_document
from branchsweep.config.yaml.yaml_document import Document
from branchsweep.config.yaml.yaml_parser import read_document

UNNAMED_INPUTS = ("input 1", "input 2", "input 3")
"""The inputs of a space whose heads are not the built-in table's."""


def experiment_around_space(file: Path) -> Experiment:
    """An experiment around the search space in a file.

    Its heads are those that the space names (`PE.depth`). Where these are heads of the built-in table, or none are named, its
    inputs are that table's; else there are three unnamed ones. It has no rows to train on.

    Raises:
        ConfigError: Everything that is wrong with the space, one line per mistake, each with its file and line.
    """
    space = read_document(file)
    heads = ([] if "builder" in space.data else _named_heads(space)) or POWER_PLANT_HEADS
    inputs = POWER_PLANT_INPUTS if set(heads) <= set(POWER_PLANT_HEADS) else UNNAMED_INPUTS
    data = {
        "name": "space",
        "table": {"source": POWER_PLANT_TABLE, "inputs": list(inputs)},
        "heads": {head: {} for head in heads},
        "space": space.data,
    }
    locations = {("space", *path): replace(location, root_depth=1) for path, location in space.locations.items()}
    return validate_document(Experiment, Document(data, {(): space.locations[()], **locations}))


def _named_heads(space: Document) -> list[str]:
    """The heads that a space names: what is before the last dot of a name that is no hyperparameter's.

    They are in the order of the space, but those that read others (`V.reads: PE`) come after these. Where heads read each other
    in a circle, which is a mistake, no order is right.
    """
    groups = [entries for group in ("dimensions", "fixed") if isinstance(entries := space.data.get(group), dict)]
    reads: dict[str, list[str]] = {}
    for entries in groups:
        for name, entry in entries.items():
            if name not in HYPERPARAMETERS:
                head, _, rest = name.rpartition(".")
                reads.setdefault(head, []).extend(_texts(entry) if rest == "reads" else [])
    try:
        named = list(TopologicalSorter(reads).static_order())
    except CycleError:
        named = list(reads)
    network_parts = {name.partition(".")[0] for name in HYPERPARAMETERS}
    return [head for head in named if head not in network_parts and re.match(NAME, head)]


def _texts(entry: object) -> list[str]:
    """The texts among the values of a dimension, or that are a fixed value."""
    choices = entry.get("choices") if isinstance(entry, dict) else [entry]
    return [value for value in choices if isinstance(value, str)] if isinstance(choices, list) else []
