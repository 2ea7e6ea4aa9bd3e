"""Finds and reads the built-in power-plant table.

The first of these places that has it is taken:

    1. the path given with `--data`                      a user's own file: it must be there
    2. the path in the environment variable BRANCHSWEEP_CCPP        likewise
    3. data/Folds5x2_pp.xlsx in the working directory               likewise, if there is one
    4. the user's cache (BRANCHSWEEP_CACHE names another folder)    if it holds the published table
    5. a download from the UCI repository (BRANCHSWEEP_CCPP_URL names a mirror), kept in the cache
    6. the synthetic table

A user's own file is read as it is, with a warning where it is not the published table.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from branchsweep.config.addresses import Address
from branchsweep.config.sections.table import Table
from branchsweep.data import power_plant
from branchsweep.data.dataset import TableSource
from branchsweep.data.download import DownloadOptions, download_table
from branchsweep.data.files.table_file import FIRST_ROW
from branchsweep.data.synthetic_table import SEED, synthetic_rows
from branchsweep.data.tables import FileOptions, SourceTable, read_table
from branchsweep.errors import DataError, DownloadError
from branchsweep.runtime import cache_folder


def read_power_plant_table(
    table: Table,
    data: Path | None,
    require_real: bool,
    on_message: Callable[[str], None],
    download: DownloadOptions,
) -> SourceTable:
    """The power-plant table from the first place that has it, in the order of the module's text.

    Args:
        table: Gives the sheet.
        data: The path given with `--data`, or None.
        require_real: Refuse the synthetic table.
        on_message: Called with a sentence where getting the table takes time or goes wrong.
        download: How it is downloaded.

    Raises:
        DataError: A path given by the user does not exist, a user's file cannot be read, or the table cannot be had while the
            synthetic one is refused.
    """
    reader = _FrameReader()
    found = _find_table(data, reader, on_message, download)
    if found.path is None:
        return _synthetic_table(found.location, require_real)
    frame = reader.read(found.path, FileOptions.of(table).that_apply_to(found.path).sheet)
    difference = power_plant.frame_difference(frame)
    if difference:
        warning = f"{found.location} is not the power-plant table as it was published: {difference}. Its rows are taken."
        return SourceTable(frame, found.source, found.location, found.path, (warning,))
    return SourceTable(power_plant.with_published_decimals(frame), found.source, found.location, found.path)


@dataclass(slots=True)
class _FrameReader:
    """Reads copies of the table, each first sheet once: identifying a copy in the cache takes most of a second."""

    frames: dict[Path, pd.DataFrame] = field(default_factory=dict)

    def read(self, path: Path, sheet: str | int | None = None) -> pd.DataFrame:
        """The frame in a file, with the published names of columns."""
        if sheet is not None:
            return power_plant.with_published_names(read_table(path, sheet))
        if path not in self.frames:
            self.frames[path] = power_plant.with_published_names(read_table(path))
        return self.frames[path]

    def difference(self, path: Path) -> str:
        """How a file differs from the published table, as half a sentence; empty if it does not."""
        try:
            return power_plant.frame_difference(self.read(path))
        except DataError as error:
            return error.message

    def forget(self, path: Path) -> None:
        """Read a file again when it is asked for the next time."""
        self.frames.pop(path, None)


@dataclass(frozen=True, slots=True)
class _FoundTable:
    """Where the table was found.

    Args:
        source: The kind of place.
        path: The file; None for the synthetic table.
        location: The source as shown to users: a path or an address; for the synthetic table, why the real one is not used.
    """

    source: TableSource
    path: Path | None
    location: str


def _find_table(
    given: Path | None, reader: _FrameReader, on_message: Callable[[str], None], download: DownloadOptions
) -> _FoundTable:
    """The first place that has the table."""
    named = _user_file(given)
    if named is not None:
        return _FoundTable("file", named, str(named))
    cached = cache_folder() / power_plant.FILE_NAME
    if cached.is_file():
        difference = reader.difference(cached)
        if not difference:
            return _FoundTable("cache", cached, str(cached))
        on_message(f"{cached}: not the published table ({difference}), so it is fetched again")
        reader.forget(cached)
    url = download.url or Address(os.environ.get("BRANCHSWEEP_CCPP_URL") or power_plant.URL)
    try:
        on_message(f"downloading the power-plant table from {url}")
        download_table(url, cached, reader.difference, download)
    except DownloadError as error:
        return _FoundTable("synthetic", None, str(error))
    return _FoundTable("download", cached, str(url))


def _user_file(given: Path | None) -> Path | None:
    """The file that the user named, or put where it is looked for; None if there is none."""
    variable = os.environ.get("BRANCHSWEEP_CCPP")
    local = Path("data", power_plant.FILE_NAME)
    if given is not None:
        path, origin = given, "--data"
    elif variable:
        path, origin = Path(variable).expanduser(), "the environment variable BRANCHSWEEP_CCPP"
    elif local.exists():
        path, origin = local, "the working directory"
    else:
        return None
    if not path.is_file():
        raise DataError(
            f"got '{Address(str(path))}' from {origin}, expected the power-plant table, but there is no such file; correct the "
            "path, or leave it out to have the table downloaded",
        )
    return path


def _synthetic_table(reason: str, require_real: bool) -> SourceTable:
    """The generated table, with a warning that says so."""
    remedy = f"get the table from {power_plant.PAGE} and put it at data/{power_plant.FILE_NAME}, or name its place with --data"
    if require_real:
        raise DataError(f"the real table cannot be had: {reason}; {remedy}", where="--require-real")
    frame = pd.DataFrame(synthetic_rows(), columns=pd.Index(list(power_plant.COLUMNS)))
    frame.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(frame))
    warning = (
        f"SYNTHETIC DATA. The real power-plant table cannot be had: {reason}. These rows are drawn by a seeded generator after"
        f" the table's published description: good for trying things out, not for conclusions about the plant. For the real"
        f" ones, {remedy}."
    )
    return SourceTable(frame, "synthetic", f"the synthetic table (seed {SEED})", None, (warning,))
