"""The text of a first experiment on a table: a YAML file with comments, which runs as it is.

What its columns are comes from the table (`data/table_outline.py`), where a search begins from the number of its rows
(`starting_point.py`).
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.config_model import MAX_NAME, NAME
from branchsweep.config.experiment_checks import INPUT_LAYER, OUTSIDE_COLUMN
from branchsweep.config.hyperparameters import HYPERPARAMETERS
from branchsweep.config.kinds import BINARY, COUNT, MULTICLASS
from branchsweep.config.metric_names import MEAN
from branchsweep.config.sections.heads import name_from_column
from branchsweep.config.sections.validation import TEST_FRACTION
from branchsweep.data.columns import count_noun
from branchsweep.data.table_outline import ColumnOutline, TableOutline
from branchsweep.errors import DataError, did_you_mean
from branchsweep.workflows.starting_point import (
    MOST_FOLDS,
    Budget,
    budget_for,
    default_trial,
    starting_dimensions,
    starting_values,
)

SCHEMA_FILE = "experiment.schema.json"
"""The file beside the experiment with which editors complete and check it."""

_FEW_OTHERS = 50  # rows with another value of a head than its most frequent one, of which each fold needs some
_MOST_LISTED = 30  # inputs that are listed by name
_MOST_NAMED = 100  # columns that a message names
_MOST_GAPS_ONE_BY_ONE = 3  # columns of numbers with gaps that are named
_WIDTH = 120  # of a line

_OTHER_TASKS: Mapping[tuple[str, ...], str] = {
    (BINARY,): "two numbers: write {task: binary} if they are classes",
    (COUNT,): "whole numbers from 0: write {task: count} if they count something",
    (
        COUNT,
        MULTICLASS,
    ): "whole numbers from 0: write {task: count} if they count something, {task: multiclass} if they are classes",
}
"""What to write of a head whose numbers may be something else, by the tasks that it may have instead of a regression."""

_PLAIN = re.compile(r"[A-Za-z_][\w.+-]*( [\w.+-]+)*", re.ASCII)
_WORDS_OF_YAML = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_RESERVED = {name.split(".")[0] for name in HYPERPARAMETERS} | {MEAN, INPUT_LAYER, OUTSIDE_COLUMN}


@dataclass(frozen=True, slots=True)
class NewFile:
    """What the experiment is called, and how it names its table.

    Args:
        name: The name of the experiment.
        path: Its file, as commands are given it.
        source: The path of the table as it stands in the experiment.
        options: Further keys of `table`, such as `sheet`, by their names.
    """

    name: str
    path: str
    source: str
    options: Mapping[str, object]


def experiment_text(file: NewFile, outline: TableOutline, heads: Sequence[str], warnings: Sequence[str]) -> str:
    """The experiment as a YAML file.

    Args:
        file: How it and its table are named.
        outline: The columns of the table.
        heads: The columns that are predicted.
        warnings: What a user should know about the rows, as sentences.
    """
    names, rarest = head_names(heads), _rarest(outline, heads)
    folds = _possible_folds(rarest) if rarest else MOST_FOLDS
    budget = budget_for(outline.rows, most_folds=folds if 2 <= folds < MOST_FOLDS else MOST_FOLDS)
    parts = [
        _beginning(file, names),
        f"name: {file.name}\nseed: 1",
        _table(outline, heads, file),
        _heads(outline, names),
        _rows(budget, outline, warnings, _rare_classes(rarest, names, outline.rows) if rarest else []),
        _space(list(names.values()), budget),
        _search(list(names.values()), budget),
        _fit(budget),
        _evaluation(file.name, budget),
    ]
    return "\n\n".join(parts) + "\n"


def check_heads(names: list[str], outline: TableOutline, where: str) -> list[str]:
    """The names of columns, each of which can be predicted from others.

    Args:
        names: Of columns that are to be predicted.
        outline: The columns of the table.
        where: What the user gave them as, for messages.

    Raises:
        DataError: There is none, one is no column or cannot be predicted, or no column is left to predict them from.
    """
    possible, columns = outline.possible_targets, [column.name for column in outline.columns]
    if not names:
        raise DataError(f"got no name, expected columns among {listed_columns(possible)}", where)
    for name in names:
        if name not in columns:
            hint = did_you_mean(name, columns)
            raise DataError(f"got '{name}', expected a column of {outline.location}: {listed_columns(possible)}{hint}", where)
        if outline[name].target_problem:
            message = f"column '{name}' cannot be predicted: it {outline[name].target_problem}"
            raise DataError(f"{message}; possible are {listed_columns(possible)}", where)
    if not [column for column in outline.columns if not column.problem and column.name not in names]:
        raise DataError("no column is left to predict them from", where)
    return names


def listed_columns(names: Sequence[str]) -> str:
    """Columns as a list with commas, where a name with a comma is in double quotes."""
    quoted = [f'"{name}"' if "," in name else name for name in names]
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(quoted[:_MOST_NAMED]) + more


def head_names(columns: Sequence[str]) -> dict[str, str]:
    """By column the name of its head: the column's where that can be one."""
    names: dict[str, str] = {}
    for column in columns:
        name = column if re.match(NAME, column) else name_from_column(column)
        if name in _RESERVED:
            name = f"head_{name}"
        numbered = re.fullmatch(r"(.+)_(\d+)", name)  # the name of a layer, where its first part is that of a head, too
        if numbered and (numbered[1] == "trunk" or numbered[1] in columns or numbered[1] in names.values()):
            name = f"{numbered[1]}-{numbered[2]}"
        while name in names.values():
            name = f"{name[: MAX_NAME - 2]}-2"
        names[column] = name
    return names


def experiment_name(stem: str) -> str:
    """The name of an experiment on a file of this name."""
    name = re.sub(r"[^\w-]+", "_", stem, flags=re.ASCII).strip("_")[: MAX_NAME - 20] or "experiment"
    return name if re.match(NAME, name) else f"table_{name}"


def scalar(text: str) -> str:
    """A text as YAML has it, in quotes where it would be read as something else."""
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _comment(text: str, indent: str = "") -> str:
    """Text as lines of comments."""
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _beginning(file: NewFile, names: Mapping[str, str]) -> str:
    return "\n".join(
        [
            f"# yaml-language-server: $schema={SCHEMA_FILE}",
            _comment(
                f"A sweep of networks that predict {_listed(list(names.values()))} from the other columns of {file.source},"
                " written by branchsweep init. It runs as it is, and everything in it may be changed:"
            ),
            "#",
            f"#     branchsweep run {file.path} --dry-run    # what is trained, and how long that takes",
            f"#     branchsweep run {file.path}",
        ]
    )


def _table(outline: TableOutline, heads: Sequence[str], file: NewFile) -> str:
    others = [column for column in outline.columns if column.name not in heads]
    inputs, left_out = [each for each in others if not each.problem], [each for each in others if each.problem]
    lines = [f"# {count_noun(outline.rows, 'row')}.", "table:", f"  source: {scalar(file.source)}"]
    lines += [f"  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in file.options.items()]
    if outline.missing:
        lines.append(f"  missing: {_flow(outline.missing)}    # texts among numbers, which stand for no value")
    for kind in ("numeric", "categorical", "date"):
        described = [_described(column) for column in inputs if column.kind == kind]
        if described:
            lines.append(_comment(f"{kind}: {_listed(described, _MOST_LISTED)}", "  "))
    lines += [_comment(f"left out: {scalar(column.name)}, which {column.problem}", "  ") for column in left_out[:_MOST_LISTED]]
    said, of_others = _settings(inputs)
    if len(inputs) <= _MOST_LISTED and not said and not of_others:
        return "\n".join([*lines, _wrapped_list("  inputs", [column.name for column in inputs])])
    lines += ["  inputs:", *(f"    {scalar(name)}: {settings}" for name, settings in said.items())]
    lines.append(f'    "*": {of_others or "{}"}    # all other columns that are no heads, as inferred')
    return "\n".join([*lines, *([_wrapped_list("  exclude", [column.name for column in left_out])] if left_out else [])])


def _described(column: ColumnOutline) -> str:
    """A column as a comment has it, with what a reader may want to correct."""
    gaps = [count_noun(column.gaps, "gap")] if column.gaps else []
    categories = [f"{len(column.categories)} categories"] if column.categories else []
    facts = ", ".join([*categories, *gaps])
    return f"{scalar(column.name)} ({facts})" if facts else scalar(column.name)


def _settings(inputs: Sequence[ColumnOutline]) -> tuple[dict[str, str], str]:
    """What has to be said of inputs, by name, and of all others together, as YAML; empty where all is inferred."""
    said = {column.name: f"{{kind: date, parts: {_flow(column.parts)}}}" for column in inputs if column.kind == "date"}
    with_gaps = [column.name for column in inputs if column.kind == "numeric" and column.gaps]
    fill = "{missing: indicator}"
    return (said, fill) if len(with_gaps) > _MOST_GAPS_ONE_BY_ONE else (said | dict.fromkeys(with_gaps, fill), "")


def _heads(outline: TableOutline, names: Mapping[str, str]) -> str:
    lines = [
        _comment("What is predicted. A head may have a unit (for people), a loss (mse, mae, huber) and a weight."),
        "heads:",
    ]
    for column, name in names.items():
        gaps, classes = outline[column].gaps, outline[column].categories
        notes = [f"the probabilities of {_listed(classes)}"] if classes else []
        notes += [_OTHER_TASKS[tasks]] if (tasks := outline[column].other_tasks) else []
        notes += [f"{count_noun(gaps, 'gap')}: such a row trains and scores the other heads only"] if gaps else []
        note = f"    # {'; '.join(notes)}" if notes else ""
        lines.append(f"  {name}: {'{}' if column == name else f'{{column: {scalar(column)}}}'}{note}")
    return "\n".join(lines)


def _rows(budget: Budget, outline: TableOutline, warnings: Sequence[str], split: Sequence[str]) -> str:
    lines = [*map(_comment, warnings), *split]
    test = math.ceil(outline.rows * TEST_FRACTION)
    lines.append(f"test: {{fraction: {TEST_FRACTION}, seed: 1}}    # {count_noun(test, 'row')}, which the search never sees")
    if budget.folds == 1:
        lines += ["validation: {method: hold_out, fraction: 0.2}    # enough rows for one part to tell networks apart"]
    else:
        lines += [f"validation: {{method: k_fold, folds: {budget.folds}}}    # few rows: each is once validated"]
    return "\n".join(lines)


def _rarest(outline: TableOutline, heads: Sequence[str]) -> ColumnOutline | None:
    """The head that has hardly any rows but those of one value, the fewest if there are several; None if there is none."""
    rare = [outline[head] for head in heads if (sizes := outline[head].classes) and sum(sizes[1:]) < _FEW_OTHERS]
    return min(rare, key=lambda column: sum(column.classes[1:]), default=None)


def _possible_folds(column: ColumnOutline) -> int:
    """The most folds of the training rows that each have a row of the column's rarest value, where the test rows have some."""
    rarest = column.classes[-1]
    return rarest - math.ceil(rarest * TEST_FRACTION)


def _rare_classes(column: ColumnOutline, names: Mapping[str, str], rows: int) -> list[str]:
    """The split for a head of rare values: cut at random, some part has none of them."""
    others, head = sum(column.classes[1:]), names[column.name]
    few = f"{count_noun(others, 'row')} of {rows:,} {'has' if others == 1 else 'have'} another value"
    if _possible_folds(column) < 2:
        return [_comment(f"Only {few} of {head} than its most frequent one: it can hardly be learned or scored; leave it out.")]
    return [
        _comment(f"Only {few} of {head} than its most frequent one: every part of the rows gets its share of them."),
        f"split: {{stratify: {head}}}",
    ]


def _space(heads: Sequence[str], budget: Budget) -> str:
    what = "shared layers (trunk), and layers of each head's own (branch)" if len(heads) > 1 else "hidden layers (trunk)"
    lines = [f"# What is varied: {what}.", "space:", "  dimensions:"]
    lines += [f"    {name}: {_flow_mapping(dimension)}" for name, dimension in starting_dimensions(heads, budget).items()]
    fixed = [f"    {name}: {_value(value)}" for name, value in starting_values(heads, budget).items()]
    return "\n".join([*lines, "  fixed:", *fixed])


def _search(heads: Sequence[str], budget: Budget) -> str:
    return "\n".join(
        [
            "search:",
            "  driver: optuna",
            "  algorithm: tpe",
            f"  trials: {budget.trials}",
            f"  batch: {min(budget.trials // 2, 32)}",
            "  # The first trial, with a result at once: a network that is good on many tables. The search goes on from it.",
            "  first_batch: 1",
            "  initial_trials:",
            *_wrapped_mapping("default", default_trial(heads, budget)),
        ]
    )


def _fit(budget: Budget) -> str:
    steps = budget.steps_per_epoch
    reason = (
        f"Networks learn by steps: {count_noun(budget.training, 'training row')} in batches of {budget.batch_size} are"
        f" {count_noun(steps, 'step')} an epoch, {steps * budget.epochs:,} in {budget.epochs} epochs."
        " If learning curves still rise at the end, give more epochs."
    )
    return "\n".join([_comment(reason), f"fit: {{epochs: {budget.epochs}, keep: last}}"])


def _evaluation(name: str, budget: Budget) -> str:
    trials, folds = budget.confirmed
    return "\n".join(
        [
            _comment(
                "The best trials train again from new seeds on new folds, since the best of many scores is too good; the"
                " finalist is the mean of several networks, and is compared with the baselines."
            ),
            f"confirmation: {{trials: {trials}, folds: {folds}, seeds: 1}}",
            "baselines: [linear_regression, random_forest]",
            "",
            "# Registered in MLflow, and champion if the test rows say that it is good enough: branchsweep history " + name,
            f"promotion: {{model: {name}, ensemble: {{size: 8, choose: seeds}}}}",
        ]
    )


def _flow(values: Iterable[str]) -> str:
    """A list in one line."""
    return f"[{', '.join(map(scalar, values))}]"


def _flow_mapping(values: Mapping[str, object]) -> str:
    """A mapping in one line."""
    return f"{{{', '.join(f'{key}: {_value(value)}' for key, value in values.items())}}}"


def _wrapped_mapping(key: str, values: Mapping[str, object]) -> list[str]:
    """A key of initial trials with a mapping, in lines that end after an entry."""
    unbroken = f"{key}: {_flow_mapping(values)}".replace(": ", ":_")  # no name has both
    lines = textwrap.wrap(unbroken, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 6, break_on_hyphens=False)
    return [line.replace(":_", ": ") for line in lines]


def _value(value: object) -> str:
    """A value of a hyperparameter or a dimension as YAML has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float) and not 0.01 < value < 1e4:
        mantissa, _, exponent = f"{value:e}".partition("e")  # YAML takes 5e-4 for a text, and 5.0e-4 for a number
        return f"{float(mantissa)}e{int(exponent)}"
    return scalar(value) if isinstance(value, str) else json.dumps(value)


def _wrapped_list(key: str, names: Sequence[str]) -> str:
    """A key with a list: in one line if there is room for it, else one name in each."""
    line = f"{key}: {_flow(names)}"
    indent = " " * (len(key) - len(key.lstrip()) + 2)
    return line if len(line) <= _WIDTH else "\n".join([f"{key}:", *(f"{indent}- {scalar(name)}" for name in names)])


def _listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a sentence, and how many more there are."""
    shown = list(names) if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1:,} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
