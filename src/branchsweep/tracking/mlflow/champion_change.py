"""A change of the champion: several steps in MLflow, which the next process finishes if this one is killed.

What is changed is first written on the registered model, as the tag `change`, and the tag is deleted last. Whoever finds the
tag, and finds that its process has ended, takes the steps that are missing: each of them may be taken twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from branchsweep.config.codec import from_json, to_json
from branchsweep.errors import UnreadableRecordError
from branchsweep.tracking import champion_history
from branchsweep.tracking.champion_history import CHALLENGER, CHAMPION, PREVIOUS, ChampionTenure
from branchsweep.tracking.mlflow.lock_owner import LockOwner
from branchsweep.tracking.mlflow.serialization.tags import from_tags, naming_record, parse_tag, split_tag, tag_name

CHANGE, TENURES, PROMOTED = "change", "champions", "promoted"
"""The tags: of a model, the change that is being made, and its champions so far; of a version, whether it was promoted."""

LONGEST_MODEL_TAG = 5000
"""Characters of a registered model's tag in MLflow's database."""


class ChangeKind(StrEnum):
    """Why another version becomes the champion."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class ChampionChange:
    """A change that is being made.

    Args:
        kind: Why.
        version: The version that becomes the champion.
        before: The champion until then; None for none.
        since: When (ISO 8601, UTC).
        owner: The process that makes it.
    """

    kind: ChangeKind
    version: int
    before: int | None
    since: str
    owner: LockOwner

    @classmethod
    def now(cls, kind: ChangeKind, version: int, before: int | None) -> ChampionChange:
        """One that this process makes now."""
        return cls(kind, version, before, champion_history.utc_now(), LockOwner.this_process())

    @property
    def is_abandoned(self) -> bool:
        """Whether its process does not go on with it."""
        return self.owner.is_this_process or not self.owner.is_alive


class ModelState:
    """A registered model, as it was just read, with its versions.

    Args:
        registered: The model.
        versions: Its versions, in order of their numbers.
    """

    def __init__(self, registered: RegisteredModel, versions: Sequence[ModelVersion]) -> None:
        self.registered, self.versions = registered, versions

    @property
    def aliases(self) -> Mapping[str, int]:
        """The versions by alias; without aliases on versions that do not exist."""
        return {alias: number for alias, number in self._all_aliases.items() if number in self.numbers}

    @property
    def lost_aliases(self) -> Mapping[str, int]:
        """The aliases on versions that do not exist."""
        return {alias: number for alias, number in self._all_aliases.items() if number not in self.numbers}

    @property
    def _all_aliases(self) -> Mapping[str, int]:
        return {alias: int(number) for alias, number in self.registered.aliases.items()}

    @property
    def champion(self) -> ModelVersion | None:
        """The version that is the champion."""
        number = self.aliases.get(CHAMPION)
        return next((version for version in self.versions if int(version.version) == number), None)

    @property
    def numbers(self) -> set[int]:
        """The numbers of the versions."""
        return {int(version.version) for version in self.versions}

    @property
    def change(self) -> ChampionChange | None:
        """The change that is being made, or was; None for none, and for one that cannot be read."""
        text = from_tags(self.registered.tags).get(CHANGE, "")
        try:
            return from_json(ChampionChange, text) if text else None
        except ValueError:
            return None

    @property
    def recorded_tenures(self) -> list[ChampionTenure]:
        """The champions so far, as they are written on the model; none where that cannot be read."""
        try:
            return self._read_tenures()
        except UnreadableRecordError:
            return []

    @property
    def problem(self) -> str:
        """What of the model's champions cannot be read, and which aliases are on no version, as sentences; empty if none."""
        lost = [champion_history.lost_alias_message(self.registered.name, *alias) for alias in self.lost_aliases.items()]
        return " ".join(filter(None, [self._unreadable, *(f"{sentence[:1].upper()}{sentence[1:]}." for sentence in lost)]))

    @property
    def _unreadable(self) -> str:
        remedy = "What is shown follows from the versions; the next promotion or rollback writes it down anew."
        try:
            with naming_record(f"the champions of '{self.registered.name}'", remedy):
                self._read_tenures()
        except UnreadableRecordError as error:
            return str(error)
        return ""

    def _read_tenures(self) -> list[ChampionTenure]:
        own = from_tags(self.registered.tags)
        return parse_tag(own, TENURES, partial(from_json, list[ChampionTenure]), "[]")

    @property
    def tenures(self) -> list[ChampionTenure]:
        """The champions so far, from what is written on the model, and from the aliases and versions."""
        change, champion, recorded = self.change, self.aliases.get(CHAMPION), self.recorded_tenures
        # Times are in seconds, so two changes may have the same: then the version tells them apart.
        is_recorded = change and recorded and (recorded[-1].version, recorded[-1].since) == (change.version, change.since)
        if change is None or champion != change.version or is_recorded:
            return champion_history.reconciled(recorded, self._promoted(), champion)
        before = champion_history.reconciled(recorded, self._promoted(but=change.version), change.before)
        return champion_history.with_new_tenure(before, change.version, change.since, self._reason(change))

    def _promoted(self, but: int | None = None) -> list[ChampionTenure]:
        return [
            ChampionTenure(int(version.version), created(version), None, version.tags.get(tag_name("because"), ""))
            for version in self.versions
            if from_tags(version.tags).get(PROMOTED) == "true" and int(version.version) != but
        ]

    def _reason(self, change: ChampionChange) -> str:
        if change.kind is ChangeKind.ROLLBACK:
            return f"rolled back from version {change.before}"
        version = next(version for version in self.versions if int(version.version) == change.version)
        return str(version.tags.get(tag_name("because"), ""))


def created(version: ModelVersion) -> str:
    """When a version was registered (ISO 8601, UTC)."""
    try:
        return datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError, OSError):  # not recorded
        return champion_history.UNKNOWN_TIME


class ChampionChanger:
    """Makes changes, and finishes those of processes that were killed.

    Args:
        client: Of the store.
        model: The registered model's name.
    """

    def __init__(self, client: MlflowClient, model: str) -> None:
        self._client, self._model = client, model

    def read(self) -> ModelState:
        """The model and its versions."""
        versions = self._client.search_model_versions(name_filter(self._model))
        in_order = sorted(versions, key=lambda version: int(version.version))
        return ModelState(self._client.get_registered_model(self._model), in_order)

    def begin(self, change: ChampionChange) -> None:
        """Write down what is changed, and move the alias of the champion."""
        self._write(CHANGE, to_json(change))
        self._move_aliases(change)

    def finish(self, change: ChampionChange) -> None:
        """Take the steps of a change that are missing, the last of which is to delete what is written about it."""
        self.take_steps(change)
        self.forget()

    def take_steps(self, change: ChampionChange) -> None:
        """Take the steps of a change that are missing, but for the last one: it still counts as being made."""
        state = self.read()
        if state.aliases.get(CHAMPION) != change.version:
            self._move_aliases(change)
            state = self.read()
        tenures = state.tenures
        self._write(TENURES, to_json(tenures, list[ChampionTenure]), state.registered.tags)
        previous = champion_history.predecessor(tenures, state.numbers)
        if change.kind is ChangeKind.ROLLBACK and previous is not None:
            self._client.set_registered_model_alias(self._model, PREVIOUS, str(previous))
        elif change.kind is ChangeKind.ROLLBACK and PREVIOUS in state.aliases:
            self._client.delete_registered_model_alias(self._model, PREVIOUS)

    def finish_abandoned(self, state: ModelState) -> None:
        """Finish what a process that was killed has begun.

        Args:
            state: As it was just read.
        """
        change = self.abandoned(state)
        if change is not None:
            self.finish(change)

    def abandoned(self, state: ModelState) -> ChampionChange | None:
        """The change that a process which was killed has begun; one that is obsolete is forgotten.

        Args:
            state: As it was just read.

        Returns:
            The change; None where there is none, or another champion was chosen since it was begun.
        """
        change, champion = state.change, state.aliases.get(CHAMPION)
        if change is None or not change.is_abandoned:
            return None
        if champion not in {change.before, change.version} or change.version not in state.numbers:
            self.forget()
            return None
        return change

    def forget(self) -> None:
        """Delete what is written about a change, which is finished, or is not made."""
        self._client.delete_registered_model_tag(self._model, tag_name(CHANGE))

    def _move_aliases(self, change: ChampionChange) -> None:
        """Mark the version, and move the aliases, that of the champion last."""
        if change.kind is ChangeKind.PROMOTION:
            self._client.set_model_version_tag(self._model, str(change.version), tag_name(PROMOTED), "true")
        if change.before is not None:
            other = PREVIOUS if change.kind is ChangeKind.PROMOTION else CHALLENGER
            self._client.set_registered_model_alias(self._model, other, str(change.before))
        self._client.set_registered_model_alias(self._model, CHAMPION, str(change.version))

    def _write(self, name: str, text: str, before: Mapping[str, str] | None = None) -> None:
        """Write a tag of the model, in pieces where it is long; the last piece first, so that a part of it is no JSON.

        Args:
            name: Of the tag.
            text: Its value.
            before: The tags of the model, of which those of a longer value are emptied.
        """
        pieces = split_tag(tag_name(name), text, LONGEST_MODEL_TAG)
        surplus = [other for other in before or {} if other.partition(":")[0] == tag_name(name) and other not in pieces]
        for piece, value in [*dict.fromkeys(surplus, "").items(), *reversed(pieces.items())]:
            self._client.set_registered_model_tag(self._model, piece, value)


def name_filter(model: str) -> str:
    """The query for a model's versions."""
    quote = '"' if "'" in model else "'"
    return f"name = {quote}{model}{quote}"
