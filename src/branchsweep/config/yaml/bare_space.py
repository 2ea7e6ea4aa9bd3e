"""An experiment around a search space in a file of its own, so that the space can be shown without an experiment."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    heads = _named_heads(space) or POWER_PLANT_HEADS
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
    """The heads that a space names, in its order: what is before the last dot of a name that is no hyperparameter's.

    Heads that others read (`V.reads: PE`) come first.
    """
    groups = [entries for group in ("dimensions", "fixed") if isinstance(entries := space.data.get(group), dict)]
    network_parts = {name.partition(".")[0] for name in HYPERPARAMETERS}
    prefixes = [name.rpartition(".")[0] for entries in groups for name in entries if name not in HYPERPARAMETERS]
    named = dict.fromkeys([*(head for entries in groups for head in _read_heads(entries)), *prefixes])
    return [head for head in named if head not in network_parts and re.match(NAME, head)]


def _read_heads(entries: dict[str, Any]) -> list[str]:
    """The values of hyperparameters such as `V.reads`, among them `trunk`."""
    given = [entry for name, entry in entries.items() if name.endswith(".reads")]
    values = [value for entry in given for value in (entry.get("choices") if isinstance(entry, dict) else [entry]) or []]
    return [value for value in values if isinstance(value, str)]
