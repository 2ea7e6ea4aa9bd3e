"""How processes are started beside this one: by spawn, without its main module, ignoring Ctrl-C, and ending with it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SPAWN = multiprocessing.get_context("spawn")
"""How worker processes are started: TensorFlow does not survive a fork."""


@contextmanager
def without_main_module() -> Iterator[None]:
    """Processes that are started in this context do not import the main module.

    A new process imports the script that started it, as far as multiprocessing knows of one. Workers need nothing of it, and a
    script that runs a sweep without `if __name__ == "__main__"` would run it again in each of them.
    """
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    vars(main).pop("__file__", None)
    vars(main)["__spec__"] = None
    try:
        yield
    finally:
        vars(main).pop("__spec__")
        vars(main).update(kept)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes that are started in this context take no notice of Ctrl-C, not even while they import what they need.

    It is sent to them as to their parent, which ends them.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which a new process inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process when its parent ends, even if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "it was started by one"

    def exit_after_parent() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=exit_after_parent, daemon=True).start()
