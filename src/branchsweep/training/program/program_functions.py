"""The functions of a program: traced by TensorFlow once, kept on disk as graphs, and then called without being traced again.

Tracing takes Python about a second for each program and process, as long as XLA needs to load the machine code of a program
that it compiled earlier. A graph on disk is TensorFlow's own format, a `FunctionDefLibrary`, and is read in milliseconds.

The names in a graph derive from its content. XLA's cache of machine code (see `program_cache.py`) looks a program up by these
names, among others. TensorFlow's own are numbers in the order in which a process traces functions: by those, a program would be
found again only by a process that traces the same ones in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework.function_pb2 import FunctionDef, FunctionDefLibrary
from tensorflow.python.eager import context  # private: its minor version is pinned, and tests watch

from branchsweep.config import kinds
from branchsweep.training.population import Program
from branchsweep.training.program import program_cache
from branchsweep.training.program.program_arrays import Tensor


def _digest_of_files(folder: Path) -> str:
    """A digest of all Python files below a folder."""
    digest = sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


SOURCE_DIGEST = _digest_of_files(Path(__file__).parents[2])
"""A digest of this package, whose code graphs are traced from; of now, when that code is imported, and not of later."""


class ProgramFunction:
    """A function of a program, compiled by XLA: called with tensors like the Python function that it is traced from.

    For arguments of new shapes its graph is read from the folder of compiled programs; if it is not there, it is traced and
    written. Within a TensorFlow function it is part of that one, as the Python function is.

    Args:
        program: The program.
        python: What it computes, with positional arguments: tensors, or named tuples of them, or None.
        result: The arguments' counterpart: from the arguments, something of the structure of the result.
    """

    def __init__(self, program: Program, python: Callable[..., Any], result: Callable[..., Any]) -> None:
        self._program, self._python, self._result = program, python, result
        self._called: dict[tuple[Any, ...], tuple[bytes, int]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Call it.

        Raises:
            OpError: XLA cannot write to its folder, among others.
        """
        if tf.inside_function():
            return self._python(*arguments)
        tensors = _tensors(arguments)
        signature = tuple((tensor.dtype.name, *tensor.shape) for tensor in tensors)
        if signature not in self._called:
            self._called[signature] = self._add_to_process(arguments, signature)
        name, outputs = self._called[signature]
        computed = iter(context.context().call_function(name, tensors, outputs) or ())
        structure = self._result(*arguments)
        return tf.nest.map_structure(lambda leaf: None if leaf is None else next(computed), structure)

    def _add_to_process(self, arguments: Sequence[Any], signature: tuple[Any, ...]) -> tuple[bytes, int]:
        """Let this process know the function; returns its name and the number of tensors that it returns."""
        file = self._file(signature)
        library = _read(file) if file else None
        if library is None:
            library = traced(self._python, arguments)
            if file:
                program_cache.write(file, library.SerializeToString(deterministic=True))
        for function in library.function:
            context.context().add_function_def(function)
        main = library.function[0].signature
        return main.name.encode(), len(main.output_arg)

    def _file(self, signature: tuple[Any, ...]) -> Path | None:
        """Where its graph is kept; None if it is not: what a kind of a user computes may change without our notice."""
        folder = program_cache.used_folder()
        if folder is None or not _has_built_in_kinds(self._program):
            return None
        values = [(field.name, getattr(self._program, field.name)) for field in fields(self._program)]
        text = repr((SOURCE_DIGEST, self._python.__name__, values, signature))
        return folder / f"{sha256(text.encode()).hexdigest()[:32]}{program_cache.GRAPH}"


def traced(python: Callable[..., Any], arguments: Sequence[Any]) -> FunctionDefLibrary:
    """The graph of a Python function for arguments of these shapes, to be compiled by XLA as a whole.

    Returns:
        The function, and after it those that it consists of, such as the bodies of its loops. What is traced from the same
        Python code is the same, whatever the process traced before.
    """

    def of_tensors(*tensors: Tensor) -> list[Tensor]:
        given = iter(tensors)
        own = tf.nest.map_structure(lambda leaf: None if leaf is None else next(given), list(arguments))
        return _tensors(python(*own))

    specifications = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in _tensors(arguments)]
    compiled = tf.function(of_tensors, jit_compile=True, autograph=False).get_concrete_function(*specifications)
    assert not compiled.captured_inputs, "a program computes from its arguments alone"
    found = {function.signature.name: function for function in compiled.graph.as_graph_def().library.function}
    found[compiled.function_def.signature.name] = compiled.function_def
    return _with_names_of_content([found[name] for name in _in_order(compiled.function_def.signature.name, found)])


def _tensors(tree: Any) -> list[Tensor]:
    """The tensors of arguments or of a result, in order, without what is None."""
    return [tf.convert_to_tensor(leaf) for leaf in tf.nest.flatten(tree) if leaf is not None]


def _read(file: Path) -> FunctionDefLibrary | None:
    """The graph in a file; None if there is none."""
    content = program_cache.read(file)
    if content is None:
        return None
    try:
        library = FunctionDefLibrary.FromString(content)
    except DecodeError:  # it was damaged after the process started, see `delete_damaged_programs`
        return None
    return library if library.function else None


def _in_order(name: str, found: dict[str, FunctionDef]) -> list[str]:
    """A function's name, and after it those of the functions that it consists of, each once."""
    names = {name: None}
    pending = [name]
    while pending:
        for reference in _references(found[pending.pop(0)]):
            if reference.name not in names:
                names[reference.name] = None
                pending.append(reference.name)
    return list(names)


def _references(function: FunctionDef) -> Iterator[Any]:
    """Where a function names the functions that its operations call: messages with a field `name`."""
    for node in function.node_def:
        for _, value in sorted(node.attr.items()):
            if value.HasField("func"):
                yield value.func
            yield from value.list.func


def _with_names_of_content(functions: Sequence[FunctionDef]) -> FunctionDefLibrary:
    """The functions with names that derive from what they contain."""
    library = FunctionDefLibrary()
    library.function.extend(functions)
    for function in library.function:
        _number_inputs(function)
        for node in function.node_def:
            node.ClearField("experimental_debug_info")
    _rename(library, "")
    _rename(library, sha256(library.SerializeToString(deterministic=True)).hexdigest()[:32])
    return library


def _rename(library: FunctionDefLibrary, prefix: str) -> None:
    names = {function.signature.name: f"__program_{prefix}_{number}" for number, function in enumerate(library.function)}
    for function in library.function:
        function.signature.name = names[function.signature.name]
        for reference in _references(function):
            reference.name = names[reference.name]


def _number_inputs(function: FunctionDef) -> None:
    """Name a function's inputs by their position: those of a loop have numbers of functions in their names."""
    names = {argument.name: f"input_{position}" for position, argument in enumerate(function.signature.input_arg)}
    for argument in function.signature.input_arg:
        argument.name = names[argument.name]
    for node in function.node_def:
        for position, source in enumerate(node.input):
            node.input[position] = names.get(source, source)
    for output, source in dict(function.ret).items():
        function.ret[output] = names.get(source, source)


def _has_built_in_kinds(program: Program) -> bool:
    """Whether this package defines everything that the program computes."""
    return (
        all(kinds.is_of_task(loss) or kinds.HEADS.is_built_in(loss) for loss in program.losses)
        and all(map(kinds.ACTIVATIONS.is_built_in, program.activations))
        and all(map(kinds.LAYERS.is_built_in, program.layers))
    )
