"""Functions of programs: as traced from Python, whether they are read from a file or not, and named by what they compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from branchsweep.config import kinds
from branchsweep.training.program import program_cache, program_functions
from branchsweep.training.program.program_functions import ProgramFunction, traced
from branchsweep.training.program.tensor_operations import repeat
from tiny_training import tiny_populations

PROGRAM = tiny_populations()[0].program


class Carried(NamedTuple):
    """A structure such as a program's state: with something that is not there."""

    total: Any
    absent: Any
    steps: tuple[Any, ...]


def summed(carried: Carried, values: Any) -> tuple[Carried, Any]:
    """The sum of some values, by a loop with a loop in it."""

    def row(i: Any, total: Any) -> tuple[Any]:
        return (repeat(values.shape[1], lambda j, inner: (inner + values[i, j],), total)[0],)

    (total,) = repeat(values.shape[0], row, carried.total)
    return Carried(total, None, (carried.steps[0] + 1,)), total * 2.0


def product(carried: Carried, values: Any) -> tuple[Carried, Any]:
    """Something else of the same structure."""
    return carried._replace(total=tf.reduce_prod(values)), carried.total


def structure(carried: Carried, values: Any) -> tuple[Carried, Any]:
    return carried, values


def arguments(rows: int = 3) -> tuple[Carried, Any]:
    values = np.arange(1, 2 * rows + 1, dtype=np.float32).reshape(rows, 2)
    return Carried(tf.constant(0.5), None, (tf.constant(4),)), tf.constant(values)


def numbers(result: Any) -> list[Any]:
    return [None if leaf is None else leaf.numpy() for leaf in tf.nest.flatten(result)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of programs, as in a worker process."""
    monkeypatch.setattr(program_cache, "_folders", [tmp_path])
    return tmp_path


def test_the_result_is_that_of_the_python_function_with_its_structure() -> None:
    function = ProgramFunction(PROGRAM, summed, structure)
    for rows in (3, 5, 3):
        got, expected = function(*arguments(rows)), summed(*arguments(rows))
        assert isinstance(got[0], Carried)
        assert numbers(got) == numbers(expected)
        assert numbers(got)[0] == 0.5 + sum(range(1, 2 * rows + 1))


def test_within_another_function_it_is_part_of_that_one() -> None:
    function = ProgramFunction(PROGRAM, summed, structure)
    outer = tf.function(lambda *own: function(*own)[1] + 1.0, autograph=False)
    assert outer(*arguments()).numpy() == numbers(function(*arguments()))[3] + 1.0


def test_a_later_process_reads_the_graph_and_does_not_trace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = numbers(ProgramFunction(PROGRAM, summed, structure)(*arguments()))
    (file,) = folder.iterdir()
    content = file.read_bytes()

    def never(*_: Any) -> Any:
        raise AssertionError("traced")

    monkeypatch.setattr(program_functions, "traced", never)
    assert numbers(ProgramFunction(PROGRAM, summed, structure)(*arguments())) == first
    with pytest.raises(AssertionError, match="traced"):
        ProgramFunction(PROGRAM, summed, structure)(*arguments(rows=4))
    assert [one.read_bytes() for one in folder.iterdir()] == [content]


@pytest.mark.parametrize("content", [b"", b"no graph", None])
def test_a_file_that_is_no_graph_is_written_again(folder: Path, content: bytes | None) -> None:
    first = numbers(ProgramFunction(PROGRAM, summed, structure)(*arguments()))
    (file,) = folder.iterdir()
    graph = file.read_bytes()
    file.write_bytes(graph[:-5] if content is None else content)
    assert numbers(ProgramFunction(PROGRAM, summed, structure)(*arguments())) == first
    assert file.read_bytes() == graph


def test_each_function_program_shape_and_source_has_a_file_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = tf.nest.map_structure(lambda leaf: None if leaf is None else tf.cast(leaf, tf.float32), arguments())
    for more in ({}, {"weighted": True}, {"reads_heads": True}, {"options": ("dropout",)}, {"lanes": PROGRAM.lanes + 1}):
        ProgramFunction(replace(PROGRAM, **more), summed, structure)(*arguments())
    ProgramFunction(PROGRAM, product, structure)(*arguments())
    ProgramFunction(PROGRAM, summed, structure)(*arguments(rows=4))
    ProgramFunction(PROGRAM, summed, structure)(*one)
    assert len(list(folder.iterdir())) == 8
    monkeypatch.setattr(program_functions, "SOURCE_DIGEST", "of another version")
    ProgramFunction(PROGRAM, summed, structure)(*arguments())
    assert len(list(folder.iterdir())) == 9


@pytest.mark.parametrize("more", [{"losses": ("mse", "own")}, {"activations": ("own",)}, {"layers": ("dense", "own")}])
def test_no_graph_is_kept_of_kinds_that_are_not_of_this_package(folder: Path, more: dict[str, Any]) -> None:
    program = replace(PROGRAM, **more)
    assert numbers(ProgramFunction(program, summed, structure)(*arguments())) == numbers(summed(*arguments()))
    assert list(folder.iterdir()) == []


def test_no_graph_is_kept_of_a_kind_that_replaces_a_built_in_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ProgramFunction(replace(PROGRAM, losses=("mse",)), summed, structure)(*arguments())
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setitem(kinds.HEADS._modules, "mse", "module.of.a.user")
    ProgramFunction(replace(PROGRAM, losses=("mse", "mse")), summed, structure)(*arguments())
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("loss", ["mae", "binary", "count", "multiclass(3)", "quantile(0.1, 0.9)"])
def test_graphs_of_all_built_in_heads_are_kept(folder: Path, loss: str) -> None:
    ProgramFunction(replace(PROGRAM, losses=(loss,)), summed, structure)(*arguments())
    assert len(list(folder.iterdir())) == 1


def test_a_folder_that_is_not_there_changes_no_result(folder: Path) -> None:
    folder.rmdir()
    assert numbers(ProgramFunction(PROGRAM, summed, structure)(*arguments())) == numbers(summed(*arguments()))


def test_the_graph_is_the_same_whatever_was_traced_before_it() -> None:
    first = traced(summed, arguments()).SerializeToString(deterministic=True)
    others = {traced(summed, arguments(rows)).SerializeToString(deterministic=True) for rows in (4, 5)}
    others.add(traced(product, arguments()).SerializeToString(deterministic=True))
    assert traced(summed, arguments()).SerializeToString(deterministic=True) == first
    assert len(others - {first}) == 3


def test_functions_of_different_content_have_different_names() -> None:
    """In one process both may be called: TensorFlow refuses two functions of one name."""
    libraries = [traced(python, arguments(rows)) for python, rows in ((summed, 3), (summed, 4), (product, 3))]
    names = [function.signature.name for library in libraries for function in library.function]
    assert len(set(names)) == len(names)
