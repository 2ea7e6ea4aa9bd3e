"""An estimator of scikit-learn's with its hyperparameters: defaults, fixed values, or a search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic_core import CoreSchema

from branchsweep.config.config_model import LONGEST_PATH, MAX_TRIALS, ConfigModel, KeyMistake
from branchsweep.config.estimator_names import EstimatorName
from branchsweep.config.estimator_parameters import estimator_mistakes
from branchsweep.config.sections.dimensions import Dimension
from branchsweep.config.sections.search_space import SearchSpace, condition_mistakes
from branchsweep.trial import ParamValue


class TunedEstimator(ConfigModel):
    """An estimator of scikit-learn's, its hyperparameters fixed, searched, or at scikit-learn's defaults."""

    estimator: EstimatorName = Field(
        description="The name of the estimator: one for each head, or one for all heads together (joint_random_forest)."
    )
    fixed: Mapping[str, ParamValue] = Field(
        default_factory=dict, description="Hyperparameters of the estimator fixed at a value, by scikit-learn's names."
    )
    space: Mapping[str, Dimension] = Field(
        default_factory=dict,
        description="Hyperparameters of the estimator that are searched, by scikit-learn's names, each a dimension.",
    )
    trials: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="Trials of its search; as many as those of the networks if absent."
    )

    @model_validator(mode="after")
    def _check_hyperparameters(self) -> Self:
        self._raise_mistakes(self._hyperparameter_mistakes())
        return self

    def _hyperparameter_mistakes(self) -> Iterator[KeyMistake]:
        yield from estimator_mistakes(self.estimator, self.fixed, self.space)
        yield from ((("space", *path), message) for path, message in condition_mistakes(self.space))
        if self.trials is not None and not self.space:
            yield ("trials",), "nothing is searched: give the hyperparameters under space, or leave trials out"

    @property
    def search_space(self) -> SearchSpace:
        """What is searched."""
        return SearchSpace(dimensions=self.space, fixed=self.fixed)


class _WithoutTags:
    """Describes a union of a text and a mapping in the JSON Schema as the two, without the tags that tell them apart."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler(schema)
        return {"anyOf": described["oneOf"]}


Baseline = Annotated[
    Annotated[str, Field(max_length=LONGEST_PATH), Tag("text")] | Annotated[TunedEstimator, Tag("TunedEstimator")],
    Discriminator(lambda value: "TunedEstimator" if isinstance(value, (dict, TunedEstimator)) else "text"),
    _WithoutTags(),
]
"""A baseline: the name of an estimator, the path of an experiment, or an estimator with its hyperparameters."""
