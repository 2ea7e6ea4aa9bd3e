"""What can go wrong because of what someone gave us, as a tree.

    UserError                 anything a person can mend: printed as one message, exit code 2
    ├── ConfigError           a YAML file, a `--set` or a search space says what it cannot mean
    ├── DataError             a table is missing, unreadable, or unfit for the experiment
    │   └── DownloadError     the built-in table could not be fetched or was not what it should be
    ├── TrackingError           the tracking store cannot be reached, or holds something unexpected
    │   └── TrackingServerUnavailableError   its server does not answer at present: what is to be recorded may wait
    ├── BackendError           a driver or trainer cannot do what the experiment asks of it
    └── OptunaExportError            the Optuna storage that a sweep is exported to cannot be used

Errors of the libraries below are turned into one of these where the library is called. Any other exception is a defect of
ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_CODE = 2


class UserError(Exception):
    """Something the user can mend.

    Args:
        message: What was given, what was expected, and how to mend it, in one or two sentences.
        where: The place, as `file:line` where a file is concerned.
    """

    def __init__(self, message: str, where: str = "") -> None:
        self.message = message
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)


class ConfigError(UserError):
    """A YAML file, a `--set` or a search space says what it cannot mean."""


class DataError(UserError):
    """A table is missing, unreadable, or unfit for the experiment."""


class DownloadError(DataError):
    """The built-in table could not be fetched, or was not what it should be."""


class TrackingError(UserError):
    """The tracking store cannot be reached, or holds something unexpected."""


class TrackingServerUnavailableError(TrackingError):
    """The tracking store's server does not answer at present: what is to be recorded may wait."""


class BackendError(UserError):
    """A driver or trainer cannot do what the experiment asks of it."""


class OptunaExportError(UserError):
    """The Optuna storage that a sweep is exported to cannot be used."""


class DeprecatedKeyWarning(FutureWarning):
    """A YAML file or a `--set` names a key as it was called before; it is still read."""


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """The nearest valid word as the end of a sentence, or nothing: `"; did you mean 'mae'?"`.

    Letters may be swapped, dropped or of the other case (`EP` for `PE`, `mea` for `mae`).
    """
    near = nearest(given, valid)
    return f"; did you mean '{near}'?" if near else ""


def nearest(given: str, valid: Iterable[str]) -> str:
    """The valid word that looks most like the given one, the first of equals; empty if none looks like it."""
    near = max(valid, key=lambda word: likeness(given, word), default="")
    return near if likeness(given, near) >= 0.5 else ""


def likeness(one: str, other: str) -> float:
    """How much two words look alike, from 0 to 1, and above 1 where they have the same letters in another order."""
    a, b = one.casefold(), other.casefold()
    return difflib.SequenceMatcher(None, a, b).ratio() + (sorted(a) == sorted(b))
