"""The sizes of a program's arrays that depend on the table; it imports no TensorFlow, so that they can be told beforehand."""

from __future__ import annotations

from branchsweep.training.packing import MAX_STREAMS

CHUNK = 10
"""Epochs trained by one call of a program, at most."""

LARGE_BYTES = 1 << 30
"""Bytes of `MAX_STREAMS` encoded tables from which on arrays have room for no more streams than are in use."""


def room_for_streams(in_use: int, table_bytes: int) -> int:
    """How many streams the arrays of a program have room for.

    Programs for tables of ordinary size have one shape, whatever number of streams is in use. For a large table, in which room
    costs gigabytes, it is the next power of two, so that an experiment has a few shapes at most.

    Args:
        in_use: The streams of a population.
        table_bytes: Of one encoded table.
    """
    return MAX_STREAMS if MAX_STREAMS * table_bytes <= LARGE_BYTES else min(MAX_STREAMS, 1 << (in_use - 1).bit_length())
