"""Calls a function in a thread, while this one waits for workers that train."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_background(function: Callable[[], Result]) -> Callable[[], Result]:
    """Call a function in a thread of its own.

    Returns:
        What waits for its result; an error of the function is raised there. Where nobody waits, because something else failed
        or was interrupted, the thread does not keep the process from ending.
    """
    future: Future[Result] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  # whatever it is: it is raised where the result is waited for
            future.set_exception(error)

    threading.Thread(target=call, name=getattr(function, "__name__", "background"), daemon=True).start()
    return future.result
