"""The sizes of a program's arrays that depend on the table and its folds; no TensorFlow, so that they can be told beforehand.

Programs for tables of ordinary size have one shape, whatever streams and folds a population has, so that each is compiled once.
The arrays of a large table, in which room costs gigabytes, have little more room than is in use.
"""

from __future__ import annotations

from dataclasses import dataclass

from branchsweep.training.packing import MAX_STREAMS

EPOCHS = 10
"""Epochs trained by one call of a program, at most."""

LARGE_TABLE_EPOCHS = 2
"""The same with a large table, whose epochs take seconds."""

LARGE_BYTES = 1 << 30
"""Bytes of `MAX_STREAMS` encoded tables from which on a table is large."""

MOST_STREAM_BYTES = 1 << 28
"""The most bytes of streams (encoded rows, see `batches.Stream`) that a trainer keeps for further populations."""

VALIDATION_PARTS = 8
"""With a large table, room for validation rows is a multiple of this part of it: an experiment has a few shapes at most."""


@dataclass(frozen=True, slots=True)
class ArrayShapes:
    """The sizes of a program's arrays that depend on the table and its folds.

    Args:
        streams: R, the streams that there is room for.
        batches: C, the batches that there is room for in an epoch.
        validation_batches: V, the batches of validation rows that there is room for.
        epochs: E, the epochs of one call, at most.
    """

    streams: int
    batches: int
    validation_batches: int
    epochs: int

    @property
    def is_of_large_table(self) -> bool:
        """Whether there is little more room than is in use."""
        return self.epochs == LARGE_TABLE_EPOCHS


def array_shapes(table: tuple[int, int], batch_size: int, streams: int, validation: int) -> ArrayShapes:
    """The sizes of the arrays of a population.

    Args:
        table: The rows and columns of an encoded table: inputs, targets, and their weights if they have some.
        batch_size: Rows of a batch.
        streams: The streams of the population, at most `MAX_STREAMS`.
        validation: The most validation rows of one of them.
    """
    rows, columns = table
    batches = -(-rows // batch_size)
    if 4 * rows * columns * MAX_STREAMS <= LARGE_BYTES:
        return ArrayShapes(MAX_STREAMS, batches, batches, EPOCHS)
    part = -(-batches // VALIDATION_PARTS)
    parts = max(1, -(-validation // (part * batch_size)))
    return ArrayShapes(
        streams=min(MAX_STREAMS, 1 << (streams - 1).bit_length()),
        batches=batches,
        validation_batches=min(batches, parts * part),
        epochs=LARGE_TABLE_EPOCHS,
    )
