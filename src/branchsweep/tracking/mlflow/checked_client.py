"""MLflow's client, with answers that are checked: a server, or a proxy before it, may answer `{}`, or half of what was asked.

MLflow reads such an answer as a run or a model with empty fields. What it answers to a search may be empty, but what is in it
has to have an id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

CHECKED = (
    *("search_experiments", "get_experiment_by_name", "create_experiment"),
    *("search_runs", "get_run", "create_run"),
    *("search_registered_models", "get_registered_model"),
    *("search_model_versions", "get_model_version", "get_model_version_by_alias", "create_model_version"),
    *("search_logged_models", "create_logged_model"),
)
"""The methods whose answers are checked: all that read something, or make something with an id."""


class UnexpectedAnswerError(MlflowException):
    """An answer that lacks what identifies the thing that was asked for."""


class CheckedClient(MlflowClient):
    """An `MlflowClient` that raises `UnexpectedAnswerError`."""


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method with a check of its answer."""

    @wraps(method)
    def check(client: CheckedClient, *args: Any, **kwargs: Any) -> Any:
        answer = method(client, *args, **kwargs)
        for found in answer if isinstance(answer, PagedList) else [answer]:
            _check(found, str(args[0]) if method.__name__.startswith("get_") else "")
        return answer

    return check


for name in CHECKED:
    setattr(CheckedClient, name, _checked(getattr(MlflowClient, name)))


def _check(found: object, asked: str) -> None:
    """Raise UnexpectedAnswerError for something without an id.

    Args:
        found: In an answer. None says that there is no such thing.
        asked: The id or name that was asked for; empty where any will do.
    """
    names = _names(found)
    if not all(names) or (asked and found is not None and asked not in names):
        instead = f" instead of '{asked}'" * bool(asked)
        raise UnexpectedAnswerError(f"the answer is a {type(found).__name__} called '{names[0]}'{instead}")
    versions = [str(found.version)] if isinstance(found, ModelVersion) else []
    versions += map(str, found.aliases.values()) if isinstance(found, RegisteredModel) else []
    for version in versions:
        if not version.isdecimal():
            raise UnexpectedAnswerError(f"the answer names version '{version}' of '{names[0]}'")


def _names(found: object) -> Sequence[str]:
    """What identifies it."""
    match found:
        case None:
            return []
        case Experiment():
            return [found.name, found.experiment_id, found.lifecycle_stage]
        case Run():
            return [found.info.run_id, found.info.experiment_id, found.info.status]
        case ModelVersion():
            return [found.name, str(found.version)]
        case RegisteredModel():
            return [found.name]
        case LoggedModel():
            return [found.model_id, found.experiment_id]
        case _:
            return [str(found or "")]
