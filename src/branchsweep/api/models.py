"""Exported and registered models, and the registry of their versions."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from branchsweep.api.arguments import check_frame, check_text
from branchsweep.api.notebook import history_html, model_html
from branchsweep.api.sessions import address
from branchsweep.data.files.written_table import make_dataframe
from branchsweep.errors import UserError
from branchsweep.models.serving import MANIFEST_FILE, Predictor
from branchsweep.runtime import silence_stderr, temporary_folder
from branchsweep.tracking.champion_history import ChampionHistory, ChampionTenure, RegisteredVersion, RollbackResult
from branchsweep.tracking.open import download_model, open_registry
from branchsweep.workflows.explanation import explain_files
from branchsweep.workflows.table_check import TableCheck, check_table

if TYPE_CHECKING:
    import pandas as pd


class Model:
    """An exported model: predicts from DataFrames.

    Args:
        files: The folder with the exported files, which are read when they are needed.
    """

    def __init__(self, files: Path) -> None:
        self._files = files
        self._predictor = Predictor(files)

    @classmethod
    def of_temporary(cls, fetch: Callable[[Path], Path]) -> Self:
        """A model whose files are in a temporary folder, which is deleted with the model.

        Args:
            fetch: Writes the files into a folder, and returns the one below it that holds them.
        """
        with ExitStack() as stack:
            model = cls(fetch(stack.enter_context(temporary_folder())))
            weakref.finalize(model, stack.pop_all().close)
        return model

    @property
    def inputs(self) -> list[str]:
        """Names of the input columns."""
        return self._predictor.inputs

    @property
    def units(self) -> dict[str, str]:
        """Unit of each head, by head."""
        return self._predictor.units

    @property
    def classes(self) -> dict[str, list[str]]:
        """By head of classes its classes; of two the positive one last."""
        return self._predictor.classes

    def inputs_dataframe(self) -> pd.DataFrame:
        """The input columns: what each is, and the range of the training rows, beyond which the model extrapolates."""
        columns = self._predictor.columns()
        rows: list[list[object]] = []
        for name, (low, high) in zip(self.inputs, self._manifest["ranges"], strict=True):
            kind = columns[name].get("kind", "numeric")
            is_number = kind == "numeric"
            rows.append([name, kind, low if is_number else None, high if is_number else None])
        return make_dataframe(("input", "kind", "from", "to"), rows)

    def predict(self, data: pd.DataFrame, warn: bool = False, interval: float = 0.0, joint: bool = False) -> pd.DataFrame:
        """Predictions in natural units, one column per head, with the index of the data.

        Args:
            data: The input columns in natural units, in any order; other columns are ignored. A missing number or date makes
                the predictions of its row NaN, unless its column may have gaps; such a column may be absent.
            warn: Whether to add the column `outside`: True where an input lies outside the range of the training rows.
            interval: The share of actual values (such as 0.9) that are to lie between two more columns of each head, `PE_low`
                and `PE_high`; 0 for no such columns.
            joint: Whether that is the share of rows in which the actual values of all heads lie inside at once.

        Raises:
            UserError: The data are no DataFrame.
            ValueError: A column is missing, or holds values that are not numbers; or the model has no such intervals.
        """
        check_frame(data, self.inputs)
        with silence_stderr():
            return self._predictor.predict(data, warn=warn, interval=interval, joint=joint)

    def explain(self, data: pd.DataFrame) -> pd.DataFrame:
        """Which inputs the predictions rest on: what a head's score loses when an input is shuffled (permutation importance).

        Args:
            data: Inputs and targets, best of rows that the model was not trained on; 20 or more with a known target.

        Returns:
            One row per input and head, the most important input first: `importance`, and `low` and `high`, the ends of its 95 %
            confidence interval.

        Raises:
            UserError: Too few rows have a target, or the data are no DataFrame.
            ValueError: As of `predict`.
        """
        check_frame(data, self.inputs)
        with silence_stderr():
            found = explain_files(self._files, data, "data")
        rows = [
            [name, head, own.value, own.low, own.high] for name in found.ranked for head, own in found.importance[name].items()
        ]
        return make_dataframe(("input", "head", "importance", "low", "high"), rows)

    def check(self, data: pd.DataFrame) -> TableCheck:
        """Compare rows with those that the model was trained on: has an input changed, is the model still as accurate?

        Args:
            data: The input columns; targets where they are known.

        Returns:
            `inputs` by name: `index` (population stability), `outside`, `missing`, `stability`; `changed`, the inputs that have
            changed; `heads` with the scores of those whose targets are there.

        Raises:
            UserError: There are no rows, or the data are no DataFrame.
            ValueError: As of `predict`.
        """
        check_frame(data, self.inputs)
        if not len(data):
            raise UserError("got a table without rows, expected one or more", "data")
        with silence_stderr():
            return check_table(self._files, data, repr(self), "data", {})

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self._files / MANIFEST_FILE).read_text(encoding="utf-8"))
        return manifest

    def __repr__(self) -> str:
        return f"Model({', '.join(self.inputs)} -> {', '.join(self.units)})"

    def _repr_html_(self) -> str:
        return model_html(self)


class ModelHistory(ChampionHistory):
    """The versions of a registered model, the newest first (`versions`), and its champions in order of time (`tenures`)."""

    __slots__ = ()

    @classmethod
    def of(cls, recorded: ChampionHistory) -> Self:
        """The same history."""
        return cls(**{field.name: getattr(recorded, field.name) for field in fields(recorded)})

    def versions_dataframe(self) -> pd.DataFrame:
        """The versions, the newest first: aliases, when each was registered, from which sweep and trial, scores, the reason."""
        tests = list(dict.fromkeys(name for version in self.versions for name in version.test))
        names = [field.name for field in fields(RegisteredVersion) if field.name != "test"]
        rows = [
            [*(getattr(version, name) for name in names), *(version.test.get(test, float("nan")) for test in tests)]
            for version in self.versions
        ]
        return make_dataframe([*names, *tests], rows)

    def champions_dataframe(self) -> pd.DataFrame:
        """The champions, the first one first: the version, since when and until when, the reason."""
        names = [field.name for field in fields(ChampionTenure)]
        return make_dataframe(names, [list(asdict(tenure).values()) for tenure in self.tenures])

    def _repr_html_(self) -> str:
        return history_html(self)


def load_model(uri: str, tracking_uri: str | None = None) -> Model:
    """A registered model.

    Args:
        uri: `models:/NAME@champion` or `models:/NAME/VERSION`.
        tracking_uri: As of `sweep`.

    Raises:
        UserError: There is no such model, or it was not made by branchsweep.
    """
    check_text(uri, "uri", "models:/boiler@champion")
    store = address(tracking_uri)
    return Model.of_temporary(lambda folder: download_model(uri, folder, store))


def history(model: str, tracking_uri: str | None = None) -> ModelHistory:
    """The versions of a registered model, and when each champion was in use, with the reasons.

    Args:
        model: Its name.
        tracking_uri: As of `sweep`.

    Raises:
        UserError: There is no such model.
    """
    check_text(model, "model", "boiler")
    return ModelHistory.of(open_registry(address(tracking_uri)).history(model))


def rollback(model: str, tracking_uri: str | None = None) -> RollbackResult:
    """Make the previous champion of a registered model champion again; the present one becomes the challenger.

    Args:
        model: Its name.
        tracking_uri: As of `sweep`.

    Returns:
        The version that is the champion again (`restored`), and the one that was (`replaced`).

    Raises:
        UserError: There is no such model, or no previous champion.
    """
    check_text(model, "model", "boiler")
    return open_registry(address(tracking_uri)).rollback(model)
