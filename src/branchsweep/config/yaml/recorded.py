"""Experiments and comparisons as the YAML text that stores record, and back."""

from __future__ import annotations

from branchsweep.config.comparison import Comparison
from branchsweep.config.config_model import KeyPath
from branchsweep.config.experiment import Experiment
from branchsweep.config.file_model import FileModel
from branchsweep.config.yaml.comparison_experiments import experiment_paths
from branchsweep.config.yaml.deprecated_keys import rename_deprecated_keys
from branchsweep.config.yaml.document_validation import validate_document
from branchsweep.config.yaml.yaml_document import Document
from branchsweep.config.yaml.yaml_parser import parse_yaml, write_yaml


def dump_yaml(config: FileModel) -> str:
    """The YAML text, with spaces and experiments in place of their paths, and with all defaults.

    Loading it gives an equal value.
    """
    return write_yaml(config.model_dump(exclude_none=True))


def dump_space_yaml(experiment: Experiment) -> str:
    """The experiment's search space as YAML text, in the form of a file of search_spaces/."""
    return write_yaml(experiment.space.model_dump(exclude_none=True))


def parse_recorded_experiment(text: str, source: str) -> Experiment:
    """The experiment that `dump_yaml` wrote, maybe by an older version: no file that it names is looked up.

    Args:
        text: The YAML.
        source: What messages call it.

    Raises:
        ConfigError: It is no experiment, or one that this version does not understand.
    """
    document = _parse(text, source)
    _with_first_defaults(document)
    rename_deprecated_keys(document, is_recorded=True)
    return validate_document(Experiment, document)


def parse_recorded_comparison(text: str, source: str) -> Comparison:
    """The comparison that `dump_yaml` wrote, maybe by an older version: no file that it names is looked up.

    Args:
        text: The YAML.
        source: What messages call it.

    Raises:
        ConfigError: It is no comparison, or one that this version does not understand.
    """
    document = _parse(text, source)
    for path in experiment_paths(document):
        _with_first_defaults(document, path)
        rename_deprecated_keys(document, path, is_recorded=True)
    return validate_document(Comparison, document)


def _with_first_defaults(document: Document, experiment: KeyPath = ()) -> None:
    """Add what the first versions did where a record does not say it: they left rows out that lacked a target.

    What is recorded of a column whose kind the table said may be a setting of numbers, where it is categorical: of no effect.
    """
    written = document.find(experiment)
    table = written.get("table") if isinstance(written, dict) else None
    if not isinstance(written, dict) or not isinstance(table, dict):
        return
    if table.get("invalid") == "drop":
        written.setdefault("targets", {"missing": "drop"})
    inputs = table.get("inputs")
    for column in inputs.values() if isinstance(inputs, dict) else ():
        if isinstance(column, dict) and column.get("kind") == "categorical":
            for setting in ("missing", "input_scaling"):
                column.pop(setting, None)


def _parse(text: str, source: str) -> Document:
    value, locations = parse_yaml(text, source)
    return Document(value if isinstance(value, dict) else {}, locations)
