"""How the input columns of a model are read and encoded, as lines of a generated script, where they are not all plain numbers.

The script does what `data/input_values.py` and `data/encoders/inputs.py` do, with scikit-learn: its table has numbers for
numeric columns (NaN in a gap), labels for categories (an empty text in a gap, NaN where the label is not a known one) and times
for dates, and a `ColumnTransformer` encodes them, fitted on the training rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from branchsweep.config.sections.columns import Column, DatePart
from branchsweep.data.encoders.date_parts import CYCLIC
from branchsweep.data.encoders.encoder import Encoder
from branchsweep.data.encoders.inputs import InputEncoding
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.errors import BackendError
from branchsweep.models.source_layout import COLUMNS, laid_out, source
from branchsweep.types import SourceCall

_PARTS: Mapping[DatePart, str] = {
    "month": "(time.dt.month - 1) / 12",
    "day_of_year": "(time.dt.day_of_year - 1) / 365.25",
    "day_of_month": "(time.dt.day - 1) / 31",
    "day_of_week": "time.dt.day_of_week / 7",
    "hour": '(time - time.dt.floor("D")) / pd.Timedelta("1D")',
    "minute": '(time - time.dt.floor("h")) / pd.Timedelta("1h")',
    "year": "time.dt.year",
    "elapsed": "(time - pd.Timestamp(0)).dt.total_seconds()",
}
"""By part of a date, what computes it of a column `time`: of a cyclic one, the share of its cycle that has passed."""

_TEXT_CATEGORY = '''
def category(cell):
    """The label of a cell; empty where it is missing."""
    text = "" if pd.isna(cell) else str(cell).strip()
    return "" if text == "nan" else text
'''.strip()

_NUMBER = re.compile(r"[+-]?[\d.]+([eE][+-]?\d+)?")

_CATEGORY = '''
def category(cell):
    """The label of a cell, the same for 1, 1.0 and "01"; empty where it is missing."""
    text = "" if pd.isna(cell) else str(cell).strip()
    if re.fullmatch(r"[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?", text):
        number = float(text)
        is_whole = number.is_integer() and abs(number) < 1e15
        return str(int(number)) if is_whole else repr(number)
    return "" if text == "nan" else text
'''.strip()

_LAST_LINE = 'return "" if text == "nan" else text'
_LAST_LINE_OF_BOOLEANS = """booleans = {"true": "True", "false": "False"}
    return "" if text == "nan" else booleans.get(text.lower(), text)"""

_HASHED_CATEGORIES = '''
class HashedCategories(TransformerMixin, BaseEstimator):
    """Columns that several categories share; the last one says that it is missing."""

    def __init__(self, columns):
        self.columns = columns

    def fit(self, x, y=None):
        self.seen_ = [set(x[name].dropna()) for name in x]
        return self

    def transform(self, x):
        encoded = []
        for name, seen in zip(x, self.seen_, strict=True):
            positions = {label: self.position(label) for label in seen}
            picked = x[name].map(positions).to_numpy(dtype=float)
            encoded.append(picked[:, None] == np.arange(self.columns + 1))
        return np.hstack(encoded)

    def position(self, label):
        return zlib.crc32(label.encode()) % self.columns if label else self.columns
'''.strip()

_LABELS = """
for name, known in CATEGORIES.items():
    labels = table[name].map(category)
    table[name] = labels.where(labels.isin([*known, ""]))
""".strip()

_TIMES = """
for name in DATES:
    is_number = table[name].map(lambda cell: isinstance(cell, (int, float)))
    times = table[name].where(~is_number)
    times = pd.to_datetime(times, errors="coerce", format="ISO8601", utc=True)
    table[name] = times.dt.tz_localize(None)
""".strip()

_COMPOSE = SourceCall("make_column_transformer", module="sklearn.compose")
_PIPELINE = SourceCall("make_pipeline", module="sklearn.pipeline")
_MEAN = SourceCall("SimpleImputer", module="sklearn.impute")
_INDICATOR = SourceCall("MissingIndicator", ('features="all"',), "sklearn.impute")
_ONE_HOT = SourceCall(
    "OneHotEncoder", ("categories=categories", 'handle_unknown="ignore"', "sparse_output=False"), "sklearn.preprocessing"
)
_HASHED = SourceCall(
    "HashedCategories",
    definition=_HASHED_CATEGORIES,
    uses=(SourceCall("BaseEstimator", module="sklearn.base"), SourceCall("TransformerMixin", module="sklearn.base")),
)
_FUNCTION = SourceCall("FunctionTransformer", module="sklearn.preprocessing")
_STANDARD = SourceCall("StandardScaler", module="sklearn.preprocessing")


@dataclass(frozen=True, slots=True)
class InputSource:
    """What a script says of the input columns.

    Args:
        columns: What they are, in order.
        classes: By target column, the labels of its classes, whose numbers are predicted.
    """

    columns: Mapping[str, Column]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether all are numbers without gaps."""
        return all(column.is_plain for column in self.columns.values())

    @property
    def has_categories(self) -> bool:
        """Whether some are categorical."""
        return bool(self._of_kind("categorical"))

    @property
    def has_numeric_labels(self) -> bool:
        """Whether some categories are numbers, which may be written in several ways."""
        return any(_NUMBER.fullmatch(label) for label in self._labels)

    @property
    def _labels(self) -> list[str]:
        """The labels of all categories and classes."""
        lists = [self.columns[name].categories or [] for name in self._of_kind("categorical")]
        return [label for labels in (*lists, *self.classes.values()) for label in labels]

    @property
    def gaps(self) -> list[str]:
        """The numeric columns that may have gaps."""
        return [name for name in self._numeric if self.columns[name].missing != "error"]

    @property
    def has_missing_values(self) -> bool:
        """Whether some row of the table may be used though a value of it is missing or unknown."""
        return bool(self.gaps) or self.has_categories

    @property
    def others(self) -> list[str]:
        """The constants that name columns without a number, as source."""
        return [name for name, kind in (("CATEGORIES", "categorical"), ("DATES", "date")) if self._of_kind(kind)]

    @property
    def numbers(self) -> str:
        """The constant that names the numeric columns; empty where there are none."""
        if not self.others:
            return "INPUTS"
        return "NUMBERS" if self._numeric else ""

    @property
    def constants(self) -> list[str]:
        """The constants that say which columns are of which kind."""
        lists = {
            "NUMBERS": (self._numeric if self.others else [], ""),
            "GAPS": (self.gaps, "  # numbers that may be missing"),
            "INDICATORS": (self._indicated, "  # those whose gaps have columns of their own"),
        }
        found = [laid_out(map(source, names), f"{name} = [", "]", note=note) for name, (names, note) in lists.items() if names]
        of_inputs = {name: self.columns[name].categories or [] for name in self._of_kind("categorical")}
        for constant, of_columns in (("CATEGORIES", of_inputs), ("CLASSES", self.classes)):
            entries = [
                laid_out(map(source, labels), f"{source(name)}: [", "],", COLUMNS - 4) for name, labels in of_columns.items()
            ]
            if entries:
                found.append("\n".join([f"{constant} = {{", *(_indented(entry) for entry in entries), "}"]))
        if dates := self._of_kind("date"):
            found.append(laid_out(map(source, dates), "DATES = [", "]"))
        return found

    @property
    def definitions(self) -> list[str]:
        """The functions that read and encode categories and dates."""
        parts = {"cyclic": self._parts(cyclic=True), "linear": self._parts(cyclic=False)}
        return [
            *([self._category_function] if self.has_categories or self.classes else []),
            *([_cyclic_function(parts["cyclic"])] if parts["cyclic"] else []),
            *([_linear_function(parts["linear"])] if parts["linear"] else []),
        ]

    @property
    def _category_function(self) -> str:
        function = _CATEGORY if self.has_numeric_labels else _TEXT_CATEGORY
        has_booleans = not {"True", "False"}.isdisjoint(self._labels)
        return function.replace(_LAST_LINE, _LAST_LINE_OF_BOOLEANS) if has_booleans else function

    @property
    def reading(self) -> list[str]:
        """The lines that make labels and times of the cells of `table`."""
        return [*([_LABELS] if self.has_categories else []), *([_TIMES] if self._of_kind("date") else [])]

    def calls(self, encoding: InputEncoding) -> list[SourceCall]:
        """What the lines of `encoding_lines` call.

        Raises:
            BackendError: As of `encoding_lines`.
        """
        groups = self._numeric_groups(encoding)
        numeric = [kind.source for _, kinds in groups for kind in kinds if kind.source]
        is_filled = any(kind.source and self._gaps_among(names) for names, kinds in groups for kind in kinds)
        return [
            _COMPOSE,
            *numeric,
            *([_MEAN] if self.gaps else []),
            *([_PIPELINE] if is_filled or self._parts(cyclic=False) else []),
            *([_INDICATOR] if self._indicated else []),
            *([_ONE_HOT] if set(self._of_kind("categorical")) > set(self._hashed(encoding)) else []),
            *([_HASHED] if self._hashed(encoding) else []),
            *([_FUNCTION] if self._of_kind("date") else []),
            *([_STANDARD] if self._parts(cyclic=False) else []),
        ]

    def encoding_lines(self, encoding: InputEncoding, columns: int = COLUMNS) -> str:
        """The lines that encode the inputs of `train` and `test` into `x_train` and `x_test`.

        Args:
            encoding: The hyperparameters of encoders.
            columns: Most characters of a line.

        Raises:
            BackendError: There is no script for one of them.
        """
        lines, entries = self._numeric_lines(encoding, columns)
        if self._indicated:
            entries.append('(MissingIndicator(features="all"), INDICATORS)')
        hashed = self._hashed(encoding)
        if set(self._of_kind("categorical")) > set(hashed):
            names = "one_hot_columns" if hashed else "CATEGORIES"
            if hashed:
                one_hot = [source(name) for name in self._of_kind("categorical") if name not in hashed]
                lines.append(laid_out(one_hot, f"{names} = [", "]", columns))
            lines.append(f"categories = [train[name].dropna().unique() for name in {names}]")
            lines.append(laid_out(_ONE_HOT.arguments, "one_hot = OneHotEncoder(", ")", columns))
            entries.append(f"(one_hot, {names})" if hashed else "(one_hot, list(CATEGORIES))")
        if hashed:
            lines.append(laid_out(map(source, hashed), "hashed_columns = [", "]", columns))
            entries.append(f"(HashedCategories(columns={encoding.hash_columns}), hashed_columns)")
        if self._parts(cyclic=True):
            entries.append("(FunctionTransformer(cyclic_parts), DATES)")
        if self._parts(cyclic=False):
            entries.append("(make_pipeline(FunctionTransformer(linear_parts), StandardScaler()), DATES)")
        return "\n".join(
            [
                "# Inputs, encoded by what the training rows are like",
                *lines,
                laid_out(entries, "input_encoder = make_column_transformer(", ")", columns),
                "input_encoder.fit(train[INPUTS], train[TARGETS])",
                "x_train = input_encoder.transform(train[INPUTS])",
                "x_test = input_encoder.transform(test[INPUTS])",
            ]
        )

    def _numeric_lines(self, encoding: InputEncoding, columns: int) -> tuple[list[str], list[str]]:
        """The lines that make the encoders of numeric columns, and each with its columns as an entry of the whole encoder."""
        lines: list[str] = []
        entries: list[str] = []
        groups = self._numeric_groups(encoding)
        for number, (names, kinds) in enumerate(groups, start=1):
            suffix, of_group = (f"_{number}", f"columns_{number}") if len(groups) > 1 else ("", self.numbers)
            if suffix:
                lines.append(laid_out(map(source, names), f"{of_group} = [", "]", columns))
            for kind in kinds:
                name = ("bins" if kind.with_bins else "encoder" if kind.beside else "scaler") + suffix
                if kind.source:
                    lines.append(laid_out(kind.source.arguments, f"{name} = {kind.source.name}(", ")", columns))
                entries.append(f"({self._filled(names, name if kind.source else '')}, {of_group})")
        return lines, entries

    @property
    def _numeric(self) -> list[str]:
        return [name for name, column in self.columns.items() if column.kind in (None, "numeric")]

    @property
    def _indicated(self) -> list[str]:
        return [name for name in self._numeric if self.columns[name].missing == "indicator"]

    def _of_kind(self, kind: str) -> list[str]:
        return [name for name, column in self.columns.items() if column.kind == kind]

    def _parts(self, *, cyclic: bool) -> dict[str, list[DatePart]]:
        """The dates that have such parts, each with them."""
        of_dates = {name: self.columns[name].parts or [] for name in self._of_kind("date")}
        chosen = {name: [part for part in parts if (part in CYCLIC) == cyclic] for name, parts in of_dates.items()}
        return {name: parts for name, parts in chosen.items() if parts}

    def _numeric_groups(self, encoding: InputEncoding) -> list[tuple[list[str], list[Encoder]]]:
        """The numeric columns that are encoded alike, and their encoders, side by side."""
        by_scaling: dict[str, list[str]] = {}
        for name in self._numeric:
            by_scaling.setdefault(self.columns[name].input_scaling or encoding.scaling, []).append(name)
        groups = []
        for scaling, names in by_scaling.items():
            kind = encoding._replace(scaling=scaling).numeric
            kinds = [*([encoder_kind(kind.beside)] if kind.beside else []), kind]
            for unknown in (kind for kind in kinds if kind.source is None and kind.name != "none"):
                message = f"there is no script for input_scaling: {unknown.name}; export the network (--format keras)"
                raise BackendError(message)
            groups.append((names, kinds))
        return groups

    def _gaps_among(self, names: list[str]) -> bool:
        """Whether some of these columns may have gaps."""
        return not set(names).isdisjoint(self.gaps)

    def _filled(self, names: list[str], encoder: str) -> str:
        """The encoder of these columns after the one that fills gaps, as source; empty for values as they are."""
        if not self._gaps_among(names):
            return encoder or '"passthrough"'
        return f"make_pipeline(SimpleImputer(), {encoder})" if encoder else "SimpleImputer()"

    def _hashed(self, encoding: InputEncoding) -> list[str]:
        """The categorical columns with too many categories for a column each."""
        of_column = {name: self.columns[name].categories or [] for name in self._of_kind("categorical")}
        return [name for name, categories in of_column.items() if len(categories) > encoding.one_hot_limit]


def _cyclic_function(parts: Mapping[str, list[DatePart]]) -> str:
    return "\n".join(
        [
            "def cyclic_parts(dates):",
            '    """The parts of dates that begin again, as sines and cosines, (rows, columns)."""',
            *_part_lines(parts, "turns"),
            "    angles = 2 * np.pi * np.column_stack(turns)",
            "    return np.hstack([np.sin(angles), np.cos(angles)])",
        ]
    )


def _linear_function(parts: Mapping[str, list[DatePart]]) -> str:
    return "\n".join(
        [
            "def linear_parts(dates):",
            '    """The parts of dates that go on, (rows, columns)."""',
            *_part_lines(parts, "parts"),
            "    return np.column_stack(parts)",
        ]
    )


def _part_lines(parts: Mapping[str, list[DatePart]], variable: str) -> list[str]:
    """The lines that list the parts of all dates."""
    lines, assigned = [], "="
    for name, of_date in parts.items():
        lines.append(_indented(_column_of_dates(name)))
        lines.append(_indented(laid_out([_PARTS[part] for part in of_date], f"{variable} {assigned} [", "]", COLUMNS - 4)))
        assigned = "+="
    return lines


def _column_of_dates(name: str) -> str:
    line = f"time = dates[{source(name)}]"
    return line if len(line) <= COLUMNS - 4 else f"time = dates[\n    {source(name)}\n]"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
