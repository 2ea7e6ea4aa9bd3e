"""Addresses of tracking stores, databases and downloads, as users give them: shown without what is secret in them.

Secret are the user's name and password before the host, and the values of parameters after the question mark, some of which
are passwords as well. An address is wrapped in an `Address` where it is given (an option, an environment variable, an
argument), and unwrapped where a library connects to it. In between, whatever is made of it as text hides the secrets.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from branchsweep.errors import HIDDEN, SENSITIVE_PARAMETERS

_FILE = re.compile(r"sqlite(\+\w+)?:///")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+")

_SECRET_PARAMETER = re.compile(SENSITIVE_PARAMETERS, re.IGNORECASE)
"""Parameters whose values are removed from the messages of libraries."""


class Address:
    """An address whose text is `scheme://***@host:port/path?***`, in messages as in `repr`; equal are whole addresses.

    It is no dataclass, so that it can be written to no JSON by accident.

    Args:
        given: The whole address, such as `sqlite:///mlflow.db` or `postgresql://bob:password@host/db`.
    """

    __slots__ = ("_given",)

    def __init__(self, given: str) -> None:
        self._given: Final = given

    def with_secrets(self) -> str:
        """The whole address, for the library that connects to it; `tests/config/test_addresses.py` lists who asks for it."""
        return self._given

    def remove_secrets(self, text: str) -> str:
        """A text, such as a library's message about this address, without the secrets of the address."""
        if str(self) == self._given:
            return text
        text = text.replace(self._given, str(self))
        for secret in sorted(_secrets(self._given), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def __str__(self) -> str:
        return _public(self._given)

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __format__(self, form: str) -> str:
        return format(str(self), form)

    def __bool__(self) -> bool:
        return bool(self._given)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other._given == self._given

    def __hash__(self) -> int:
        return hash(self._given)


def _public(address: str) -> str:
    """The address as it may be shown.

    An address whose secrets cannot be told from the rest is shown by its scheme alone: a password may hold `@`, `/` and `?`.
    One that is mistyped may hold a password all the same.
    """
    if _FILE.match(address):
        return address
    scheme, rest = _split(address)
    user_info, at, place = rest.rpartition("@")
    if at and not scheme and ":" not in user_info:  # the name of a file
        return address
    if "?" in user_info:
        return f"{scheme}{HIDDEN}"
    place, query, parameters = place.partition("?")
    if query and not scheme and "=" not in parameters:  # likewise
        return f"{HIDDEN + at if at else ''}{place}{query}{parameters}"
    place, fragment, _ = place.partition("#" if scheme else "\0")
    return f"{scheme}{HIDDEN + at if at else ''}{place}{fragment + HIDDEN if fragment else ''}{query + HIDDEN if query else ''}"


def _split(address: str) -> tuple[str, str]:
    """The scheme with its colon and slashes, empty where there is none; and the rest."""
    match = _SCHEME.match(address)
    scheme = match[0] if match else ""
    return scheme, address[len(scheme) :]


def _secrets(address: str) -> set[str]:
    """What is secret in an address, as it stands there and as it is sent."""
    rest = _split(address)[1]
    user_info = rest.rpartition("@")[0]
    user, _, password = user_info.partition(":")
    parameters = parse_qsl(rest.partition("?")[2])
    found = {user_info, password or user, *(value for name, value in parameters if _SECRET_PARAMETER.search(name))}
    return {form for secret in found for form in (secret, unquote(secret), quote(secret, safe="")) if form}
