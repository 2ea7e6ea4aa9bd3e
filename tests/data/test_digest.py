"""Digests identify contents, not files."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from branchsweep.data.digest import combined_digest, table_digest
from branchsweep.types import Floats
from config_strategies import reproducible

values = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.0])
shapes = st.tuples(st.integers(1, 6), st.integers(1, 4))
tables = shapes.flatmap(lambda shape: st_numpy.arrays(np.float64, shape, elements=values))
names = st.lists(st.text(max_size=5), min_size=4, max_size=4, unique=True)


@reproducible
@given(tables, names, st.randoms(use_true_random=False))
def test_a_table_has_one_digest_whatever_the_order_of_its_rows_and_columns(
    table: Floats, columns: list[str], random: np.random.Generator
) -> None:
    columns = columns[: table.shape[1]]
    rows, order = list(range(len(table))), list(range(len(columns)))
    random.shuffle(rows)
    random.shuffle(order)
    shuffled = table[rows][:, order]
    assert table_digest([columns[index] for index in order], shuffled) == table_digest(columns, table)


@reproducible
@given(tables, names, st.data())
def test_another_value_name_or_row_has_another_digest(table: Floats, columns: list[str], data: st.DataObject) -> None:
    columns = columns[: table.shape[1]]
    digest = table_digest(columns, table)
    row, column = (data.draw(st.integers(0, length - 1)) for length in table.shape)
    changed = table.copy()
    changed[row, column] = data.draw(values)
    assume(changed[row, column] != table[row, column])
    assert table_digest(columns, changed) != digest
    renamed = [f"{name}*" if index == column else name for index, name in enumerate(columns)]
    assume(len(set(renamed)) == len(renamed))
    assert table_digest(renamed, table) != digest
    assert table_digest(columns, np.concatenate([table, table[:1]])) != digest


@reproducible
@given(tables, names)
def test_a_digest_does_not_depend_on_the_layout_in_memory(table: Floats, columns: list[str]) -> None:
    columns = columns[: table.shape[1]]
    before = table.copy()
    assert table_digest(columns, np.asfortranarray(table)) == table_digest(columns, table)
    np.testing.assert_array_equal(table, before)


@reproducible
@given(st.lists(st.text(alphabet="0123456789abcdef", min_size=1), max_size=4, unique=True))
def test_the_digest_of_several_depends_on_their_order(parts: list[str]) -> None:
    assert combined_digest(parts) == combined_digest(list(parts))
    assume(len(parts) > 1)
    assert combined_digest(parts) != combined_digest(parts[::-1])
