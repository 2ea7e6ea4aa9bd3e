"""Waits for a server that is unavailable, and tells the user."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from branchsweep.errors import TrackingServerUnavailableError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between attempts at a server that is unavailable: doubled each time, up to the longest."""

Value = TypeVar("Value")


def pauses() -> Iterator[float]:
    """Seconds to wait before each next attempt, without an end."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Retries:
    """Repeats what a server that is unavailable did not do.

    Args:
        on_message: Called with a sentence when the server becomes unavailable, and when it is back.
    """

    on_message: Callable[[str], None]

    def call(self, action: Callable[[], Value]) -> Value:
        """Do something with the store that may be repeated.

        Args:
            action: Called again, after a pause, as long as the server is unavailable.

        Returns:
            What the action returns.
        """
        for attempt, pause in enumerate(pauses()):
            try:
                answer = action()
            except TrackingServerUnavailableError as away:
                if attempt == 0:
                    self.on_message(
                        f"the server is unavailable: {away}. Waiting for it; Ctrl-C leaves the rest to the next start"
                    )
                time.sleep(pause)
            else:
                if attempt:
                    self.on_message("the server is available again")
                return answer
        raise AssertionError("pauses have no end")
