"""Experiments and comparisons loaded from YAML files.

    experiments/x.yaml  +  search_spaces/y.yaml  +  --set key=value
         |  yaml_parser            plain data, and the file and line of every key
         |  overrides              single values from the command line
         |  deprecated_keys        keys by their present names
         |  shorthands             resolved, paths made absolute
         |  document_validation    checked by the models; every mistake with its file and line, in plain words (messages)
         v
    Experiment or Comparison

In a comparison, the paths to experiments are replaced by the contents of their files first (`comparison_experiments`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from branchsweep.config.comparison import Comparison
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.comparison_experiments import is_comparison, resolve_comparison, resolve_override_path
from branchsweep.config.yaml.deprecated_keys import rename_deprecated_keys
from branchsweep.config.yaml.document_validation import raise_mistakes, validate_document
from branchsweep.config.yaml.file_paths import display_path
from branchsweep.config.yaml.messages import ConfigMistake
from branchsweep.config.yaml.overrides import OptionValue, apply_override
from branchsweep.config.yaml.shorthands import resolve_experiment, resolve_shorthand
from branchsweep.config.yaml.yaml_document import Document
from branchsweep.config.yaml.yaml_parser import read_document
from branchsweep.errors import ConfigError


def load_experiment(file: Path, overrides: Sequence[str | OptionValue] = ()) -> Experiment:
    """The experiment in a YAML file.

    Args:
        file: The file. Paths in it are looked up from its folder, then from the working directory.
        overrides: `key=value` each, or options that stand for keys, written over the file's values, in their order.

    Raises:
        ConfigError: Everything that is wrong, one line per mistake, each with its file and line.
    """
    document, folder = read_document(file), file.parent
    if is_comparison(document):
        message = (
            f"got a comparison, expected an experiment; 'branchsweep compare {display_path(file)}' compares its contestants"
        )
        raise ConfigError(message, where=str(document.location(("contestants",))))

    def resolve_path(parts: Sequence[str]) -> None:
        _raise_any(document, resolve_shorthand(document, (), parts[0], folder))

    rename_deprecated_keys(document)  # an override may name a key below one that the file has by its old name
    for override in overrides:
        apply_override(document, override, Experiment, resolve_path)
    return validate_document(Experiment, document, resolve_experiment(document, (), folder))


def load_comparison(file: Path, overrides: Sequence[str | OptionValue] = ()) -> Comparison:
    """The comparison in a YAML file.

    Args:
        file: The file. Paths in it are looked up from its folder, then from the working directory; those in an experiment that
            it names, from the experiment's folder first.
        overrides: `key=value` each, or options that stand for keys, written over the files' values, in their order
            (`experiment.fit.epochs=20`).

    Raises:
        ConfigError: Everything that is wrong in it and in the experiments that it names, one line per mistake, each with its
            file and line.
    """
    document, folder = read_document(file), file.parent
    if _is_experiment(document):
        message = f"got an experiment, expected a comparison; 'branchsweep run {display_path(file)}' runs it"
        raise ConfigError(message, where=str(document.location(())))

    def resolve_path(parts: Sequence[str]) -> None:
        _raise_any(document, resolve_override_path(document, parts, folder))

    for override in overrides:
        apply_override(document, override, Comparison, resolve_path)
    return validate_document(Comparison, document, resolve_comparison(document, folder))


def is_comparison_file(file: Path) -> bool:
    """Whether the file has contestants.

    Raises:
        ConfigError: The file cannot be read.
    """
    return is_comparison(read_document(file))


def is_space_file(file: Path) -> bool:
    """Whether the file has no key of an experiment or of a comparison, as those of search_spaces/.

    Raises:
        ConfigError: The file cannot be read.
    """
    return not set(read_document(file).data) & {*Experiment.model_fields, *Comparison.model_fields}


def _is_experiment(document: Document) -> bool:
    """Whether the document has keys that only experiments have, and none that only comparisons have."""
    experiment_keys = set(Experiment.model_fields) - set(Comparison.model_fields)
    return not {"contestants", "experiment"} & set(document.data) and bool(experiment_keys & set(document.data))


def _raise_any(document: Document, mistakes: list[ConfigMistake]) -> None:
    if mistakes:
        raise_mistakes(document, mistakes)
