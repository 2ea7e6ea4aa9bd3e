"""The table: read, checked against the experiment, split into the rows of the search and the rows of the test.

    path or ccpp --> read_table --> load: columns, numbers, duplicates, constants --> Dataset --> split --> Split
                                                                                              --> halves --> Halves

A row is called by its number in a spreadsheet, in messages and in the index of every frame here: the header is row 1, so the
first row of values is row 2. The only module that knows pandas (the deployed model apart).
"""

from __future__ import annotations

import csv
import math
import uuid
import warnings as python_warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import model_selection

from branchsweep import ccpp, digest, standin
from branchsweep.comparison import REPETITIONS
from branchsweep.errors import DataError, did_you_mean
from branchsweep.experiment import CCPP, Experiment, HoldOut, KFold, Table

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Array = TypeVar("Array", Floats, Positions)

EXAMPLES = 5
"""How many places a message names where there may be many."""

SMALLEST_PART = 2
"""R² is not defined on fewer rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The rows an experiment is about. Two of them are compared by `digest`.

    Args:
        source: `file`, `cache`, `download` or `stand-in`.
        location: Where the rows came from, for people.
        inputs: The input columns, in order.
        heads: The heads' names, in order (their columns may be called otherwise).
        x: `(n, inputs)` the inputs, raw, read-only.
        y: `(n, heads)` the targets in natural units, read-only.
        digest: `digest.of_table` of the input and target columns.
        warnings: What a person should know about these rows, as sentences.
        path: The file that the rows were read from; None where there is none.
    """

    source: ccpp.Source
    location: str
    inputs: tuple[str, ...]
    heads: tuple[str, ...]
    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    digest: str
    warnings: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.x)

    @property
    def is_stand_in(self) -> bool:
        """Whether the rows are drawn by the embedded generator instead of measured."""
        return self.source == "stand-in"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which rows are for what. All arrays hold positions in the Dataset's rows, from 0.

    Args:
        train: `(training rows,)`, in the order scikit-learn gave them.
        test: `(test rows,)` never seen by the search.
        folds: For each fold the rows to learn from and the rows to validate on, both among `train`.
        confirmation: Likewise, cut anew for the finalists, from the same training rows.
        digest: Digest of the contents of each of these parts but the confirmation: equal where the same rows serve the same
            purpose, whatever their order in the file.
        test_digest: Digest of the test rows alone.
        warnings: What a person should know about the split, as sentences.
    """

    train: Positions = field(repr=False)
    test: Positions = field(repr=False)
    folds: tuple[tuple[Positions, Positions], ...] = field(repr=False)
    digest: str
    test_digest: str = ""
    warnings: tuple[str, ...] = ()
    confirmation: tuple[tuple[Positions, Positions], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """All rows divided into two halves, five times over. All arrays hold positions in the Dataset's rows, from 0.

    Args:
        pairs: For each repetition half A and half B, which have no row in common and together all rows. Of an odd number of
            rows half A is the smaller.
        origin: Whose division it is, as half a sentence: `the file's own five sheets`, `five shuffles seeded by 1`.
        digest: Digest of the contents of all halves in their order: equal where the same rows stand in the same halves.
    """

    pairs: tuple[tuple[Positions, Positions], ...] = field(repr=False)
    origin: str
    digest: str


# --- reading and writing files ---


def read_table(path: Path, sheet: str | int | None = None) -> pd.DataFrame:
    """The table in a file, its columns named by the first row. Rows without any value are left out.

    Args:
        path: An `.xlsx`, `.csv` (UTF-8, separated by commas) or `.parquet` file.
        sheet: The sheet of an xlsx file, by name or by position from 0; the first one if None.

    Returns:
        One row per row of values, its index the row's number in a spreadsheet; column names are text.

    Raises:
        DataError: There is no such file or sheet, the file is of another kind or cannot be read, two columns have one name,
            or there are no rows.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise DataError(f"got a file that ends in '{path.suffix}', expected one of {', '.join(_READERS)}", str(path))
    if not path.is_file():
        kind = "that is a folder, not a file" if path.is_dir() else "there is no such file"
        beside = [other.name for other in path.parent.glob("*.*") if other.suffix.lower() in _READERS]
        raise DataError(f"{kind}{did_you_mean(path.name, beside) or ', correct the path'}", str(path))
    if sheet is not None and suffix != ".xlsx":
        raise DataError(f"got sheet {sheet!r}, but only an xlsx file has sheets; leave table.sheet out", str(path))
    with _parsing(path):
        frame = _READERS[suffix](path, sheet)
    frame = frame.dropna(how="all")
    if frame.empty:
        raise DataError(
            "the table is empty; row 1 is expected to hold the names of the columns, and rows of values to follow",
            _place(path, sheet),
        )
    return frame


@contextmanager
def _parsing(path: Path) -> Generator[None]:
    """Makes one message of whatever a foreign parser says of a file."""
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")  # openpyxl's, about styles and validations that it does not keep
            python_warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas' way to say that it leaves values out
            yield
    except DataError:
        raise
    except PermissionError as error:
        raise DataError("you may not read this file; ask its owner, or copy one that you may read", str(path)) from error
    except Exception as error:  # three foreign parsers, and a broken file may break any part of them
        reason = " ".join(str(error).split()) or type(error).__name__
        kind = path.suffix.lower()
        raise DataError(f"cannot be read as {kind[1:]} ({reason}); open it, and save it again as {kind}", str(path)) from error


def _place(path: Path, sheet: str | int | None) -> str:
    return str(path) if sheet is None else f"{path}, sheet {sheet}"


def _read_xlsx(path: Path, sheet: str | int | None) -> pd.DataFrame:
    with pd.ExcelFile(path, engine="openpyxl") as book:
        sheets = [str(name) for name in book.sheet_names]
        wanted = sheets[0] if sheet is None else sheet
        if wanted not in (range(len(sheets)) if isinstance(wanted, int) else sheets):
            hint = did_you_mean(wanted, sheets) if isinstance(wanted, str) else f" (0 to {len(sheets) - 1})"
            raise DataError(f"got sheet {wanted!r}, but the sheets are {', '.join(sheets)}{hint}", str(path))
        return _sheet(book, wanted, _place(path, sheet))


def _sheet(book: pd.ExcelFile, sheet: str | int, where: str) -> pd.DataFrame:
    cells = book.parse(sheet, header=None)
    if cells.empty:
        return pd.DataFrame()
    frame = cells.iloc[1:].infer_objects()  # with the header among them, all columns of numbers were columns of objects
    frame.columns = pd.Index(_header(cells.iloc[0], where))
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    return frame


def _first_sheets(path: Path, number: int) -> list[pd.DataFrame]:
    """The first sheets of a workbook, which is opened once; none where it has fewer.

    Raises:
        DataError: The workbook or one of these sheets cannot be read.
    """
    with _parsing(path), pd.ExcelFile(path, engine="openpyxl") as book:
        names = [str(name) for name in book.sheet_names[:number]]
        if len(names) < number:
            return []
        return [_sheet(book, name, _place(path, name)).dropna(how="all") for name in names]


def _read_csv(path: Path, sheet: str | int | None) -> pd.DataFrame:
    encoding = "utf-8-sig"  # UTF-8 with or without the mark that spreadsheet programs put in front
    with path.open(encoding=encoding, newline="") as lines:
        header = _header(next(csv.reader(lines), []), _place(path, sheet))
    if not header:
        return pd.DataFrame()
    if len(header) == 1 and any(separator in header[0] for separator in ";\t|"):
        raise DataError(f"the columns must be separated by commas, but the first line is '{header[0]}'; save it so", str(path))
    # Blank lines are read, as rows without values, so that rows can be numbered; `round_trip` makes a number the one that
    # was written, to the last bit; without `index_col` a column too many would become the index.
    frame = pd.read_csv(
        path,
        encoding=encoding,
        header=0,
        names=header,
        index_col=False,
        skip_blank_lines=False,
        float_precision="round_trip",
        low_memory=False,
    )
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    return frame


def _read_parquet(path: Path, sheet: str | int | None) -> pd.DataFrame:
    frame = pd.read_parquet(path, engine="pyarrow")
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame.columns = pd.Index(_header(frame.columns, _place(path, sheet)))
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    return frame


def _header(cells: Iterable[object], where: str) -> list[str]:
    """The columns' names as text. A column without a name is called by its place, as pandas does."""
    names = [_name(cell) for cell in cells]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(f"more than one column is called '{twice[0]}'; give each column a name of its own", where)
    if names and not any(names):
        raise DataError("row 1 is expected to hold the names of the columns, but holds none; put them there", where)
    return [name or f"Unnamed: {place}" for place, name in enumerate(names)]


def _name(cell: object) -> str:
    if _is_missing(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _is_missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and bool(np.isnan(cell)))


_READERS: Mapping[str, Callable[[Path, str | int | None], pd.DataFrame]] = {
    ".xlsx": _read_xlsx,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}

_WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
    ".xlsx": lambda frame, path: frame.to_excel(path, index=False, engine="openpyxl"),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False, engine="pyarrow"),
}


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table (without its index) as the file's ending says: whole, or not at all.

    Args:
        frame: The table.
        path: An `.xlsx`, `.csv` or `.parquet` file; one that is there already is replaced.

    Raises:
        DataError: The ending is another, there is no such folder, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise DataError(f"got a file that ends in '{path.suffix}', expected one of {', '.join(_WRITERS)}", str(path))
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent}; make it, or write elsewhere", str(path))
    part = path.with_name(f".{uuid.uuid4().hex}{suffix}")  # beside the target, so that the last step is a rename
    try:
        _WRITERS[suffix](frame, part)
        part.replace(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be written ({error})", str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def read_inputs(path: Path, sheet: str | int | None, inputs: Sequence[str]) -> pd.DataFrame:
    """A table to predict from: the input columns as numbers, all other columns as they are.

    Args:
        path: As of `read_table`.
        sheet: As of `read_table`.
        inputs: The columns that the model reads.

    Raises:
        DataError: As of `read_table`; or an input column is not there, or one of its values is missing or not a number.
    """
    frame = read_table(path, sheet)
    where = _place(path, sheet)
    _require(frame, dict.fromkeys(inputs, "an input of the model"), where)
    values = _numbers(frame[list(inputs)])
    if not np.isfinite(values).all():
        raise DataError(f"{_invalid(frame[list(inputs)], values)}; correct them", where)
    return frame.assign(**{name: values[:, place] for place, name in enumerate(inputs)})


# --- the rows of an experiment ---


@dataclass(frozen=True, slots=True)
class _Origin:
    """A table as it was read, with where it came from."""

    frame: pd.DataFrame
    source: ccpp.Source
    location: str
    path: Path | None
    warnings: tuple[str, ...] = ()


def _say_nothing(sentence: str) -> None:
    pass


def _show_nothing(received: int, total: int) -> None:
    pass


def load(
    experiment: Experiment,
    data: Path | None = None,
    require_real: bool = False,
    report: Callable[[str], None] = _say_nothing,
    progress: ccpp.Progress = _show_nothing,
    url: str | None = None,
    deadline: float = ccpp.DEADLINE,
) -> Dataset:
    """The rows that an experiment is about, checked.

    Args:
        experiment: Says which table, columns and policies.
        data: A file to read instead of the table that the experiment names.
        require_real: Refuse the stand-in.
        report: Told, in sentences, what takes time or goes wrong on the way to the built-in table.
        progress: Told the bytes received and the bytes in all (0: unknown) of a download.
        url: Where to download the built-in table from, instead of the repository.
        deadline: Seconds of silence after which a download is given up.

    Raises:
        DataError: The table cannot be had, or does not fit: columns are missing, values are missing or not numbers (unless
            they are to be dropped), a target is constant, or there are too few rows for the test and validation rows.
    """
    if experiment.table.source == CCPP:
        origin = _built_in(experiment.table, data, require_real, report, progress, url, deadline)
    else:
        origin = _of_file(experiment.table, data)
    inputs, targets = list(experiment.table.inputs), list(experiment.columns.values())
    columns = inputs + targets
    values, notes = _values(experiment, origin.frame, origin.location)
    _check_sizes(experiment, len(values), origin.location)
    idle = _constants(columns, values, targets, origin.location)
    return Dataset(
        source=origin.source,
        location=origin.location,
        inputs=tuple(inputs),
        heads=tuple(experiment.heads),
        x=_read_only(values[:, : len(inputs)].copy()),
        y=_read_only(values[:, len(inputs) :].copy()),
        digest=digest.of_table(columns, values),
        warnings=(*origin.warnings, *notes, *idle),
        path=origin.path,
    )


def _values(experiment: Experiment, frame: pd.DataFrame, where: str) -> tuple[Floats, list[str]]:
    """The values `(n, inputs + targets)` of the rows that the table's policies leave, and what was noticed."""
    inputs, targets = list(experiment.table.inputs), list(experiment.columns.values())
    keys = dict.fromkeys(inputs, "table.inputs") | {name: f"heads.{head}.column" for head, name in experiment.columns.items()}
    _require(frame, keys, where)
    columns = inputs + targets
    whole, numbers, left_out = _without_invalid(frame[columns], experiment.table, where)
    values, repeated = _without_duplicates(whole, numbers, columns, experiment.table)
    return values, [*left_out, *repeated]


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _of_file(table: Table, data: Path | None) -> _Origin:
    path = data or Path(table.source)
    sheet = table.sheet if data is None else _sheet_in(path, table)
    return _Origin(read_table(path, sheet), "file", _place(path, sheet), path)


def _sheet_in(path: Path, table: Table) -> str | int | None:
    """The experiment's sheet, where a file that stands in for the experiment's own has sheets."""
    return table.sheet if path.suffix.lower() == ".xlsx" else None


def _built_in(
    table: Table,
    data: Path | None,
    require_real: bool,
    report: Callable[[str], None],
    progress: ccpp.Progress,
    url: str | None,
    deadline: float,
) -> _Origin:
    """The power-plant table from the first place that has it."""
    frames: dict[Path, pd.DataFrame] = {}  # what was read to be recognised need not be read again: it takes most of a second

    def read(path: Path) -> Mapping[str, Floats]:
        frames[path] = _ccpp_names(read_table(path))
        return _columns(frames[path])

    found = ccpp.resolve(data, read, report=report, progress=progress, url=url, deadline=deadline)
    if found.path is None:
        return _stand_in(found.location, require_real)
    sheet = _sheet_in(found.path, table)
    if sheet is not None or found.path not in frames:
        frames[found.path] = _ccpp_names(read_table(found.path, sheet))
    frame = frames[found.path]
    different = ccpp.fault(_columns(frame))
    if different:
        warning = f"{found.location} is not the power-plant table as it was published: {different}. Its rows are taken."
        return _Origin(frame, found.source, found.location, found.path, (warning,))
    return _Origin(_published(frame), found.source, found.location, found.path)


def _published(frame: pd.DataFrame) -> pd.DataFrame:
    """The power-plant table's columns with the decimals that are published: 14.96 for 14.960000000000001."""
    return frame.assign(**{name: frame[name].astype(float).round(ccpp.DECIMALS) for name in ccpp.COLUMNS})


def _stand_in(why: str, require_real: bool) -> _Origin:
    remedy = f"get the table from {ccpp.PAGE} and put it at data/{ccpp.FILE_NAME}, or name its place with --data"
    if require_real:
        raise DataError(f"the real table is required, and cannot be had: {why}; {remedy}")
    frame = pd.DataFrame(standin.draw(), columns=pd.Index(list(ccpp.COLUMNS)))
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    warning = (
        f"STAND-IN DATA. The real power-plant table cannot be had: {why}. These rows are drawn by a seeded generator after the"
        f" table's published description: good for trying things out, not for conclusions about the plant. For the real ones,"
        f" {remedy}."
    )
    return _Origin(frame, "stand-in", f"the embedded stand-in (seed {standin.SEED})", None, (warning,))


def _ccpp_names(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the published columns' names, where a copy in circulation gives others."""
    others = {other: name for other, name in ccpp.OTHER_NAMES.items() if name not in frame.columns}
    return frame.rename(columns=others)


def _columns(frame: pd.DataFrame) -> Mapping[str, Floats]:
    """Those columns of the power-plant table that are there, as numbers."""
    return {name: _numbers(frame[[name]])[:, 0] for name in ccpp.COLUMNS if name in frame.columns}


def _require(frame: pd.DataFrame, keys: Mapping[str, str], where: str) -> None:
    """Raises DataError unless each column that is a key of `keys` is there; `keys` tells who asks for it."""
    present = [str(name) for name in frame.columns]
    spare = [name for name in present if name not in keys] or present
    missing = [
        f"column '{name}' ({key}) not found{did_you_mean(name, spare) or ';'}"
        for name, key in keys.items()
        if name not in present
    ]
    if missing:
        listed = ", ".join(present[:30]) + (f" and {len(present) - 30} more" if len(present) > 30 else "")
        raise DataError(f"{' '.join(missing)} the columns of the table are {listed}", where)


def _numbers(frame: pd.DataFrame) -> Floats:
    """The values `(rows, columns)`; NaN where there is no finite number."""
    values = np.stack([_column_numbers(frame.iloc[:, place]) for place in range(frame.shape[1])], axis=1)
    values[~np.isfinite(values)] = np.nan
    return values


def _column_numbers(column: pd.Series) -> Floats:
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        column = column.astype(object)
    elif pd.api.types.is_complex_dtype(kind) or not (
        pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)
    ):  # dates, spans of time and the like, which pandas would count in nanoseconds
        return np.full(len(column), np.nan)
    return np.array(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def _invalid(frame: pd.DataFrame, values: Floats) -> str:
    """The places without a number, counted, and the first of them with what stands there."""
    rows, columns = np.nonzero(np.isnan(values))
    places = [
        f"column '{frame.columns[column]}' row {frame.index[row]}: {_shown(frame.iat[row, column])}"
        for row, column in zip(rows[:EXAMPLES], columns[:EXAMPLES], strict=True)
    ]
    more = ", …" if len(rows) > EXAMPLES else ""
    counted = f"{_count(len(rows), 'value')} in {_count(len(np.unique(rows)), 'row')}"
    return (
        f"{counted} {'is' if len(rows) == 1 else 'are'} missing or not a finite number ({', '.join(places)}{more};"
        f" the header is row 1)"
    )


def _shown(cell: object) -> str:
    if _is_missing(cell):
        return "missing"
    return repr(cell[:40]) if isinstance(cell, str) else str(cell)[:40]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _without_invalid(frame: pd.DataFrame, table: Table, where: str) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """The values `(n, columns)` and the numbers `(n,)` of the rows that are whole, and what was noticed."""
    values = _numbers(frame)
    whole = ~np.isnan(values).any(axis=1)
    notes = []
    if not whole.all():
        sentence = _invalid(frame, values)
        if table.invalid == "error":
            raise DataError(f"{sentence}; correct them, or leave such rows out with table.invalid: drop", where)
        if not whole.any():
            raise DataError(f"{sentence}; no row is left", where)
        notes.append(f"{sentence}; these rows are left out (table.invalid: drop).")
    return values[whole], frame.index.to_numpy(dtype=np.int64)[whole], notes


def _without_duplicates(
    values: Floats, numbers: NDArray[np.int64], columns: Sequence[str], table: Table
) -> tuple[Floats, list[str]]:
    """The values that the policy leaves, and what was noticed. Rows are alike where all columns of the experiment are."""
    first = _first_alike(values)
    repeats = np.flatnonzero(first != np.arange(len(values)))
    if not len(repeats):
        return values, []
    fate = "left out" if table.duplicates == "drop" else "kept"
    one = len(repeats) == 1
    note = (
        f"{_count(len(repeats), 'row')} {'repeats' if one else 'repeat'} an earlier one in all columns of the experiment"
        f" ({', '.join(columns)}), such as row {numbers[repeats[0]]}, which repeats row {numbers[first[repeats[0]]]}"
        f" (the header is row 1); {'it is' if one else 'they are'} {fate} (table.duplicates: {table.duplicates})."
    )
    return (np.delete(values, repeats, axis=0) if table.duplicates == "drop" else values), [note]


def _first_alike(values: Floats) -> Positions:
    """`(rows,)` for each row the position of the first row with the same values."""
    _, first, group = np.unique(values + 0.0, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[group.reshape(-1)], dtype=np.intp)


def _constants(columns: Sequence[str], values: Floats, targets: Sequence[str], where: str) -> list[str]:
    """Warnings about constant inputs. Raises DataError where a target is constant."""
    constant = {name: column[0] for name, column in zip(columns, values.T, strict=True) if np.ptp(column) == 0.0}
    for name in targets:
        if name in constant:
            raise DataError(
                f"target column '{name}' has the same value, {constant[name]:g}, in all {_count(len(values), 'row')}: there is"
                f" nothing to predict; correct the column, or leave the head out",
                where,
            )
    return [
        f"Input column '{name}' has the same value, {value:g}, in all rows: it tells the network nothing."
        for name, value in constant.items()
    ]


# --- the split ---


def split(experiment: Experiment, dataset: Dataset) -> Split:
    """Test rows, training rows, and the folds among these.

    The test rows are those of scikit-learn's `train_test_split(table, test_size=test.fraction, random_state=test.seed)`. The
    folds are those of its `KFold(shuffle=True)`, or of one more `train_test_split` for a hold-out, over the training rows,
    both seeded by the experiment's seed. The finalists' folds are a `KFold(shuffle=True)` of their own, seeded by one more than
    that; where there are too few rows for so many, they are fewer.

    Raises:
        DataError: There are too few rows, or a target has one value only in one of the parts.
    """
    _check_sizes(experiment, dataset.rows, dataset.location)
    train, test = model_selection.train_test_split(
        np.arange(dataset.rows), test_size=experiment.test.fraction, random_state=experiment.test.seed
    )
    folds = tuple(folds_of(experiment.validation, train, experiment.seed))
    parts = {"test": test, "training": train}
    for number, (learning, validation) in enumerate(folds, start=1):
        parts |= {f"training (fold {number})": learning, f"validation (fold {number})": validation}
    fresh = KFold(method="k_fold", folds=max(2, min(experiment.confirmation.folds, len(train) // SMALLEST_PART)))
    confirmation = tuple(folds_of(fresh, train, experiment.seed + 1))
    finalists = {f"validation (confirmation, fold {number})": rows for number, (_, rows) in enumerate(confirmation, start=1)}
    _check_targets(dataset, parts | finalists)
    return Split(
        train=_read_only(train),
        test=_read_only(test),
        folds=tuple((_read_only(learning), _read_only(validation)) for learning, validation in folds),
        digest=_digest_of(experiment, dataset, parts),
        test_digest=_digest_of(experiment, dataset, {"test": test}),
        warnings=_leaks(np.concatenate([dataset.x, dataset.y], axis=1), train, test),
        confirmation=tuple((_read_only(learning), _read_only(validation)) for learning, validation in confirmation),
    )


def _digest_of(experiment: Experiment, dataset: Dataset, parts: Mapping[str, Positions]) -> str:
    """The digest of the contents of named parts of the rows."""
    values = np.concatenate([dataset.x, dataset.y], axis=1)
    names = [*dataset.inputs, *experiment.columns.values()]
    return digest.of_parts(f"{part} {digest.of_table(names, values[rows])}" for part, rows in parts.items())


def folds_of(validation: KFold | HoldOut, train: Positions, seed: int) -> Iterable[tuple[Positions, Positions]]:
    """Some rows, cut into those to learn from and those to validate on, once or several times."""
    if isinstance(validation, HoldOut):
        learning, held_out = model_selection.train_test_split(train, test_size=validation.fraction, random_state=seed)
        yield learning, held_out
    else:
        k_fold = model_selection.KFold(n_splits=validation.folds, shuffle=True, random_state=seed)
        for learning, held_out in k_fold.split(train):
            yield train[learning], train[held_out]


def _check_sizes(experiment: Experiment, rows: int, where: str) -> None:
    """Raises DataError unless every part has as many rows as R² needs."""
    test = math.ceil(experiment.test.fraction * rows)
    train = rows - test
    validation = experiment.validation
    if isinstance(validation, HoldOut):
        held_out = math.ceil(validation.fraction * train)
        learning, means = train - held_out, f"validation.fraction {validation.fraction:g}"
    else:
        held_out = train // validation.folds
        learning, means = train - math.ceil(train / validation.folds), f"validation.folds {validation.folds}"
    if min(test, held_out, learning) < SMALLEST_PART:
        asked = f"test.fraction {experiment.test.fraction:g} and {means}"
        parts = f"{test} test, {max(held_out, 0)} validation and {max(learning, 0)} training rows"
        raise DataError(
            f"{_count(rows, 'row')} {'is' if rows == 1 else 'are'} too few: {asked} make {parts}, and each part needs"
            f" {SMALLEST_PART} or more; bring more rows, or choose other fractions or fewer folds",
            where,
        )


def _check_targets(dataset: Dataset, parts: Mapping[str, Positions]) -> None:
    """Raises DataError where R² is not defined: a target that has one value in all rows of a part."""
    for part, rows in parts.items():
        for head in np.flatnonzero(np.ptp(dataset.y[rows], axis=0) == 0.0):
            raise DataError(
                f"heads.{dataset.heads[head]}: the target has the same value in all {len(rows)} {part} rows: there is no R² of"
                f" that; bring more rows, or choose fewer folds or another seed",
                dataset.location,
            )


def _leaks(values: Floats, train: Positions, test: Positions) -> tuple[str, ...]:
    """A warning where test rows stand among the training rows too, for a model may know them by heart."""
    first = _first_alike(values)
    known = int(np.isin(first[test], first[train]).sum())
    if not known:
        return ()
    warning = (
        f"{known} of the {len(test):,} test rows also stand{'s' if known == 1 else ''} among the training rows, with the same"
        f" inputs and targets; table.duplicates: drop keeps every row once."
    )
    return (warning,)


# --- the halves ---


def halves(experiment: Experiment, dataset: Dataset, data: Path | None, seed: int) -> Halves:
    """All rows divided into two halves, five times over, for 5x2 cross-validation.

    The power-plant table comes as a workbook of five sheets, which hold the same rows in five orders: its authors' shuffles for
    this very protocol. Their halves are taken, the first half of a sheet being half A. All other tables are shuffled here.

    Args:
        experiment: Whose table and policies.
        dataset: Its rows.
        data: A file to look for the sheets in, instead of the one that the rows were read from.
        seed: Of the shuffles; the authors' halves do not depend on it.

    Raises:
        DataError: A target has one value only in one of the halves.
    """
    orders = _of_sheets(experiment, dataset, data or dataset.path)
    origin = "the file's own five sheets"
    if not orders:
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(dataset.rows) for _ in range(REPETITIONS)]
        origin = f"five shuffles seeded by {seed}"
    middle = dataset.rows // 2
    pairs = tuple((_read_only(order[:middle].copy()), _read_only(order[middle:].copy())) for order in orders)
    parts = {
        f"half {letter} (repetition {number})": rows
        for number, pair in enumerate(pairs, start=1)
        for letter, rows in zip("AB", pair, strict=True)
    }
    _check_targets(dataset, parts)
    return Halves(pairs, origin, _digest_of(experiment, dataset, parts))


def _of_sheets(experiment: Experiment, dataset: Dataset, path: Path | None) -> list[Positions]:
    """The order that each of the power-plant table's five sheets has the rows in.

    Nothing unless all hold these very rows, each in an order of its own.
    """
    if experiment.table.source != CCPP or path is None or path.suffix.lower() != ".xlsx":
        return []
    columns = [*experiment.table.inputs, *experiment.columns.values()]
    orders = []
    try:
        for sheet in _first_sheets(path, REPETITIONS):
            frame = _ccpp_names(sheet)
            if not ccpp.fault(_columns(frame)):
                frame = _published(frame)
            values, _ = _values(experiment, frame, str(path))
            if digest.of_table(columns, values) != dataset.digest:
                return []
            orders.append(_positions(values, np.concatenate([dataset.x, dataset.y], axis=1)))
    except DataError:  # whatever else is in the workbook is no shuffle of the rows
        return []
    return orders if len({order.tobytes() for order in orders}) == len(orders) else []


def _positions(values: Floats, among: Floats) -> Positions:
    """`(rows,)` for each row the position of the same row among others; the first of equal rows is the first of its equals.

    Args:
        values: `(rows, columns)`.
        among: The same rows in another order.
    """
    positions = np.empty(len(values), dtype=np.intp)
    positions[np.lexsort(values.T[::-1])] = np.lexsort(among.T[::-1])
    return positions
