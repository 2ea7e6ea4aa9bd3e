"""Converts the network of an exported model to ONNX and to TensorFlow Lite, for programs without Keras.

The converted network takes encoded inputs and has one output per head, as `model.keras` has: `serving.py` encodes and decodes
for it, too. Of several inputs the names have underscores for dots. Converters may leave out an operation or get it wrong, so
what a converted network predicts is compared with the Keras model's predictions before anything is written.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from branchsweep.errors import BackendError, UserError, first_line
from branchsweep.models.serving import NETWORK_FORMATS, read_network
from branchsweep.runtime import is_installed, silence_stderr

ONNX_NEEDS = "pip install 'branchsweep[onnx]'"
"""What a user installs for ONNX."""

TOLERANCE = 1e-4
"""The largest difference of encoded predictions that is only one of rounding."""


def convert_network(keras_file: Path, converted: Path) -> None:
    """Write the network of a Keras file in the format that the suffix of `converted` names.

    Args:
        keras_file: An exported `model.keras`.
        converted: The file to write, in an existing folder: one of `serving.NETWORK_FORMATS`.

    Raises:
        UserError: The converter is not installed.
        BackendError: The converter cannot convert this network, or the result predicts something else.
    """
    convert, needs = _CONVERTERS[converted.suffix]
    if absent := [name for name in needs if not is_installed(name)]:
        raise UserError(f"{absent[0]} is not installed, which {converted.suffix} files need: {ONNX_NEEDS}", "--format")
    with silence_stderr():  # TensorFlow logs when it first looks for devices
        network = keras.saving.load_model(keras_file, compile=False, safe_mode=True)
    name, encoded = NETWORK_FORMATS[converted.suffix], _example(network)
    expected = network(encoded, training=False)  # one converter wants the network to have been called
    try:
        with _silent():
            convert(network, converted)
            found = read_network(converted)(encoded)
    except Exception as error:  # the converters raise whatever happens inside them
        raise BackendError(f"this network cannot be converted to {name}: {first_line(error)}") from error
    difference = max(_difference(np.asarray(expected[head]), np.asarray(found[head])) for head in expected)
    if not difference <= TOLERANCE:
        raise BackendError(f"this network cannot be converted to {name}: the result predicts something else ({difference:.2g})")


def _example(network: keras.Model) -> Any:
    """64 rows of normally distributed encoded inputs, in a dict where the network has several inputs."""
    draws = np.random.default_rng(0)
    values = {tensor.name: draws.normal(size=(64, tensor.shape[1])).astype(np.float32) for tensor in network.inputs}
    return values if len(values) > 1 else next(iter(values.values()))


def _difference(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """The largest difference, in units of the largest expected value where that is above 1."""
    return float(np.abs(expected - found).max() / max(1.0, float(np.abs(expected).max())))


def _to_tflite(network: keras.Model, file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        file.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def _to_onnx(network: keras.Model, file: Path) -> None:
    _convert_complementary_error_function()
    network.export(file, format="onnx", verbose=False)


def _convert_complementary_error_function() -> None:
    """Teach the converter the operation of the exact GELU, 1 - erf(x), which it does not know."""
    from tf2onnx.handler import tf_op  # noqa: PLC0415  # it need not be installed

    def convert(_: type[Any], context: Any, node: Any, /, **__: Any) -> None:
        """Replace Erfc(x) by 1 - Erf(x)."""
        output, shape, dtype = node.output[0], context.get_shape(node.output[0]), context.get_dtype(node.output[0])
        read = list(node.input)
        context.remove_node(node.name)
        error = context.make_node("Erf", read, shapes=[shape], dtypes=[dtype])
        one = context.make_const(f"{node.name}_one", np.array(1.0, np.float32))
        context.make_node(
            "Sub", [one.output[0], error.output[0]], name=node.name, outputs=[output], shapes=[shape], dtypes=[dtype]
        )

    tf_op("Erfc")(type("Erfc", (), {"version_9": classmethod(convert)}))


@contextmanager
def _silent() -> Iterator[None]:
    """Without what converters print, log and warn of."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), silence_stderr():
        warnings.simplefilter("ignore")
        yield


_CONVERTERS: Mapping[str, tuple[Callable[[keras.Model, Path], None], tuple[str, ...]]] = {
    ".onnx": (_to_onnx, ("tf2onnx", "onnx", "onnxruntime")),
    ".tflite": (_to_tflite, ()),
}
"""By suffix what converts, and the packages that it needs beyond TensorFlow."""
