"""A head of the network: its target column, its task, its unit and loss."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from branchsweep.config import kinds
from branchsweep.config.config_model import MAX_NAME, NAME, SHORT_TEXT, KeyMistake
from branchsweep.config.file_model import PythonModel
from branchsweep.config.metric_names import METRICS_BESIDE
from branchsweep.errors import HeadNameWarning, did_you_mean

MAX_HEADS = 256
"""The most heads of a network: each has branches, metrics and columns of tables."""

MAX_UNIT = 100
"""The most characters of a unit."""


def name_from_column(column: str) -> str:
    """The name of a head that is named by its column, where that is no name: `head_25400` of 25400, `y_z` of y+z.

    Letters lose their accents, and whatever else a name may not hold becomes `_`.

    Args:
        column: The column's name.
    """
    letters = unicodedata.normalize("NFKD", column)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_-")
    return (name if re.match(NAME, name) else f"head_{name}")[:MAX_NAME].rstrip("_-")


def is_named_by_column(name: str, head: object) -> bool:
    """Whether a head's key is a column whose name no head can have, and nothing else names the column.

    Args:
        name: The key.
        head: The head, as it was written.
    """
    names_none = "column" not in head if isinstance(head, Mapping) else isinstance(head, Head) and head.column is None
    return names_none and 1 <= len(name.strip()) <= MAX_NAME and not re.match(NAME, name)


FROM_DOCUMENT = "document"
"""The context in which a document is validated, whose heads have their names already (`yaml/shorthands.py`)."""


def named_heads(heads: Any, info: ValidationInfo) -> Any:
    """Heads of which those that are named by a column have a name; what is no mapping, for the model to judge.

    A head that would be called as another one keeps the name that it cannot have.
    """
    if info.context == FROM_DOCUMENT or not isinstance(heads, Mapping):
        return heads
    found: dict[Any, Any] = {}
    for key, head in heads.items():
        name = name_from_column(key) if isinstance(key, str) and is_named_by_column(key, head) else key
        if name == key or name in heads or name in found:
            found[key] = head
            continue
        found[name] = {**head, "column": key} if isinstance(head, Mapping) else head.model_copy(update={"column": key})
        warnings.warn(HeadNameWarning("heads", key, name), stacklevel=2)
    return found


def _name_the_losses(schema: dict[str, Any]) -> None:
    """In the JSON Schema, a loss is one of those that there are now."""
    schema["enum"] = kinds.all_names(kinds.HEADS)


Task = Literal["regression", "binary", "multiclass", "count", "quantile"]
"""The question that a head answers."""

CLASSES = 2
"""The classes of a binary head; a multiclass head has more."""

MAX_CLASSES = 100
"""The most classes of a head: each is a unit of the network, and a column of what is predicted."""

MAX_QUANTILES = 20
"""The most quantiles of a head."""

MAX_WORDS = 20
"""The most different words of a column that is taken as classes where the task is not given."""

Label = Annotated[str, Field(min_length=1, max_length=SHORT_TEXT)]

ClassWeight = Annotated[float, Field(gt=0, le=1e6)]


class Head(PythonModel):
    """One output of the network."""

    column: Annotated[str, Field(max_length=SHORT_TEXT)] | None = Field(
        None, description="The target column; the head's own name if absent."
    )
    unit: str = Field("", max_length=MAX_UNIT, description="The target's unit, for people (MW, cm Hg).")
    loss: str = Field(
        kinds.DEFAULT_HEAD,
        description="The loss of a regression head on the scaled target; each other task has one loss.",
        json_schema_extra=_name_the_losses,
    )
    weight: Annotated[str, Field(min_length=1, max_length=SHORT_TEXT)] | None = Field(
        None,
        description="A column of numbers from 0 that weigh each row of this head in loss and metrics (Keras's and "
        "scikit-learn's sample_weight); multiplied with table.weight where both are given.",
    )
    task: Task | None = Field(
        None,
        description="regression: a number; binary: the probability of one of two classes; multiclass: that of each of "
        "several classes; count: the mean of whole numbers from 0; quantile: the number that a share of the targets does not "
        f"exceed. If absent, binary where the column holds two words or booleans, multiclass where it holds up to {MAX_WORDS} "
        "words, else regression.",
    )
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="The level of a quantile head, such as 0.9: the share of the targets at or below what it predicts."
    )
    quantiles: list[Annotated[float, Field(gt=0, lt=1)]] | None = Field(
        None,
        min_length=2,
        max_length=MAX_QUANTILES,
        description="Several levels in place of one, ascending, such as [0.1, 0.5, 0.9]; their predictions never cross.",
    )
    positive: Label | None = Field(
        None, description="The class of a binary head whose probability is predicted; inferred from the column if absent."
    )
    class_weight: Literal["balanced"] | Annotated[Mapping[Label, ClassWeight], Field(max_length=MAX_CLASSES)] | None = Field(
        None,
        description="What the rows of each class count in the loss of networks, and where baselines are fitted: balanced, so "
        "that all classes count alike (scikit-learn's class_weight), or a number by class, 1 for those that are left out. "
        "Scores count every row alike.",
    )
    classes: list[Label] | None = Field(
        None,
        min_length=CLASSES,
        max_length=MAX_CLASSES,
        description="The classes of a binary head, the positive one last, or of a multiclass head; inferred from the table.",
        json_schema_extra={"readOnly": True},
    )

    @field_validator("loss")
    @classmethod
    def _is_known(cls, loss: str) -> str:
        if loss in _TASKS_OF_LOSSES and loss not in kinds.HEADS:
            raise ValueError(f"got '{loss}', which is the loss of another task; write task: {_TASKS_OF_LOSSES[loss]} instead")
        if loss not in kinds.HEADS:
            known = kinds.all_names(kinds.HEADS)
            raise ValueError(f"got '{loss}', expected one of {', '.join(known)}{did_you_mean(loss, known)}")
        return loss

    @field_validator("quantiles")
    @classmethod
    def _ascend(cls, levels: list[float] | None) -> list[float] | None:
        given = levels or []
        if given != sorted(set(given)):
            raise ValueError(f"got {given}, expected ascending levels, each once")
        suffixes = quantile_columns("", given)
        for lower, upper in pairwise(range(len(given))):
            if suffixes[lower] == suffixes[upper]:
                both = f"{given[lower]} and {given[upper]}, whose predictions would both be called …{suffixes[lower]}"
                raise ValueError(f"got {both}; expected levels of at most six digits that differ")
        return levels

    @model_validator(mode="before")
    @classmethod
    def _class_as_text(cls, written: Any) -> Any:
        """In YAML, `positive: yes` is a boolean and `positive: 1` a number: classes are texts."""
        if not isinstance(written, Mapping):
            return written
        found = dict(written)
        if isinstance(positive := written.get("positive"), (bool, int, float)):
            found["positive"] = str(positive)
        if isinstance(weights := written.get("class_weight"), Mapping):
            found["class_weight"] = {str(label): weight for label, weight in weights.items()}
        return found

    @model_validator(mode="after")
    def _fits_its_task(self) -> Self:
        self._raise_mistakes(self._task_mistakes())
        return self

    def _task_mistakes(self) -> Iterator[KeyMistake]:
        if self.task not in (None, kinds.REGRESSION) and self.loss != kinds.DEFAULT_HEAD:
            message = f"'{self.loss}' is a loss of regression, and this head is a {self.task} head: leave out loss or task"
            yield ("loss",), message
        yield from self._level_mistakes()
        if self.positive is not None and self.task != kinds.BINARY:
            yield ("positive",), "only binary heads have a positive class: write task: binary, too, or leave it out"
        if self.class_weight is not None and self.task not in (None, kinds.BINARY, kinds.MULTICLASS):
            yield ("class_weight",), f"a {self.task} head has no classes: leave it out, or give the head another task"
        if self.classes is not None and self.task not in (kinds.BINARY, kinds.MULTICLASS):
            yield ("classes",), "only binary and multiclass heads have classes: leave them out, they are read from the table"
        if self.classes is not None and self.task == kinds.BINARY and len(self.classes) != CLASSES:
            yield ("classes",), f"a binary head has {CLASSES} classes, got {len(self.classes)}; leave them out"
        several = self.classes if self.task == kinds.MULTICLASS else None
        if several is not None and not CLASSES < len(set(several)) == len(several):
            yield ("classes",), f"a multiclass head has more than {CLASSES} classes, all different; leave them out"
        if self.task == kinds.BINARY and self.classes is not None and self.positive not in (None, self.classes[-1]):
            yield ("classes",), f"the last one is the positive class, which is '{self.positive}'; leave them out"

    def _level_mistakes(self) -> Iterator[KeyMistake]:
        levels = {"quantile": self.quantile, "quantiles": self.quantiles}
        given = [key for key, level in levels.items() if level is not None]
        if self.task == kinds.QUANTILE and not given:
            yield ("quantile",), "which quantile does the head predict? Give its level, such as quantile: 0.9"
        if self.task != kinds.QUANTILE and given:
            yield (given[0],), "only quantile heads have a level: write task: quantile, too, or leave it out"
        if len(given) > 1:
            yield ("quantiles",), "the head has the level of one quantile already; leave out quantile or quantiles"

    @property
    def kind(self) -> str:
        """The name of its kind in `models/heads/registry.py`: its loss, or its task where that has one loss."""
        if self.quantile is not None:
            return kinds.quantile_kind(self.quantile)
        if self.quantiles is not None:
            return kinds.quantile_kind(*self.quantiles)
        if self.task == kinds.MULTICLASS and self.classes:
            return kinds.multiclass_kind(len(self.classes))
        return self.loss if self.task in (None, kinds.REGRESSION) else self.task

    @property
    def score_metric(self) -> str:
        """The name of the metric that is the head's score."""
        return kinds.head_score(self.loss) if self.task in (None, kinds.REGRESSION) else kinds.TASK_SCORES[self.task]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all metrics that are recorded of the head, its score first."""
        own = kinds.head_metrics(self.loss) if self.task in (None, kinds.REGRESSION) else ()
        return own or (self.score_metric, *METRICS_BESIDE[self.score_metric])

    def with_classes(self, classes: Sequence[str]) -> Self:
        """The head with the classes of its column, and the task that goes with so many."""
        task = self.task or (kinds.BINARY if len(classes) == CLASSES else kinds.MULTICLASS)
        return self.model_copy(update={"task": task, "classes": list(classes)})

    @property
    def may_have_classes(self) -> bool:
        """Whether the table decides what the head predicts, or which classes it has."""
        is_open = self.task is None and self.loss == kinds.DEFAULT_HEAD
        return is_open or (self.task in (kinds.BINARY, kinds.MULTICLASS) and self.classes is None)


def quantile_columns(head: str, levels: Sequence[float]) -> list[str]:
    """The columns of a prediction that have several quantiles: `V_q10` of the level 0.1."""
    return [f"{head}_q{100 * level:g}" for level in levels]


def probability_columns(head: str, classes: Sequence[str]) -> list[str]:
    """The columns of a prediction that have probabilities: of a binary head's positive class, or of each of more classes."""
    if len(classes) <= CLASSES:
        return [f"{head}_probability"]
    return [f"{head}_probability_{label}" for label in classes]


_TASKS_OF_LOSSES = {
    "binary_crossentropy": kinds.BINARY,
    "categorical_crossentropy": kinds.MULTICLASS,
    "sparse_categorical_crossentropy": kinds.MULTICLASS,
    "poisson": kinds.COUNT,
    "pinball": kinds.QUANTILE,
    "quantile": kinds.QUANTILE,
}
"""Names that one may give as `loss` where a task is meant."""
