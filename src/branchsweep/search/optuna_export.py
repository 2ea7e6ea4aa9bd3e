"""Write a recorded sweep as an Optuna study, for optuna-dashboard or Optuna's own plots.

The tracking store stays the one history of a sweep: nothing is read back from the study.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import Choice, Dimension, Int
from branchsweep.errors import OptunaExportError, reason
from branchsweep.metrics.functions import mean
from branchsweep.metrics.names import STANDARD_ERROR, score_names
from branchsweep.search.search_points import to_search_point, value_at_index
from branchsweep.trial import Params, Result, Status


def export_study(
    experiment: Experiment, results: Sequence[Result], storage: Address, name: str, facts: Mapping[str, str]
) -> None:
    """Write a sweep as a new study with one trial per result, in order of the trials' numbers; all of it or nothing.

    The study has one objective, which is maximized: the mean of the heads' scores.

    Args:
        experiment: Determines the space.
        results: The sweep's results.
        storage: SQLAlchemy's URL of the storage, `sqlite:///study.db`. A missing file is created.
        name: The study's name.
        facts: User attributes of the study.

    Raises:
        OptunaExportError: The URL is not valid, the storage cannot be written, or it has a study of this name.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line for every study made says nothing to a user
    trials = [to_frozen_trial(experiment, result) for result in sorted(results, key=lambda result: result.trial.number)]
    with _opened(storage) as opened:
        try:
            study = optuna.create_study(study_name=name, storage=opened, direction="maximize")
        except DuplicatedStudyError:
            raise OptunaExportError(f"there is a study '{name}' in {storage} already; choose another name (--name)") from None
        try:
            for attribute, value in facts.items():
                study.set_user_attr(attribute, value)
            study.add_trials(trials)
        except BaseException:  # Ctrl-C too
            with suppress(SQLAlchemyError, StorageInternalError):  # the first error is the one to report
                optuna.delete_study(study_name=name, storage=opened)
            raise


def to_frozen_trial(experiment: Experiment, result: Result) -> FrozenTrial:
    """A result as a trial of Optuna, its params with the values of the experiment.

    Params of an initial trial that are no values of the space are kept as the user attribute `outside`. Times are not recorded:
    the trial ends now, and began as many seconds ago as it took.
    """
    params, outside = _split_params(experiment, result.trial.params)
    has_value = result.score.status is not Status.FAILED and math.isfinite(result.score.value)
    trial = create_trial(
        state=_STATES[result.score.status] if has_value else TrialState.FAIL,
        value=result.score.value if has_value else None,
        params=dict(params),
        distributions={name: to_distribution(experiment.space.dimensions[name]) for name in params},
        user_attrs=_attributes(result, experiment.score_metrics) | ({"outside": dict(outside)} if outside else {}),
        intermediate_values={epoch: mean(scores) for epoch, scores in result.score.rungs.items()},
    )
    assert trial.datetime_start is not None  # it has ended
    trial.datetime_start -= timedelta(seconds=result.score.seconds)
    return trial


def to_distribution(dimension: Dimension) -> BaseDistribution:
    """The dimension as a distribution of Optuna, whose upper bound is a whole number of steps, as Optuna requires."""
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.choices)
    if isinstance(dimension, Int):
        rest = (dimension.high - dimension.low) % dimension.step
        return IntDistribution(dimension.low, dimension.high - rest, log=dimension.log, step=dimension.step)
    if dimension.step is None:
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    high = float(value_at_index(dimension, int(dimension.size) - 1))
    # Optuna counts steps in decimals. If the bounds are no whole number of them apart, the distribution has no step.
    is_whole = (Decimal(str(high)) - Decimal(str(dimension.low))) % Decimal(str(dimension.step)) == 0
    return FloatDistribution(dimension.low, high, step=dimension.step if is_whole else None)


_STATES = {Status.COMPLETE: TrialState.COMPLETE, Status.PRUNED: TrialState.PRUNED, Status.FAILED: TrialState.FAIL}


def _split_params(experiment: Experiment, params: Params) -> tuple[Params, Params]:
    """The params that are values of the space, with those that the trial leaves out; and the params that are not."""
    dimensions = experiment.space.dimensions
    inside = to_search_point(experiment, params)
    if inside is None:
        inside = {name: value for name, value in params.items() if name in dimensions and dimensions[name].contains(value)}
    return inside, {name: value for name, value in params.items() if name not in inside}


def _attributes(result: Result, score_metrics: Mapping[str, str]) -> dict[str, Any]:
    """User attributes: what a trial of Optuna has no field for. NaN and infinities are left out, which JSON cannot hold."""
    score = result.score
    names, errors = score_names(score_metrics), score_names(score_metrics, STANDARD_ERROR)
    numbers = {
        **{names[head]: value for head, value in score.scores.items()},
        **{errors[head]: value for head, value in score.scores_se.items()},
        "seconds": score.seconds,
    }
    texts = {"known": result.trial.known, "reason": score.reason}
    return {
        "trial": result.trial.number,
        **{name: value for name, value in numbers.items() if math.isfinite(value)},
        **{name: text for name, text in texts.items() if text},
    }


@contextmanager
def _opened(storage: Address) -> Iterator[RDBStorage]:
    """The storage, with tables created if it is new; errors of the database are raised as OptunaExportError."""
    url = _parsed(storage)
    try:
        _reject_other_programs(url, storage)
        opened = _connected(storage)
        try:
            yield opened
        finally:
            opened.remove_session()
            opened.engine.dispose()
    except (SQLAlchemyError, StorageInternalError, OSError) as error:
        said = storage.remove_secrets(reason(error))
        raise OptunaExportError(f"{storage} cannot be written ({said}); name another storage (--storage)") from error


def _connected(storage: Address) -> RDBStorage:
    try:
        return RDBStorage(storage.with_secrets())
    except RuntimeError as error:  # its tables are of another version of Optuna, whose message says what to do
        raise OptunaExportError(f"{storage} cannot be used: {storage.remove_secrets(str(error))}") from error


def _parsed(storage: Address) -> sqlalchemy.URL:
    """The URL of the storage, which holds its password: no message may be made of it."""
    expected = "expected sqlite:///study.db for a file, or the address of a database"
    try:
        url = sqlalchemy.make_url(storage.with_secrets())
        url.get_dialect()
    except (SQLAlchemyError, ValueError) as error:
        shown = str(storage)
        hint = f"; did you mean sqlite:///{shown}?" if shown.endswith((".db", ".sqlite")) and ":" not in shown else ""
        raise OptunaExportError(f"got storage '{storage}', {expected}{hint}") from error
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise OptunaExportError(f"got storage '{storage}', which names no file to keep a study in; {expected}")
    return url


def _reject_other_programs(url: sqlalchemy.URL, storage: Address) -> None:
    """Raise if the database belongs to another program with Alembic migrations, such as MLflow.

    Optuna and that program would take each other's revision for their own.
    """
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    except ImportError as error:
        raise OptunaExportError(f"{storage} needs a driver that is not installed: pip install {error.name}") from error
    tables = sqlalchemy.inspect(engine).get_table_names()
    if "alembic_version" in tables and "studies" not in tables:
        raise OptunaExportError(
            f"{storage} is another program's database (MLflow's?); name one of its own for studies (--storage)"
        )
