"""Experiments and comparisons from YAML and back, and the JSON Schemas of their files.

experiments/x.yaml  +  search_spaces/y.yaml  +  --set key=value
     |  document    plain data, and for every key the file and line where it stands
     |  overrides   single values from the command line, written over it
     |  load        shorthands spelled out, paths made absolute
     |  mistakes    what the models refuse: each with its place, what was given, what was expected
     v
Experiment          checked to the last key

A comparison goes the same way. The paths to experiments in it are replaced by what is in their files, and all that is done to
an experiment in a file of its own is done to each of these where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from branchsweep.config.comparison import Comparison
from branchsweep.config.config_model import NAME
from branchsweep.config.deprecated_keys import rename_deprecated_keys
from branchsweep.config.experiment import YAML_SUFFIXES, Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS
from branchsweep.config.messages import ConfigMistake, Model, model_of, refuse
from branchsweep.config.overrides import apply_overrides
from branchsweep.config.table import POWER_PLANT_TABLE
from branchsweep.config.training import NO_PRUNING
from branchsweep.config.yaml_document import Document, Keys, SourceLocation, given, nearest_file, parse, read, shown, write
from branchsweep.errors import ConfigError, did_you_mean

CCPP_INPUTS = ("AT", "AP", "RH")
"""The inputs of the built-in table, where an experiment names none."""

CCPP_HEADS = ("PE", "V")
"""What networks predict of the built-in table."""

UNNAMED_INPUTS = ("input 1", "input 2", "input 3")
"""The inputs of a space that stands alone, where its heads are not the built-in table's."""


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment in a YAML file.

    Args:
        path: The file. Paths in it are looked up from its folder, then from the working directory.
        overrides: `key=value` each, written over what the file says, in their order.

    Raises:
        ConfigError: Everything that is wrong, one line per mistake, each with its place.
    """
    document, folder = read(path), path.parent
    if _is_comparison(document):
        message = f"got a comparison, expected an experiment; 'branchsweep compare {shown(path)}' compares its contestants"
        raise ConfigError(message, where=str(document.place(("contestants",))))

    def spell_out(words: Sequence[str]) -> None:
        _require(document, _expand(document, (), words[0], folder))

    rename_deprecated_keys(document)  # an override may go on below a key that the file has by its old name
    for override in overrides:
        apply_overrides(document, override, Experiment, spell_out)
    return model_of(Experiment, document, _resolve(document, (), folder))


def load_comparison(path: Path, overrides: Sequence[str] = ()) -> Comparison:
    """The comparison in a YAML file.

    Args:
        path: The file. Paths in it are looked up from its folder, then from the working directory; those in an experiment that
            it names, from the experiment's folder first.
        overrides: `key=value` each, written over what the files say, in their order (`experiment.fit.epochs=20`).

    Raises:
        ConfigError: Everything that is wrong in it and in the experiments that it names, one line per mistake, each with its
            place.
    """
    document, folder = read(path), path.parent
    if _is_experiment(document):
        message = f"got an experiment, expected a comparison; 'branchsweep run {shown(path)}' runs it"
        raise ConfigError(message, where=str(document.place(())))

    def spell_out(words: Sequence[str]) -> None:
        _require(document, _lacking(document, words))
        for at in _experiments(document):
            if at == tuple(words[: len(at)]) and len(at) < len(words):
                _require(document, _expand_experiment(document, at, folder))
                rename_deprecated_keys(document, at)
                _require(document, _expand(document, at, words[len(at)], _folder(document, at, folder)))

    for override in overrides:
        apply_overrides(document, override, Comparison, spell_out)
    return model_of(Comparison, document, _resolve_comparison(document, folder))


def is_comparison_file(path: Path) -> bool:
    """Whether the file has contestants.

    Raises:
        ConfigError: The file cannot be read.
    """
    return _is_comparison(read(path))


def is_space_file(path: Path) -> bool:
    """Whether the file has no key of an experiment or of a comparison, as those of search_spaces/.

    Raises:
        ConfigError: The file cannot be read.
    """
    return not set(read(path).data) & {*Experiment.model_fields, *Comparison.model_fields}


def experiment_around_space(path: Path) -> Experiment:
    """An experiment around the bare space in a file, for looking at it.

    Its heads are those that the space names (`PE.depth`). Where these are heads of the built-in table, or none are named, its
    inputs are that table's; else there are three without a name. It has no rows to train on.

    Raises:
        ConfigError: Everything that is wrong with the space, one line per mistake, each with its place.
    """
    space = read(path)
    heads = _heads_named(space) or CCPP_HEADS
    inputs = CCPP_INPUTS if set(heads) <= set(CCPP_HEADS) else UNNAMED_INPUTS
    data = {
        "name": "space",
        "table": {"source": POWER_PLANT_TABLE, "inputs": list(inputs)},
        "heads": {head: {} for head in heads},
        "space": space.data,
    }
    places = {("space", *way): replace(place, above=1) for way, place in space.places.items()}
    return model_of(Experiment, Document(data, {(): space.places[()], **places}))


def _heads_named(space: Document) -> list[str]:
    """The heads that a space speaks of, in its order: what stands before the last dot of a name that is no tunable's."""
    groups = [entries for group in ("dimensions", "fixed") if isinstance(entries := space.data.get(group), dict)]
    parts = {name.partition(".")[0] for name in HYPERPARAMETERS}
    before = [name.rpartition(".")[0] for entries in groups for name in entries if name not in HYPERPARAMETERS]
    return [head for head in dict.fromkeys(before) if head not in parts and re.match(NAME, head)]


def dump_yaml(written: Experiment | Comparison) -> str:
    """What was resolved as YAML: the space and the experiments inlined, defaults spelled out. Loading it gives an equal one."""
    return write(written.model_dump(exclude_none=True))


def dump_space_yaml(experiment: Experiment) -> str:
    """Its resolved search space as YAML, in the form of a file of search_spaces/."""
    return write(experiment.space.model_dump(exclude_none=True))


def parse_recorded_experiment(text: str, source: str) -> Experiment:
    """The experiment that `dump` wrote, maybe long ago and elsewhere: no file that it names is looked up.

    Args:
        text: The YAML.
        source: What messages call it.

    Raises:
        ConfigError: It is no experiment, or one of another version.
    """
    return _recorded(Experiment, text, source)


def parse_recorded_comparison(text: str, source: str) -> Comparison:
    """The comparison that `dump` wrote, maybe long ago and elsewhere: no file that it names is looked up.

    Args:
        text: The YAML.
        source: What messages call it.

    Raises:
        ConfigError: It is no comparison, or one of another version.
    """
    return _recorded(Comparison, text, source)


def _recorded(root: type[Model], text: str, source: str) -> Model:
    value, places = parse(text, source)
    document = Document(value if isinstance(value, dict) else {}, places)
    for at in _experiments(document) if root is Comparison else [()]:
        rename_deprecated_keys(document, at, is_recorded=True)
    return model_of(root, document)


def _is_comparison(document: Document) -> bool:
    return "contestants" in document.data


def _is_experiment(document: Document) -> bool:
    """Whether nothing is compared, and something is said that only experiments say."""
    own = set(Experiment.model_fields) - set(Comparison.model_fields)
    return not {"contestants", "experiment"} & set(document.data) and bool(own & set(document.data))


def _require(document: Document, mistakes: list[ConfigMistake]) -> None:
    if mistakes:
        refuse(document, mistakes)


def _experiments(document: Document) -> Iterator[Keys]:
    """The way to every experiment that a comparison may hold: its own, then that of each contestant that names one."""
    yield ("experiment",)
    contestants = document.data.get("contestants")
    for name, contestant in contestants.items() if isinstance(contestants, dict) else ():
        if isinstance(contestant, dict) and contestant.get("experiment") is not None:
            yield ("contestants", name, "experiment")


def _lacking(document: Document, words: Sequence[str]) -> list[ConfigMistake]:
    """Whether an override reaches into the experiment of a contestant that has the comparison's."""
    at = ("contestants", *words[1:2], "experiment")
    if (
        at != tuple(words[:3])
        or len(words) < 4
        or not isinstance(document.find(at[:-1]), dict)
        or document.find(at) is not None
    ):
        return []
    ways = f"name one first ({'.'.join(at)}=PATH), or change the comparison's ({'.'.join(words[2:])})"
    return [_mistake(at, f"{words[1]} has no experiment of its own; {ways}")]


def _resolve_comparison(document: Document, folder: Path) -> list[ConfigMistake]:
    """Every experiment where its path stands, with nothing left to be spelled out."""
    mistakes = []
    for at in _experiments(document):
        mistakes += _expand_experiment(document, at, folder)
        mistakes += _resolve(document, at, _folder(document, at, folder))
    return mistakes


def _expand_experiment(document: Document, at: Keys, folder: Path) -> list[ConfigMistake]:
    """Replace the path to an experiment by what is in its file."""
    around = document.value(at[:-1])
    if at[-1] not in around:
        return [ConfigMistake(at, at[:-1], f"missing key '{at[-1]}', expected a path to an experiment (.yaml)")]
    written = around[at[-1]]
    if isinstance(written, dict):
        return []
    if not isinstance(written, str):
        return [_mistake(at, f"got {given(written)}, expected a path to an experiment (.yaml)")]
    path = _located(written, folder)
    if path is None:
        return [_mistake(at, _no_such_file(written, folder))]
    experiment = read(path)
    if _is_comparison(experiment):
        return [_mistake(at, f"got '{written}', which is a comparison, expected a path to an experiment")]
    document.graft(at, experiment)
    return []


def _folder(document: Document, at: Keys, folder: Path) -> Path:
    """The folder from which an experiment's paths are looked up: of its own file, where it has one."""
    place = document.places.get(at)
    return Path(place.inside.source).parent if place and place.inside else folder


def _resolve(document: Document, at: Keys, folder: Path) -> list[ConfigMistake]:
    """All shorthands of an experiment spelled out, all its paths absolute."""
    if not isinstance(document.find(at), dict):
        return []
    return [
        *(_mistake(keys, message) for keys, message in rename_deprecated_keys(document, at)),
        *_expand(document, at, "table", folder),
        *_expand(document, at, "space", folder),
        *_expand(document, at, "pruning", folder),
        *_expand(document, at, "objective", folder),
        *_resolve_table(document, at, folder),
        *_resolve_baselines(document, at, folder),
    ]


def _expand(document: Document, at: Keys, key: str, folder: Path) -> list[ConfigMistake]:
    """Replace a shorthand (`table: ccpp`, a path as `space`) in the experiment at the end of a way by what it stands for."""
    keys = (*at, key)
    written = document.find(keys)
    if key == "table" and written == POWER_PLANT_TABLE:
        document.put(keys, {"source": POWER_PLANT_TABLE}, {(): document.place(keys)})
    elif key == "table" and isinstance(written, str):
        expected = f"expected '{POWER_PLANT_TABLE}', or a mapping such as {{source: {written}, inputs: [..]}}"
        return [_mistake(keys, f"got '{written}', {expected}{did_you_mean(written, [POWER_PLANT_TABLE])}")]
    elif key == "pruning" and written == NO_PRUNING:
        document.put(keys, {"rungs": []}, {(): document.place(keys)})
    elif key == "pruning" and isinstance(written, str):
        expected = f"expected '{NO_PRUNING}', or a mapping such as {{rungs: [10, 20, 40], keep: 0.5}}"
        return [_mistake(keys, f"got '{written}', {expected}{did_you_mean(written, [NO_PRUNING])}")]
    elif key == "objective" and isinstance(written, (str, list)):
        _expand_objective(document, keys, (*keys, "maximize"), written)
    elif key == "objective" and isinstance(written, dict) and isinstance(written.get("maximize"), str):
        _expand_objective(document, (*keys, "maximize"), (*keys, "maximize"), written["maximize"])
    elif key == "space" and isinstance(written, str):
        path = _located(written, folder)
        if path is None:
            return [_mistake(keys, _no_such_file(written, folder))]
        document.graft(keys, read(path))
    return []


def _expand_objective(document: Document, written_at: Keys, at: Keys, written: str | list[Any]) -> None:
    """One figure, or a list of them, as `objective` or as its `maximize`."""
    figures = written if isinstance(written, list) else [written]
    places: dict[Keys, SourceLocation] = {
        (position,): document.place((*written_at, position)) for position in range(len(figures))
    }
    if written_at != at:
        document.put(written_at, {}, {(): document.place(written_at)})
    document.put(at, figures, {(): document.place(written_at), **places})


def _resolve_table(document: Document, at: Keys, folder: Path) -> list[ConfigMistake]:
    """The table's path made absolute, and the inputs that the built-in table has where none are named."""
    table = document.find((*at, "table"))
    source = table.get("source") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(source, str):
        return []
    if source == POWER_PLANT_TABLE:
        table.setdefault("inputs", list(CCPP_INPUTS))
        return []
    path = _located(source, folder)
    if path is None and not Path(source).suffix:
        expected = f"expected '{POWER_PLANT_TABLE}', or a path to an xlsx, csv or parquet file"
        return [_mistake((*at, "table", "source"), f"got '{source}', {expected}{did_you_mean(source, [POWER_PLANT_TABLE])}")]
    table["source"] = str(path or Path(source).expanduser().absolute())  # a missing table is for `data` to answer
    return []


def _resolve_baselines(document: Document, at: Keys, folder: Path) -> list[ConfigMistake]:
    """The paths among the baselines made absolute."""
    baselines = document.find((*at, "baselines"))
    if not isinstance(baselines, list):
        return []
    mistakes = []
    for position, baseline in enumerate(baselines):
        if isinstance(baseline, str) and baseline.endswith(YAML_SUFFIXES):
            path = _located(baseline, folder)
            if path is None:
                mistakes.append(_mistake((*at, "baselines", position), _no_such_file(baseline, folder)))
            else:
                baselines[position] = str(path)
    return mistakes


def _mistake(keys: Keys, message: str) -> ConfigMistake:
    return ConfigMistake(keys, keys, message)


def _located(written: str, folder: Path) -> Path | None:
    """The file that a path in a document means, or None where there is none."""
    candidates = (base / Path(written).expanduser() for base in (folder, Path.cwd()))
    return next((candidate.resolve() for candidate in candidates if candidate.is_file()), None)


def _no_such_file(written: str, folder: Path) -> str:
    near = next(filter(None, (nearest_file(base / written) for base in (folder, Path.cwd()))), None)
    hint = f"; did you mean '{Path(written).with_name(near.name)}'?" if near else ""
    return f"got '{written}', expected a YAML file, looked up from this file's folder and from the working directory{hint}"
