"""Addresses of tracking stores and of databases, as users give them: shown without what is secret in them.

Secret are the user's name and password before the host, and the values of parameters after the question mark, some of which are
passwords as well. Messages, tags and files show an address by `public_address`; what a library says about it passes through
`without_secrets`.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote

HIDDEN = "***"
"""Stands for what is secret."""

_SECRET_PARAMETER = re.compile(r"pass|pwd|token|secret|key|auth|user", re.IGNORECASE)
"""Parameters whose values are removed from the messages of libraries."""


def public_address(address: str) -> str:
    """The address as it may be shown: `scheme://***@host:port/path?***`.

    An address whose secrets cannot be told from the rest is shown by its scheme alone: a password may hold `@`, `/` and `?`.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or scheme.partition("+")[0] == "sqlite":  # a file
        return address
    user_info, at, place = rest.rpartition("@")
    if "?" in user_info:
        return f"{scheme}://{HIDDEN}"
    place, query, _ = place.partition("?")
    return f"{scheme}://{HIDDEN + at if at else ''}{place}{query + HIDDEN if query else ''}"


def without_secrets(text: str, address: str) -> str:
    """A text, such as a library's message about an address, without the secrets of that address."""
    if public_address(address) == address:
        return text
    text = text.replace(address, public_address(address))
    for secret in sorted(_secrets(address), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _secrets(address: str) -> set[str]:
    """What is secret in an address, as it stands there and as it is sent."""
    rest = address.partition("://")[2]
    user_info = rest.rpartition("@")[0]
    user, _, password = user_info.partition(":")
    parameters = parse_qsl(rest.partition("?")[2])
    found = {user_info, password or user, *(value for name, value in parameters if _SECRET_PARAMETER.search(name))}
    return {form for secret in found for form in (secret, unquote(secret), quote(secret, safe="")) if form}
