"""The errors that a user can correct, as a tree, and suggestions of the nearest valid word.

    UserError                                anything that a user can correct: printed as one message, exit code 2
    ├── ConfigError                          a value in a YAML file, a `--set` or a search space is wrong
    ├── DataError                            a table is missing, unreadable, or does not fit the experiment
    │   └── DownloadError                    the built-in table could not be downloaded, or is not the published one
    ├── TrackingError                        the tracking store cannot be reached, or contains something unexpected
    │   ├── TrackingServerUnavailableError   its server does not respond at present: recording can wait
    │   ├── FilesRefusedError                its server or its disk does not take the files of a run
    │   └── UnreadableRecordError            a run or a version was changed by others, or written by half
    ├── BackendError                         a driver or trainer cannot do what the experiment asks of it
    │   └── ProgramCacheError                compiled programs cannot be read from disk or written to it
    └── OptunaExportError                    the Optuna storage that a sweep is exported to cannot be used

Errors of the libraries below are turned into one of these where the library is called. The command line also prints what the
operating system refuses (`OSError`) as one message (`cli/failures.py`). Any other exception is a defect of branchsweep and
keeps its traceback.
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

EXIT_CODE = 2
"""The exit code of the command line after a `UserError`."""


class UserError(Exception):
    """Something that the user can correct.

    Args:
        message: What was given, what was expected, and how to correct it, in one or two sentences.
        where: The location, as `file:line` where a file is concerned.
    """

    def __init__(self, message: str, where: str = "") -> None:
        self.message, self.where = without_url_secrets(message), without_url_secrets(where)
        super().__init__(f"{escape_controls(self.where)}: {self.message}" if where else self.message)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to correct in what a user has written.

    Args:
        where: The file and line, or the override.
        key: The key that the message is about, such as `heads.PE.loss`; empty where it is about the whole file.
        message: What was given, what was expected, and how to correct it.
    """

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.where, self.key, self.message)))


class ConfigError(UserError):
    """A value in a YAML file, a `--set` or a search space is wrong.

    Args:
        message: As in `UserError`.
        where: Likewise.
        mistakes: Everything that is wrong; by default the message alone.
    """

    def __init__(self, message: str, where: str = "", mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__(message if mistakes else escape_controls(message), where)
        self.mistakes = tuple(mistakes) or (Mistake(where, "", message),)

    @classmethod
    def of(cls, mistakes: Sequence[Mistake], further: int = 0) -> ConfigError:
        """The error with the first `MOST_MISTAKES` mistakes, one per line, and the number of the others, located at the first.

        Args:
            mistakes: One or more.
            further: At least so many were found besides.
        """
        first = mistakes[0]
        lines = [f"{first.key}: {first.message}" if first.key else first.message, *map(str, mistakes[1:])]
        lines = list(map(escape_controls, lines))  # a name may have line breaks
        return cls("\n".join(first_mistakes(lines, further, is_exact=not further)), first.where, mistakes)


class DataError(UserError):
    """A table is missing, unreadable, or does not fit the experiment."""


class DownloadError(DataError):
    """The built-in table could not be downloaded, or is not the published one."""


class TrackingError(UserError):
    """The tracking store cannot be reached, or contains something unexpected."""


class TrackingServerUnavailableError(TrackingError):
    """The tracking store's server does not respond at present: recording can wait."""


class FilesRefusedError(TrackingError):
    """A store does not keep the files that belong to a record."""


class UnreadableRecordError(TrackingError):
    """A run, a version or a file in the tracking store was changed by others, or written by half."""


class BackendError(UserError):
    """A driver or trainer cannot do what the experiment asks of it."""


class ProgramCacheError(BackendError):
    """Compiled programs cannot be read from disk or written to it, because it is full or damaged: train without them."""


class OptunaExportError(UserError):
    """The Optuna storage that a sweep is exported to cannot be used."""


MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What Python raises where recorded data is not of the form that it was written in."""


@contextmanager
def reading_record(record: str, remedy: str = "") -> Iterator[None]:
    """A context in which recorded data is read, which others may have changed.

    Args:
        record: Which file or part is read.
        remedy: What helps besides undoing the change, as a sentence.

    Raises:
        UnreadableRecordError: It is not of the form that it was written in.
    """
    try:
        yield
    except MALFORMED as error:
        why = repr(error).splitlines()[0]
        further = f" {remedy}" if remedy else ""
        raise UnreadableRecordError(f"{record} cannot be read ({why}): was it edited by hand?{further}") from error


class DeprecatedKeyWarning(FutureWarning):
    """A YAML file or a `--set` has a key by its old name, which is still read.

    Args:
        where: The file and line, or the override; empty for a key in Python.
        old: The key by its old name, such as `search.known`.
        new: The key by its present name.
    """

    def __init__(self, where: str, old: str, new: str) -> None:
        super().__init__(f"{where and f'{where}: '}{old} is now called {new}; the old name is still read")
        self.where, self.old, self.new = where, old, new


class HeadNameWarning(UserWarning):
    """A YAML file names a head by a column whose name cannot be that of a head, so the head has another one.

    Args:
        where: The file and line.
        column: The column, such as `25400` or `y+z`.
        name: The name of the head, such as `head_25400` or `y_z`.
    """

    def __init__(self, where: str, column: str, name: str) -> None:
        super().__init__(f"{where}: the head of column '{column}' is called {name}")
        self.where, self.column, self.name = where, column, name


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """The nearest valid word as the end of a message: `"; did you mean 'mae'?"`; empty if there is none.

    Args:
        given: A word with letters swapped, dropped or of the other case (`EP` for `PE`, `mea` for `mae`).
        valid: The valid words.
    """
    word = nearest(given, valid)
    return f"; did you mean '{word}'?" if word else ""


def nearest(given: str, valid: Iterable[str]) -> str:
    """The valid word that is most similar to the given one, the first of equals; empty if none is similar.

    No word is similar to one of more than `LONGEST_COMPARED` letters: comparing takes time that grows with their square.
    """
    if len(given) > LONGEST_COMPARED:
        return ""
    word = max(valid, key=lambda word: similarity(given, word), default="")
    return word if similarity(given, word) >= LEAST_SIMILARITY else ""


LEAST_SIMILARITY = 0.5
"""The similarity from which a word is suggested."""

LONGEST_COMPARED = 200
"""The most letters of a word for which a similar one is looked for."""


def similarity(first: str, second: str) -> float:
    """The similarity of two words, from 0 to 1, and 1 more where they have the same letters in any order."""
    a, b = first.casefold(), second.casefold()
    return difflib.SequenceMatcher(None, a, b).ratio() + (sorted(a) == sorted(b))


MOST_MISTAKES = 20
"""The most mistakes of one file that a message names."""


def first_mistakes(lines: Sequence[str], further: int = 0, is_exact: bool = True) -> list[str]:
    """The first `MOST_MISTAKES` of the lines of a message, and a line that says how many more mistakes there are.

    Args:
        lines: A mistake each.
        further: Mistakes that are not among them.
        is_exact: Whether there are so many further ones, or at least so many.
    """
    further += max(0, len(lines) - MOST_MISTAKES)
    if not further:
        return list(lines)
    count = f"{further:,}" if is_exact else f"at least {further:,}"
    return [*lines[:MOST_MISTAKES], f"and {count} more mistake{'s' if further > 1 or not is_exact else ''}"]


REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "free space on that disk",
    errno.EDQUOT: "free space within your quota",
    errno.EMFILE: "allow more open files at once, such as with: ulimit -n 1024",
    errno.ENFILE: "the system has too many open files: end other programs",
    errno.ENOMEM: "free memory, or start fewer workers (--workers)",
    errno.EAGAIN: "the system starts no more processes: end others, or start fewer workers (--workers)",
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.EROFS: "let that file system be written to",
    errno.ENAMETOOLONG: "shorten the path",
    errno.ENOENT: "correct the path, put back what was moved or deleted",
    errno.EIO: "is that disk, or the terminal, still there?",
}
"""What helps, by the code of the operating system."""

_OF_ONE_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOENT}
"""Codes of what another path may not have."""


def remedy(code: int | None, otherwise: str) -> str:
    """What helps against an error of the operating system, as the end of a message; empty where that is not known.

    Args:
        code: The error's `errno`.
        otherwise: What helps too where the fault is one of the path, such as `name another folder`.
    """
    helps = REMEDIES.get(code or 0, "")
    return f"{helps}, or {otherwise}" if code in _OF_ONE_PLACE else helps


def reason(error: BaseException) -> str:
    """The first line of an exception's innermost cause, which is that of the network, the database or the system."""
    is_from_network = "failed with exception" in str(error)  # where MLflow does not name the cause as one
    while cause := error.__cause__ or (error.__context__ if is_from_network else None):
        error = cause
    return first_line(error)


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, at most `LONGEST_WORD` letters, or the exception's name.

    Where that line ends with a colon, a traceback follows, whose last line says what is wrong.
    """
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    line = f"{first} {others[-1].strip()}" if others and first.endswith(":") else first
    return line if len(line) <= LONGEST_WORD else f"{line[: LONGEST_WORD - 1]}…"


LONGEST_WORD, LONGEST_LINE = 300, 3000
"""The most letters of a word, and of a line, that a message shows in full."""

_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")
"""What is no text: controls of terminals, line breaks, marks that turn the direction of writing, halves of surrogate pairs."""


def without_url_secrets(text: str) -> str:
    """A text without the user names and passwords of URLs in it, and without the values of their parameters.

    Addresses of stores hide what is secret in them by themselves (`config.addresses`). This is for URLs that a user gives where
    a file, a name or a number is expected, which messages repeat: also where a path has made one slash of two.
    """
    return _URL_PARAMETERS.sub(rf"\1{HIDDEN}", _URL_USER.sub(rf"\1{HIDDEN}@", text))


HIDDEN = "***"
"""Stands for what is secret."""

_URL_USER = re.compile(r"((?<![A-Za-z0-9+.-])(?!models:|runs:)[A-Za-z][A-Za-z0-9+.-]+:/{1,2})[^\s/'\"]*(?:/[^\s/'\"]*)??@")
"""A scheme and what follows it up to `@`: not the addresses of MLflow's models, nor the drive of a Windows path."""

SENSITIVE_PARAMETERS = "pass|pwd|token|secret|key|auth|user|sig|credential"
"""Parts of the names of parameters whose values are secret, as alternatives of a regular expression."""

_URL_PARAMETERS = re.compile(
    rf"([?&][^\s=&?'\"]*(?:{SENSITIVE_PARAMETERS})[^\s=&?'\"]*=)[^\s'\",;:)]+",
    re.IGNORECASE,  # a name ends at the next mark, so that the time does not grow with the number of marks in a long text
)
"""A parameter of a URL that names a secret, and all that follows it."""


def shortened(text: str, most: int) -> str:
    """The text, without its middle where it is longer than `most` letters."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}… ({len(text):,} letters) …{text[-half:]}"


def with_short_words(text: str) -> str:
    """The text, without the middle of words of more than `LONGEST_WORD` letters."""
    return _LONG_WORD.sub(lambda word: shortened(word[0], LONGEST_WORD), text)


def escape_controls(text: str, keep: str = "") -> str:
    r"""The text with each control character (`CONTROL`) as Python writes it: `\x1b`, `\n`, `\u202e`.

    Args:
        text: May hold names and units of the user, which may be any text.
        keep: Control characters that stay, such as the line breaks of a text of several lines.
    """
    return CONTROL.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def printable(message: str) -> str:
    """A message for a terminal: without the middle of endless words and lines, with escapes for control characters.

    What users give stands in messages as it is: a path of thousands of letters, or a name with the controls that colour a
    terminal.
    """
    short = (shortened(with_short_words(line), LONGEST_LINE) for line in message.split("\n"))
    return escape_controls("\n".join(short), keep="\n")
