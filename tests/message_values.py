"""The values that a message names: what a test asserts of it where its wording is free."""

from __future__ import annotations

import re


def message_values(message: str) -> list[str]:
    """The quoted words, with their quotes, and the numbers of a message, from left to right."""
    return re.findall(r"'[^']*'|(?<![\w.])-?\d+(?:\.\d+)?", message)
