"""Files of the scikit-learn estimators of an exported model: written by skops, read by it in `serving.py`, without pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from branchsweep.models.exported_model import EstimatorMember
from branchsweep.models.serving import ESTIMATOR_FILE

COMPRESSION = 1
"""Of the files, as zlib has it: a forest is 29 % of its size, with 6 it would be 26 % and take twice as long."""


def import_writer() -> None:
    """Import what writes and reads these files, which takes a second."""
    import skops.io  # noqa: F401, PLC0415  # most models have no estimators


@contextmanager
def estimators_written(folder: Path, members: Sequence[EstimatorMember]) -> Iterator[None]:
    """A context beside which the files of the members are written, by a thread; they are there when it ends."""
    if not members:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as executor:
        written = executor.submit(write_estimators, folder, members)
        yield
        written.result()


def write_estimators(folder: Path, members: Sequence[EstimatorMember]) -> None:
    """Write `estimator_N.skops` for each member.

    Args:
        folder: Of the exported model.
        members: The estimators; they predict in one thread from now on, so that sums have one order and one result.
    """
    for number, member in enumerate(members, start=1):
        import skops.io  # noqa: PLC0415  # takes a second, and most models have none

        for estimator in member.fitted.estimators:
            for inner in _parts(estimator):
                if hasattr(inner, "n_jobs"):
                    inner.n_jobs = 1
        file = folder / ESTIMATOR_FILE.format(number=number)
        skops.io.dump(list(member.fitted.estimators), file, compression=zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION)


def _parts(estimator: Any) -> Iterator[Any]:
    """A fitted estimator, or several, and those that it consists of."""
    for own in estimator if isinstance(estimator, list) else ():
        yield from _parts(own)
    yield estimator
    for _, step in getattr(estimator, "steps", []):
        yield from _parts(step)
    if hasattr(estimator, "regressor_"):
        yield from _parts(estimator.regressor_)
