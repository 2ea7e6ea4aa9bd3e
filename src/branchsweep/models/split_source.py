"""How rows are divided into training rows and test rows, as lines of a generated script: the same rows as `data/splitters`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from branchsweep.config.sections.split import RowSplit, SplitKind, duration
from branchsweep.models.exported_model import Provenance
from branchsweep.models.source_layout import COLUMNS, laid_out, source


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
        if split.kind == "shuffle":
            return _shuffle(provenance, has_missing_inputs or provenance.partial_targets)
        return _SOURCES[split.kind](split, provenance)


def _drawn(provenance: Provenance) -> list[str]:
    """The arguments of scikit-learn that say how many test rows are drawn, and from which seed."""
    return [f"test_size={provenance.test_fraction}", f"random_state={provenance.test_seed}"]


def _cut_by_group(provenance: Provenance, indent: int = 0) -> str:
    """The lines that cut `table` by `groups`."""
    drawn = laid_out(_drawn(provenance), "split = GroupShuffleSplit(n_splits=1, ", ")", COLUMNS - indent)
    lines = f"""\
{drawn}
((train_rows, test_rows),) = split.split(table, groups=groups)
train, test = table.iloc[train_rows], table.iloc[test_rows]"""
    return lines.replace("\n", "\n" + " " * indent)


def _shuffle(provenance: Provenance, has_gaps: bool) -> SplitSource:
    if provenance.duplicates == "together":
        gaps = ", dropna=False" if has_gaps else ""
        lines = f"groups = table.groupby(list(table.columns), sort=False{gaps}).ngroup()\n{_cut_by_group(provenance)}"
        return SplitSource(lines, splitters=("GroupShuffleSplit",))
    lines = laid_out(["table", *_drawn(provenance)], "train, test = train_test_split(", ")")
    return SplitSource(lines, splitters=("train_test_split",))


def _group(split: RowSplit, provenance: Provenance) -> SplitSource:
    lines = f"groups, _ = pd.factorize(cells.loc[table.index])\n{_cut_by_group(provenance)}"
    return SplitSource(lines, str(split.group), ("GroupShuffleSplit",))


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
first_test = times.iloc[-math.ceil({provenance.test_fraction} * len(table))]{left_out}
train = {train}
test = table[times >= first_test]"""
    return SplitSource(lines, column, uses_math=True)


def _given(split: RowSplit, provenance: Provenance) -> SplitSource:
    lines = f"""\
parts = cells.loc[table.index].map(lambda cell: str(cell).strip())
is_test = parts.str.casefold() == "test"
if is_test.any():
    train, test = table[~is_test], table[is_test]
else:
    groups, _ = pd.factorize(parts)
    {_cut_by_group(provenance, indent=4)}"""
    return SplitSource(lines, str(split.column), ("GroupShuffleSplit",))


def _stratify(split: RowSplit, provenance: Provenance) -> SplitSource:
    column, bins = str(split.stratify), split.bins
    is_target = column in provenance.columns.values()
    values = f"table[{source(column)}]" if is_target else "cells.loc[table.index]"
    lines = [f"values = {values}", "classes, _ = pd.factorize(values, use_na_sentinel=False)"]
    if bins:
        quantiles = f'    quantiles = pd.qcut(pd.to_numeric(values), {bins}, labels=False, duplicates="drop")'
        lines += [f"if values.nunique() > {bins}:", quantiles, f"    classes = quantiles.fillna({bins})"]
    lines.append(laid_out(["table", *_drawn(provenance), "stratify=classes"], "train, test = train_test_split(", ")"))
    return SplitSource("\n".join(lines), "" if is_target else column, ("train_test_split",))


_SOURCES: Mapping[SplitKind, Callable[[RowSplit, Provenance], SplitSource]] = {
    "group": _group,
    "time": _time,
    "column": _given,
    "stratify": _stratify,
}
