"""Operations on tensors that a compiled program is made of.

`TENSORS` are those that losses, activations and layers expect (see `models/arrays.py`); the functions read and write rows of
the program's arrays. XLA updates a loop's buffer in place only if it can prove that every read of it comes before the write;
`index_after` adds the dependency that proves it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import DTypeLike, NDArray
from tensorflow.compiler.tf2xla.python.xla import dynamic_update_slice  # what keras.ops.slice_update calls, without Keras

from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.training.program.program_arrays import Tensor


class TensorOperations:
    """`ArrayOperations` of TensorFlow."""

    abs = staticmethod(tf.abs)
    clip = staticmethod(tf.clip_by_value)
    concatenate = staticmethod(tf.concat)
    einsum = staticmethod(tf.einsum)
    erf = staticmethod(tf.math.erf)
    exp = staticmethod(tf.exp)
    log = staticmethod(tf.math.log)
    maximum = staticmethod(tf.maximum)
    ones_like = staticmethod(tf.ones_like)
    relu = staticmethod(tf.nn.relu)
    sign = staticmethod(tf.sign)
    sqrt = staticmethod(tf.sqrt)
    tanh = staticmethod(tf.tanh)
    where = staticmethod(tf.where)
    zeros_like = staticmethod(tf.zeros_like)

    @staticmethod
    def indicator(condition: Array) -> Array:
        """1.0 where the condition holds, else 0.0."""
        return tf.cast(condition, tf.float32)


TENSORS: ArrayOperations = TensorOperations()
"""TensorFlow's operations."""


ALIGNMENT = 64
"""The bytes of which a tensor's memory begins at a multiple."""


def zeros_to_share(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
    """A new array of zeros whose memory a tensor can share (see `sharing_tensor`)."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size].view(kind).reshape(shape)


def sharing_tensor(array: NDArray[Any]) -> Tensor:
    """The tensor of an array that is large and nobody else writes to: on a CPU it shares the array's memory.

    `tf.constant` would copy it twice, and keep the memory of one copy for later tensors.

    Args:
        array: From `zeros_to_share`.
    """
    return tf.identity(tf.experimental.dlpack.from_dlpack(array.__dlpack__()))  # the identity copies it to a GPU


def _start(index: Tensor, array: Tensor, unit: int = 0) -> Tensor:
    return tf.stack([index, tf.constant(unit), tf.constant(0)][: len(array.shape)])


def read_rows(array: Tensor, index: Tensor, count: int) -> Tensor:
    """`array[index : index + count]`."""
    return tf.slice(array, _start(index, array), [count, *array.shape[1:]])


def write_rows(array: Tensor, index: Tensor, rows: Tensor, unit: int = 0) -> Tensor:
    """`array` with `rows` written from row `index` on, and within each row from `unit` on."""
    return write_block(array, _start(index, array, unit), rows)


def write_block(array: Tensor, start: Tensor, block: Tensor) -> Tensor:
    """`array` with `block`, of the same rank, written from the position `start` on."""
    return dynamic_update_slice(array, block, start)


def with_ones(array: Tensor, infinity: Tensor) -> Tensor:
    """`array` with a unit of ones before the others.

    The ones are computed from `infinity`, an input whose value XLA does not know: otherwise it would compute the whole array,
    megabytes of it, when it compiles, and store it in the program.
    """
    one = tf.cast(infinity > 0.0, tf.float32)
    return tf.pad(array, [[0, 0], [1, 0], [0, 0]], constant_values=one)


def index_after(index: Tensor, array: Tensor, infinity: Tensor) -> Tensor:
    """`index`, computed so that it depends on `array`: a write there comes after every read that `array` depends on.

    Args:
        index: The row.
        array: Computed from the reads that must come first.
        infinity: Infinity, as an input of the program: no value of `array` exceeds it, which XLA does not know.
    """
    return index + tf.cast(tf.reshape(array, [-1])[0] > infinity, tf.int32)


def repeat(count: Tensor, body: Any, *carried: Any) -> Any:
    """A loop in the program: `for i in range(count): carried = body(i, *carried)`."""
    return tf.while_loop(lambda i, *_: i < count, lambda i, *now: (i + 1, *body(i, *now)), (0, *carried))[1:]
