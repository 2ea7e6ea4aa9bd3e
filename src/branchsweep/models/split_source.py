"""How rows are divided into training rows and test rows, as lines of a generated script: the same rows as `data/splitters`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from branchsweep.config.sections.split import RowSplit, SplitKind, duration
from branchsweep.models.exported_model import Provenance
from branchsweep.models.source_layout import COLUMNS, laid_out, source

BY_GROUP = ("GroupShuffleSplit", "GroupKFold")
"""What of scikit-learn cuts off a share of the groups, and what cuts folds of them."""


@dataclass(frozen=True, slots=True)
class SplitSource:
    """The lines that divide `table` into `train` and `test`.

    Args:
        lines: The lines; `cells` are those of the column by which rows are divided, by the rows of the table as it was read.
        column: That column, where it is read beside inputs and targets; empty where there is none.
        splitters: What they import from `sklearn.model_selection`.
        uses_math: Whether they use the module `math`.
    """

    lines: str
    column: str = ""
    splitters: tuple[str, ...] = ()
    uses_math: bool = False

    @classmethod
    def of(cls, provenance: Provenance, has_missing_inputs: bool = False) -> SplitSource:
        """The lines that cut off the test rows of a model's sweep; `table` has missing values among its inputs, or not."""
        split = provenance.row_split
        if provenance.has_test_table:  # which has the test rows, whatever divides the training rows
            return cls("")
        if split.kind == "shuffle":
            return _shuffle(provenance, has_missing_inputs or provenance.partial_targets)
        return _SOURCES[split.kind](split, provenance)


def _drawn(provenance: Provenance) -> list[str]:
    """The arguments of scikit-learn that say how many test rows are drawn, and from which seed."""
    return [f"test_size={provenance.test_fraction}", f"random_state={provenance.test_seed}"]


def _cut(provenance: Provenance, classes: tuple[str, str], labels: str, indent: int = 0) -> tuple[str, str]:
    """The lines that cut `table` by scikit-learn.

    Args:
        provenance: Says which rows are test rows: a share, or an outer fold.
        classes: What of scikit-learn cuts off a share, and what cuts folds.
        labels: A further argument of its `split`, with a comma before it.
        indent: Of the lines.

    Returns:
        The lines, and the class that they use.
    """
    if provenance.outer_fold is None:
        name = classes[0]
        made = laid_out(_drawn(provenance), f"split = {name}(n_splits=1, ", ")", COLUMNS - indent)
        found = f"((train_rows, test_rows),) = split.split(table{labels})"
    else:
        name, (fold, folds) = classes[1], provenance.outer_fold
        made = f"split = {name}({folds}, shuffle=True, random_state={provenance.test_seed})"
        found = f"train_rows, test_rows = list(split.split(table{labels}))[{fold - 1}]"
    lines = f"{made}\n{found}\ntrain, test = table.iloc[train_rows], table.iloc[test_rows]"
    return lines.replace("\n", "\n" + " " * indent), name


def _shuffle(provenance: Provenance, has_gaps: bool) -> SplitSource:
    if provenance.duplicates == "together":
        gaps = ", dropna=False" if has_gaps else ""
        cut, name = _cut(provenance, BY_GROUP, ", groups=groups")
        lines = f"groups = table.groupby(list(table.columns), sort=False{gaps}).ngroup()\n{cut}"
        return SplitSource(lines, splitters=(name,))
    if provenance.outer_fold is not None:
        cut, name = _cut(provenance, ("ShuffleSplit", "KFold"), "")
        return SplitSource(cut, splitters=(name,))
    lines = laid_out(["table", *_drawn(provenance)], "train, test = train_test_split(", ")")
    return SplitSource(lines, splitters=("train_test_split",))


def _group(split: RowSplit, provenance: Provenance) -> SplitSource:
    cut, name = _cut(provenance, BY_GROUP, ", groups=groups")
    return SplitSource(f"groups, _ = pd.factorize(cells.loc[table.index])\n{cut}", str(split.group), (name,))


def _time(split: RowSplit, provenance: Provenance) -> SplitSource:
    column, gap = str(split.time), split.gap
    if isinstance(gap, str):
        left_out = f"\n# {gap} before the test rows are left out"
        train = f"table[times <= first_test - pd.Timedelta(seconds={duration(gap) // 10**6})]"
    elif gap:
        left_out = f"\n# {gap} rows before the test rows are left out"
        train = f"table[times < first_test].iloc[:-{gap}]"
    else:
        left_out, train = "", "table[times < first_test]"
    begin, test = _times_of_test_rows(provenance)
    lines = f"""\
times = cells.loc[table.index]
numbers = pd.to_numeric(times, errors="coerce")
if pd.api.types.is_datetime64_any_dtype(times) or numbers.isna().any():
    times = pd.to_datetime(times, errors="coerce", utc=True, format="ISO8601")
else:
    times = numbers
if times.isna().any():
    end_with(f"{{path}}: values of the column by which rows are divided are no times")
order = np.argsort(times.to_numpy(), kind="stable")
table, times = table.iloc[order], times.iloc[order]
{begin}{left_out}
train = {train}
test = {test}"""
    return SplitSource(lines, column, uses_math=provenance.outer_fold is None)


def _times_of_test_rows(provenance: Provenance) -> tuple[str, str]:
    """The lines that find the time of the first test row, and the test rows as an expression."""
    if provenance.outer_fold is None:
        begin = f"first_test = times.iloc[-math.ceil({provenance.test_fraction} * len(table))]"
        return begin, "table[times >= first_test]"
    fold, folds = provenance.outer_fold
    left = folds - fold + 1
    begin = f"size = len(table) // {folds + 1}\nfirst_test = times.iloc[len(table) - {left} * size]"
    if left == 1:
        return begin, "table[times >= first_test]"
    end = f"times.iloc[len(table) - {left - 1} * size]"
    return begin, f"table[(times >= first_test) & (times < {end})]"


def _given(split: RowSplit, provenance: Provenance) -> SplitSource:
    cut, name = _cut(provenance, BY_GROUP, ", groups=groups", indent=4)
    lines = f"""\
parts = cells.loc[table.index].map(lambda cell: str(cell).strip())
is_test = parts.str.casefold() == "test"
if is_test.any():
    train, test = table[~is_test], table[is_test]
else:
    groups, _ = pd.factorize(parts)
    {cut}"""
    return SplitSource(lines, str(split.column), (name,))


def _stratify(split: RowSplit, provenance: Provenance) -> SplitSource:
    column, bins = str(split.stratify), split.bins
    is_target = column in provenance.columns.values()
    values = f"table[{source(column)}]" if is_target else "cells.loc[table.index]"
    lines = [f"values = {values}", "classes, _ = pd.factorize(values, use_na_sentinel=False)"]
    if bins:
        quantiles = f'    quantiles = pd.qcut(pd.to_numeric(values), {bins}, labels=False, duplicates="drop")'
        lines += [f"if values.nunique() > {bins}:", quantiles, f"    classes = quantiles.fillna({bins})"]
    if provenance.outer_fold is None:
        cut = laid_out(["table", *_drawn(provenance), "stratify=classes"], "train, test = train_test_split(", ")")
        name = "train_test_split"
    else:
        cut, name = _cut(provenance, ("StratifiedShuffleSplit", "StratifiedKFold"), ", classes")
    return SplitSource("\n".join([*lines, cut]), "" if is_target else column, (name,))


_SOURCES: Mapping[SplitKind, Callable[[RowSplit, Provenance], SplitSource]] = {
    "group": _group,
    "time": _time,
    "column": _given,
    "stratify": _stratify,
}
