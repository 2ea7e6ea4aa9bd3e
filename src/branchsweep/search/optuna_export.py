"""A recorded sweep as an Optuna study, for those who look at sweeps with optuna-dashboard or Optuna's own plots.

The export goes one way. The ledger stays the one history, and nothing is ever read back from the study.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from statistics import fmean
from typing import Any, Literal

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from branchsweep.config.dimensions import Choice, Dimension, Int
from branchsweep.config.experiment import Experiment
from branchsweep.errors import OptunaExportError
from branchsweep.metrics.names import STANDARD_ERROR, score_names
from branchsweep.search.sampling import to_search_point, value_at_index
from branchsweep.trial import Params, Result, Score, Status

ValuesOf = Callable[[Score], tuple[float, ...]]
"""What a study has of a score: one number per objective."""

Direction = Literal["maximize", "minimize"]


def mean_score(score: Score) -> tuple[float, ...]:
    """The one objective: the mean of the heads' R²."""
    return (score.value,)


def export_study(
    experiment: Experiment,
    results: Sequence[Result],
    storage: str,
    name: str,
    facts: Mapping[str, str],
    values_of: ValuesOf = mean_score,
    directions: Sequence[Direction] = ("maximize",),
) -> None:
    """Write a sweep as a new study, all of it or nothing: one trial per result, in order of the trials' numbers.

    Args:
        experiment: Gives the space.
        results: The sweep's results.
        storage: The storage's address in SQLAlchemy's form, `sqlite:///study.db`. A file that is not there is made.
        name: The study's name.
        facts: What the study says of the sweep, as its user attributes.
        values_of: The objectives of a score.
        directions: Of each objective.

    Raises:
        OptunaExportError: The address is none, the storage cannot be written, or it has a study of this name.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line for every study made says nothing to a user
    trials = [to_frozen_trial(experiment, result, values_of) for result in sorted(results, key=lambda each: each.trial.number)]
    with _opened(storage) as opened:
        try:
            study = optuna.create_study(study_name=name, storage=opened, directions=list(directions))
        except DuplicatedStudyError:
            where = _shown(_address(storage))
            raise OptunaExportError(f"there is a study '{name}' in {where} already; choose another name (--name)") from None
        try:
            for fact, said in facts.items():
                study.set_user_attr(fact, said)
            study.add_trials(trials)
        except BaseException:  # Ctrl-C too
            with suppress(SQLAlchemyError, StorageInternalError):  # what failed first is what there is to tell
                optuna.delete_study(study_name=name, storage=opened)
            raise


def to_frozen_trial(experiment: Experiment, result: Result, values_of: ValuesOf = mean_score) -> FrozenTrial:
    """A result as Optuna has it, its params with the values that people know.

    Of a known configuration, what the space has no word for is kept as the user attribute `outside`. When a trial was trained
    is not recorded: it ends now, and began as many seconds ago as it took.
    """
    params, outside = _parted(experiment, result.trial.params)
    values = values_of(result.score)
    has_values = result.score.status is not Status.FAILED and all(map(math.isfinite, values))
    written = create_trial(
        state=_STATES[result.score.status] if has_values else TrialState.FAIL,
        values=list(values) if has_values else None,
        params=dict(params),
        distributions={name: to_distribution(experiment.space.dimensions[name]) for name in params},
        user_attrs=_attributes(result, experiment.score_metrics) | ({"outside": dict(outside)} if outside else {}),
        intermediate_values={epoch: fmean(scores) for epoch, scores in result.score.rungs.items()},
    )
    assert written.datetime_start is not None  # it has ended
    written.datetime_start -= timedelta(seconds=result.score.seconds)
    return written


def to_distribution(dimension: Dimension) -> BaseDistribution:
    """The dimension in Optuna's words; its highest value is one that a step leads to, as Optuna wants it."""
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.choices)
    if isinstance(dimension, Int):
        rest = (dimension.high - dimension.low) % dimension.step
        return IntDistribution(dimension.low, dimension.high - rest, log=dimension.log, step=dimension.step)
    if dimension.step is None:
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    high = float(value_at_index(dimension, int(dimension.size) - 1))
    # Optuna counts steps in decimals. Where those of the bounds do not come out, it is shown without steps.
    is_whole = (Decimal(str(high)) - Decimal(str(dimension.low))) % Decimal(str(dimension.step)) == 0
    return FloatDistribution(dimension.low, high, step=dimension.step if is_whole else None)


_STATES = {Status.COMPLETE: TrialState.COMPLETE, Status.PRUNED: TrialState.PRUNED, Status.FAILED: TrialState.FAIL}


def _parted(experiment: Experiment, params: Params) -> tuple[Params, Params]:
    """What of a trial's params the space can say, with what it leaves unsaid spelled out; and what it cannot."""
    dimensions = experiment.space.dimensions
    inside = to_search_point(experiment, params)
    if inside is None:
        inside = {name: value for name, value in params.items() if name in dimensions and dimensions[name].contains(value)}
    return inside, {name: value for name, value in params.items() if name not in inside}


def _attributes(result: Result, score_metrics: Mapping[str, str]) -> dict[str, Any]:
    """What Optuna has no word for. Figures that are no numbers are left out: JSON has none for them, nor has a dashboard."""
    score = result.score
    names, errors = score_names(score_metrics), score_names(score_metrics, STANDARD_ERROR)
    figures = {
        **{names[head]: value for head, value in score.scores.items()},
        **{errors[head]: value for head, value in score.scores_se.items()},
        "seconds": score.seconds,
    }
    words = {"known": result.trial.known, "reason": score.reason}
    return {
        "trial": result.trial.number,
        **{name: figure for name, figure in figures.items() if math.isfinite(figure)},
        **{name: said for name, said in words.items() if said},
    }


@contextmanager
def _opened(storage: str) -> Iterator[RDBStorage]:
    """The storage, its tables made if it is new; whatever the database does not take ends in a OptunaExportError."""
    url = _address(storage)
    try:
        _refuse_strangers(url)
        opened = _connected(url)
        try:
            yield opened
        finally:
            opened.remove_session()
            opened.engine.dispose()
    except (SQLAlchemyError, StorageInternalError, OSError) as error:
        raise OptunaExportError(
            f"{_shown(url)} cannot be written ({_reason(error)}); name another storage (--storage)"
        ) from error


def _connected(url: sqlalchemy.URL) -> RDBStorage:
    try:
        return RDBStorage(url.render_as_string(hide_password=False))
    except RuntimeError as error:  # its tables are of another version of Optuna, whose message says what to do
        raise OptunaExportError(f"{_shown(url)} cannot be used: {error}") from error


def _shown(url: sqlalchemy.URL) -> str:
    return url.render_as_string(hide_password=True)


def _address(storage: str) -> sqlalchemy.URL:
    """The storage's address in its parts."""
    expected = "expected sqlite:///study.db for a file, or the address of a database"
    try:
        url = sqlalchemy.make_url(storage)
        url.get_dialect()
    except (SQLAlchemyError, ValueError) as error:
        hint = f"; did you mean sqlite:///{storage}?" if storage.endswith((".db", ".sqlite")) and ":" not in storage else ""
        raise OptunaExportError(f"got storage '{storage}', {expected}{hint}") from error
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise OptunaExportError(f"got storage '{storage}', which names no file to keep a study in; {expected}")
    return url


def _refuse_strangers(url: sqlalchemy.URL) -> None:
    """Raises if the database is of another program that numbers its versions as Optuna does, such as MLflow.

    Either would take the other's number for its own.
    """
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    except ImportError as error:
        raise OptunaExportError(f"{_shown(url)} needs a driver that is not installed: pip install {error.name}") from error
    tables = sqlalchemy.inspect(engine).get_table_names()
    if "alembic_version" in tables and "studies" not in tables:
        raise OptunaExportError(
            f"{_shown(url)} is another program's database (MLflow's?); name one of its own for studies (--storage)"
        )


def _reason(error: BaseException) -> str:
    """The first line of what the database said, not of who passed it on."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
