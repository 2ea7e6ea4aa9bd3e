"""Experiments from YAML and back, and the JSON Schema of their files.

experiments/x.yaml  +  search_spaces/y.yaml  +  --set key=value
     |  document    plain data, and for every key the file and line where it stands
     |  overrides   single values from the command line, written over it
     |  load        shorthands spelled out, paths made absolute
     |  mistakes    what the models refuse: each with its place, what was given, what was expected
     v
Experiment          checked to the last key
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from branchsweep import recipe
from branchsweep.config import overrides as written_over
from branchsweep.config.document import Document, Keys, Place, nearest_file, parse, read, write
from branchsweep.config.mistakes import Mistake, experiment_of, refuse
from branchsweep.config.schema import json_schema
from branchsweep.errors import did_you_mean
from branchsweep.experiment import CCPP, NAME, NO_PRUNING, YAML_SUFFIXES, Experiment

__all__ = ["around", "dump", "holds_a_space", "json_schema", "load", "recorded"]

CCPP_INPUTS = ("AT", "AP", "RH")
"""The inputs of the built-in table, where an experiment names none."""

CCPP_HEADS = ("PE", "V")
"""What networks predict of the built-in table."""

UNNAMED_INPUTS = ("input 1", "input 2", "input 3")
"""The inputs of a space that stands alone, where its heads are not the built-in table's."""


def load(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment in a YAML file.

    Args:
        path: The file. Paths in it are looked up from its folder, then from the working directory.
        overrides: `key=value` each, written over what the file says, in their order.

    Raises:
        ConfigError: Everything that is wrong, one line per mistake, each with its place.
    """
    document, folder = read(path), path.parent

    def spell_out(key: str) -> None:
        mistakes = _spell_out(document, key, folder)
        if mistakes:
            refuse(document, mistakes)

    for override in overrides:
        written_over.apply(document, override, spell_out)
    return experiment_of(
        document,
        [
            *_spell_out(document, "table", folder),
            *_spell_out(document, "space", folder),
            *_spell_out(document, "pruning", folder),
            *_spell_out(document, "objective", folder),
            *_settle_table(document, folder),
            *_settle_baselines(document, folder),
        ],
    )


def holds_a_space(path: Path) -> bool:
    """Whether the file has no key of an experiment, as those of search_spaces/.

    Raises:
        ConfigError: The file cannot be read.
    """
    return not set(read(path).data) & set(Experiment.model_fields)


def around(path: Path) -> Experiment:
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
        "table": {"source": CCPP, "inputs": list(inputs)},
        "heads": {head: {} for head in heads},
        "space": space.data,
    }
    places = {("space", *way): replace(place, above=1) for way, place in space.places.items()}
    return experiment_of(Document(data, {(): space.places[()], **places}))


def _heads_named(space: Document) -> list[str]:
    """The heads that a space speaks of, in its order: what stands before the last dot of a name that is no tunable's."""
    groups = [entries for group in ("dimensions", "fixed") if isinstance(entries := space.data.get(group), dict)]
    parts = {name.partition(".")[0] for name in recipe.TUNABLES}
    before = [name.rpartition(".")[0] for entries in groups for name in entries if name not in recipe.TUNABLES]
    return [head for head in dict.fromkeys(before) if head not in parts and re.match(NAME, head)]


def dump(experiment: Experiment) -> str:
    """The resolved experiment as YAML: the space inlined, defaults spelled out. Loading it gives an equal experiment."""
    return write(experiment.model_dump(exclude_none=True))


def recorded(text: str, source: str) -> Experiment:
    """The experiment that `dump` wrote, maybe long ago and elsewhere: no file that it names is looked up.

    Args:
        text: The YAML.
        source: What messages call it.

    Raises:
        ConfigError: It is no experiment, or one of another version.
    """
    value, places = parse(text, source)
    return experiment_of(Document(value if isinstance(value, dict) else {}, places))


def _spell_out(document: Document, key: str, folder: Path) -> list[Mistake]:
    """Replace a shorthand (`table: ccpp`, a path as `space`) by what it stands for."""
    written = document.data.get(key)
    if key == "table" and written == CCPP:
        document.put(("table",), {"source": CCPP}, {(): document.place(("table",))})
    elif key == "table" and isinstance(written, str):
        expected = f"expected '{CCPP}', or a mapping such as {{source: {written}, inputs: [..]}}"
        return [_mistake("table", f"got '{written}', {expected}{did_you_mean(written, [CCPP])}")]
    elif key == "pruning" and written == NO_PRUNING:
        document.put(("pruning",), {"rungs": []}, {(): document.place(("pruning",))})
    elif key == "pruning" and isinstance(written, str):
        expected = f"expected '{NO_PRUNING}', or a mapping such as {{rungs: [10, 20, 40], keep: 0.5}}"
        return [_mistake("pruning", f"got '{written}', {expected}{did_you_mean(written, [NO_PRUNING])}")]
    elif key == "objective" and isinstance(written, (str, list)):
        _spell_out_objective(document, ("objective",), ("objective", "maximize"), written)
    elif key == "objective" and isinstance(written, dict) and isinstance(written.get("maximize"), str):
        _spell_out_objective(document, ("objective", "maximize"), ("objective", "maximize"), written["maximize"])
    elif key == "space" and isinstance(written, str):
        path = _located(written, folder)
        if path is None:
            return [_mistake("space", _no_such_file(written, folder))]
        space = read(path)
        document.put(("space",), space.data, {way: replace(place, above=1) for way, place in space.places.items()})
    return []


def _spell_out_objective(document: Document, written_at: Keys, at: Keys, written: str | list[Any]) -> None:
    """One figure, or a list of them, as `objective` or as its `maximize`."""
    figures = written if isinstance(written, list) else [written]
    places: dict[Keys, Place] = {(position,): document.place((*written_at, position)) for position in range(len(figures))}
    if written_at != at:
        document.put(written_at, {}, {(): document.place(written_at)})
    document.put(at, figures, {(): document.place(written_at), **places})


def _settle_table(document: Document, folder: Path) -> list[Mistake]:
    """The table's path made absolute, and the inputs that the built-in table has where none are named."""
    table = document.data.get("table")
    source = table.get("source") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(source, str):
        return []
    if source == CCPP:
        table.setdefault("inputs", list(CCPP_INPUTS))
        return []
    path = _located(source, folder)
    if path is None and not Path(source).suffix:
        expected = f"expected '{CCPP}', or a path to an xlsx, csv or parquet file"
        return [_mistake("table", f"got '{source}', {expected}{did_you_mean(source, [CCPP])}", "source")]
    table["source"] = str(path or Path(source).expanduser().absolute())  # a missing table is for `data` to answer
    return []


def _settle_baselines(document: Document, folder: Path) -> list[Mistake]:
    """The paths among the baselines made absolute."""
    baselines = document.data.get("baselines")
    if not isinstance(baselines, list):
        return []
    mistakes = []
    for position, baseline in enumerate(baselines):
        if isinstance(baseline, str) and baseline.endswith(YAML_SUFFIXES):
            path = _located(baseline, folder)
            if path is None:
                mistakes.append(_mistake("baselines", _no_such_file(baseline, folder), position))
            else:
                baselines[position] = str(path)
    return mistakes


def _mistake(key: str, message: str, *below: str | int) -> Mistake:
    return Mistake((key, *below), (key, *below), message)


def _located(written: str, folder: Path) -> Path | None:
    """The file that a path in a document means, or None where there is none."""
    candidates = (base / Path(written).expanduser() for base in (folder, Path.cwd()))
    return next((candidate.resolve() for candidate in candidates if candidate.is_file()), None)


def _no_such_file(written: str, folder: Path) -> str:
    near = next(filter(None, (nearest_file(base / written) for base in (folder, Path.cwd()))), None)
    hint = f"; did you mean '{Path(written).with_name(near.name)}'?" if near else ""
    return f"got '{written}', expected a YAML file, looked up from this file's folder and from the working directory{hint}"
