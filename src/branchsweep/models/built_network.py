"""Networks that a user's own function builds (`space.builder`), and what is asked of such a function.

    def residual(hyperparameters, inputs, heads):
        x = keras.Input((inputs,))
        ...
        return keras.Model(x, {head: keras.layers.Dense(units)(y) for head, units in heads.items()})

It is given the values of the trial by name, the number of encoded inputs, and the output units of each head; it returns a
functional model of Keras's own layers with one linear output for each head. What makes a prediction of an output (a sigmoid,
for the head of two classes) is added here.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from branchsweep.config.builders import look_in_working_folder
from branchsweep.errors import BackendError, did_you_mean, first_line
from branchsweep.trial import ParamValue

WHERE = "space.builder"
"""The key that messages name."""

_CONTRACT = "expected a functional keras.Model(inputs, {head: output, …}) with one output for each head"


@dataclass(frozen=True, slots=True)
class BuiltNetwork:
    """What a builder is given for one network, apart from its inputs and heads.

    Args:
        builder: `module:function`.
        hyperparameters: All values of the trial and of the space, by name.
    """

    builder: str
    hyperparameters: Mapping[str, ParamValue]


class BuildError(BackendError):
    """A builder cannot be imported, or does not return what is expected of it."""


def load_builder(builder: str) -> Callable[..., Any]:
    """The function of this name.

    Raises:
        BuildError: It cannot be imported, or is no function.
    """
    module, _, name = builder.partition(":")
    look_in_working_folder()
    try:
        with _contained():
            imported = importlib.import_module(module)
    except Exception as error:  # a user's module may raise anything
        message = f"{module} cannot be imported ({type(error).__name__}: {first_line(error)})"
        if isinstance(error, ModuleNotFoundError) and error.name in _with_parents(module):
            message += ": its folder must be the working directory, or be on PYTHONPATH; or install it"
        raise BuildError(message, WHERE) from error
    found = getattr(imported, name, None)
    if not callable(found):
        functions = [other for other, value in vars(imported).items() if callable(value)]
        raise BuildError(f"the module {module} has no function {name}{did_you_mean(name, functions)}", WHERE)
    function: Callable[..., Any] = found
    return function


def build(network: BuiltNetwork, inputs: int, units: Mapping[str, int]) -> Any:
    """The Keras model that the builder returns, checked.

    Args:
        network: The builder and the values.
        inputs: Encoded input columns.
        units: By head, the units of its output.

    Raises:
        BuildError: The builder cannot be imported, or returns something else than is expected of it.
        Exception: Whatever the builder raises.
    """
    builder = load_builder(network.builder)
    with _contained():
        model = builder(dict(network.hyperparameters), inputs, dict(units))
    problem = _problem(model, inputs, units)
    if problem:
        raise BuildError(f"{network.builder} returns {problem}", WHERE)
    return model


def build_predictor(
    network: BuiltNetwork, inputs: int, activations: Mapping[str, str], units: Mapping[str, int]
) -> tuple[Any, Any]:
    """A model over an input called `inputs`, whose outputs are predictions, and the builder's own model in it.

    Args:
        network: As of `build`.
        inputs: As of `build`.
        activations: By head, what makes a prediction of its output.
        units: As of `build`.
    """
    import keras  # noqa: PLC0415  # what reads recipes needs no Keras

    model = build(network, inputs, units)
    columns = keras.Input((inputs,), name="inputs")
    raw = model(columns)
    outputs = {
        head: raw[head] if name == "linear" else keras.layers.Activation(name, name=f"{head}.activation")(raw[head])
        for head, name in activations.items()
    }
    return keras.Model(columns, outputs), model


@lru_cache(maxsize=4096)
def _counted(builder: str, params: tuple[tuple[str, ParamValue], ...], inputs: int, units: tuple[tuple[str, int], ...]) -> int:
    with quiet_keras():
        return int(build(BuiltNetwork(builder, dict(params)), inputs, dict(units)).count_params())


def count_parameters(network: BuiltNetwork, inputs: int, units: Mapping[str, int]) -> int:
    """Weights and biases of the network; 0 where the builder fails for these values.

    Raises:
        BuildError: As of `build`.
    """
    try:
        return _counted(network.builder, tuple(network.hyperparameters.items()), inputs, tuple(units.items()))
    except BuildError:
        raise
    except Exception:  # noqa: BLE001  # whatever a builder raises for some values: their trial has failed
        return 0


@contextmanager
def _contained() -> Iterator[None]:
    """Context for a user's code: what it prints goes to standard error, and the process stays as it was.

    Standard output may be the JSON of a command, paths are relative to the working directory, and the precision that Keras
    gives new layers is that of all later networks, too.

    Raises:
        RuntimeError: The code ends the process.
    """
    folder, keras = Path.cwd(), sys.modules.get("keras")  # the module may be the first one to import Keras
    policy = keras.config.dtype_policy() if keras else "float32"
    try:
        with redirect_stdout(sys.stderr):
            yield
    except SystemExit as error:
        raise RuntimeError(f"it calls sys.exit({'' if error.code is None else repr(error.code)})") from error
    finally:
        os.chdir(folder)
        if keras := sys.modules.get("keras"):
            keras.config.set_dtype_policy(policy)


def _with_parents(module: str) -> list[str]:
    """The name of a module, and those of the packages that it is in."""
    words = module.split(".")
    return [".".join(words[:end]) for end in range(1, len(words) + 1)]


@contextmanager
def quiet_keras() -> Iterator[None]:
    """Context in which Keras is imported without its output."""
    from branchsweep.runtime import silence_stderr  # noqa: PLC0415  # for this alone

    with silence_stderr():
        import keras  # noqa: F401, PLC0415  # as above
    yield


@contextmanager
def seeded(seed: Sequence[int]) -> Iterator[None]:
    """Context in which whatever draws initial weights, dropout and noise in Keras starts from a seed.

    Args:
        seed: Whole numbers that name the network.
    """
    import keras  # noqa: PLC0415  # as above

    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # Keras sets the global one
    keras.utils.set_random_seed(int(np.random.SeedSequence(list(seed)).generate_state(1)[0]))
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002


def _problem(model: Any, inputs: int, units: Mapping[str, int]) -> str:
    """What is wrong with what a builder returned; empty where nothing is."""
    import keras  # noqa: PLC0415  # as above

    if not isinstance(model, keras.Model):
        return f"an object of {type(model).__name__}; {_CONTRACT}"
    if not getattr(model, "inputs", None) or not isinstance(getattr(model, "output", None), dict):
        kind = "without named outputs" if getattr(model, "inputs", None) else "that is not functional"
        return f"a model {kind}; {_CONTRACT}"
    if set(model.output) != set(units):
        return f"a model with the outputs {', '.join(model.output)}; expected {', '.join(units)}"
    if len(model.inputs) != 1 or tuple(model.inputs[0].shape) != (None, inputs):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in model.inputs)
        return f"a model with the input {shapes}; expected (None, {inputs})"
    for head, tensor in model.output.items():
        if tuple(tensor.shape) != (None, units[head]):
            return f"a model whose output {head} is {tuple(tensor.shape)}; expected (None, {units[head]})"
        if activation := _probabilities_of(tensor):
            return (
                f"a model whose output {head} ends with {activation}; expected a linear output, for {activation} of a head with"
                " classes is added: leave it out"
            )
    for layer in model._flatten_layers(include_self=False):  # noqa: SLF001  # layers of layers are listed nowhere else
        if not type(layer).__module__.startswith("keras.") or isinstance(layer, keras.layers.Lambda):
            what = "a Lambda" if isinstance(layer, keras.layers.Lambda) else f"of your class {type(layer).__name__}"
            return (
                f"a model with a layer ({layer.name}) that is {what}; a registered model is loaded where your module is not, "
                "so compose Keras's own layers"
            )
    return ""


def _probabilities_of(output: Any) -> str:
    """The activation that makes probabilities of an output, by its Keras name; empty where its last layer has none.

    Args:
        output: Of a functional model.
    """
    last = output._keras_history.operation  # noqa: SLF001  # which layer an output comes from is said nowhere else
    names = type(last).__name__.lower(), getattr(getattr(last, "activation", None), "__name__", "")
    return next((name for name in names if name in ("sigmoid", "softmax")), "")
