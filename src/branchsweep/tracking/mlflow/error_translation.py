"""Turns whatever comes out of MLflow, its database or its server into errors that say what was done where, and what helps.

This is the one place for it: every call of MLflow is made in the context of `translate_errors`.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import requests
import sqlalchemy
from mlflow.exceptions import MlflowException

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError, TrackingServerUnavailableError, UserError, reason, remedy
from branchsweep.tracking.mlflow.checked_client import UnexpectedAnswerError
from branchsweep.tracking.mlflow.request_limits import limited_requests
from branchsweep.tracking.tracking_uri import is_server

UNAVAILABLE_STATUSES = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""What a proxy answers for a server that is unavailable. MLflow's client retries these; its client for artifacts does not."""

UNAVAILABLE = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.RetryError,
    requests.exceptions.ChunkedEncodingError,
)
"""No answer, one that took too long, one of a status that was retried in vain, and half of one."""

_IS_IT_MLFLOW = "is an MLflow server running there, and may you use it?"

_NOT_ITS_ANSWER = "that is no answer of an MLflow server: is there a sign-in page, a proxy or another program at this address?"

_ADVICE_BY_CODE = {
    "PERMISSION_DENIED": "ask for the right, or sign in as another user: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "UNAUTHENTICATED": "sign in: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "CUSTOMER_UNAUTHORIZED": "sign in: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "INVALID_PARAMETER_VALUE": "MLflow refuses this value, and will again: shorten or change it in the experiment",
    "BAD_REQUEST": "MLflow refuses this value, and will again: shorten or change it in the experiment",
    "REQUEST_LIMIT_EXCEEDED": "the server limits requests: run the same command again later",
    "RESOURCE_DOES_NOT_EXIST": "was it deleted? Restore it in MLflow, or start anew (branchsweep run --fresh)",
    "ENDPOINT_NOT_FOUND": "is the path of the address right, and the server as new as this MLflow?",
}
"""What helps, by MLflow's error code: repeating the command does not."""

_ANOTHER_STORE = "name another store (--tracking-uri)"

_ADVICE_BY_TEXT = {
    "out-of-date database schema": "back it up, then run: mlflow db upgrade {where}",
    "can't locate revision": f"the database is of a newer MLflow: install that, or {_ANOTHER_STORE}",
    "database or disk is full": remedy(errno.ENOSPC, _ANOTHER_STORE),
    "disk i/o error": "is the disk full or broken? What was recorded before is safe",
    "readonly database": remedy(errno.EACCES, _ANOTHER_STORE),
    "unable to open database": remedy(errno.EACCES, _ANOTHER_STORE),
    "malformed": f"the database is damaged: restore a backup, or {_ANOTHER_STORE}",
    "not a database": f"the database is damaged: restore a backup, or {_ANOTHER_STORE}",
    "no such table": f"a part of the database is missing: restore a backup, or {_ANOTHER_STORE}",
    "no such column": f"a part of the database is missing: restore a backup, or {_ANOTHER_STORE}",
}
"""What helps, by what the reason says, for the databases."""


@contextmanager
def translate_errors(uri: Address, doing: str, refusal: type[TrackingError] = TrackingError) -> Iterator[None]:
    """Turn the exceptions of MLflow, its database and its server into TrackingErrors.

    A server, or a proxy before it, may answer anything, and MLflow fails on that in many ways (`ParseError`, `KeyError`, …): so
    every exception from inside of MLflow counts as one of the store, and one of our own code as a defect.

    Args:
        uri: The store's URI in full.
        doing: What is done in the context, as the subject of "failed".
        refusal: The exception to raise unless the server is unavailable.

    Raises:
        TrackingServerUnavailableError: Nobody answers in time at the server's URI, or a proxy says that it is unavailable.
        TrackingError: Any other failure, as `refusal`.
    """
    try:
        with limited_requests():
            yield
    except UserError:
        raise
    except Exception as error:
        if not (isinstance(error, (MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError)) or _is_from_mlflow(error)):
            raise
        kind = TrackingServerUnavailableError if is_server(uri) and _is_away(error) else refusal
        said = uri.remove_secrets(reason(error))
        raise kind(f"{doing} failed at {uri}: {said} ({_advice(uri, error)})") from error


def is_absent(error: MlflowException) -> bool:
    """Whether MLflow says that there is no such model, version or alias (which has no code of its own)."""
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or ("alias" in str(error) and "not found" in str(error))


def _advice(uri: Address, error: Exception) -> str:
    """What helps against an error."""
    said = reason(error).lower()
    by_text = [advice for text, advice in _ADVICE_BY_TEXT.items() if text in said]
    if by_text:
        return by_text[0].format(where=uri)
    code = error.error_code if isinstance(error, MlflowException) else ""
    if code in _ADVICE_BY_CODE:
        return _ADVICE_BY_CODE[code]
    by_number = [remedy(cause.errno, _ANOTHER_STORE) for cause in _chain(error) if isinstance(cause, OSError)]
    if any(by_number):
        return next(filter(None, by_number))
    if is_server(uri):
        return _NOT_ITS_ANSWER if _is_nonsense(error) else _IS_IT_MLFLOW
    if isinstance(error, UnexpectedAnswerError):
        return "was it edited by hand? Restore it in MLflow, or restore a backup of the store"
    return "what was recorded is safe; run the same command again to go on"


def _is_away(error: BaseException) -> bool:
    """Whether an exception was caused by a server that does not answer, or by a proxy that answers for it."""
    for cause in _chain(error):
        response = cause.response if isinstance(cause, requests.HTTPError) else None
        if isinstance(cause, UNAVAILABLE) or (response is not None and response.status_code in UNAVAILABLE_STATUSES):
            return True
    return False


def _is_nonsense(error: Exception) -> bool:
    """Whether a server's answer could not be read."""
    is_unreadable = isinstance(error, UnexpectedAnswerError) or not isinstance(error, (MlflowException, OSError))
    is_page = any(isinstance(cause, requests.exceptions.ContentDecodingError) for cause in _chain(error))
    return is_unreadable or is_page or "not in a valid JSON format" in str(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that it was raised from or while handling."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _is_from_mlflow(error: Exception) -> bool:
    """Whether an exception was raised by MLflow or below it, and not by code of ours that MLflow called."""
    packages = [frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in traceback.walk_tb(error.__traceback__)]
    last = max((index for index, package in enumerate(packages) if package == "branchsweep"), default=-1)
    return "mlflow" in packages[last + 1 :]
