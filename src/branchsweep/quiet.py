"""Keeps TensorFlow's first words off the screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent_start() -> Iterator[None]:
    """Within it, nothing reaches standard error, not even from C++.

    TensorFlow speaks of CUDA and oneDNN while it is imported and when it first looks for devices, before any of its settings
    can silence it. Only imports belong inside: an exception still passes, but what a library prints is lost.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
