"""Encoders by name, and fitted ones from what was recorded of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from branchsweep.config import kinds
from branchsweep.data.encoders import affine, categories, date_parts, missing_indicator
from branchsweep.data.encoders.bins import PIECEWISE_LINEAR, PIECEWISE_LINEAR_TREE
from branchsweep.data.encoders.encoder import Encoder, FittedEncoder, served_kind
from branchsweep.data.encoders.scaling import MIN_MAX, NONE, QUANTILE, ROBUST, STANDARD
from branchsweep.data.encoders.waves import PERIODIC
from branchsweep.types import Floats

_BUILT_IN = (NONE, MIN_MAX, STANDARD, ROBUST, QUANTILE, PIECEWISE_LINEAR, PIECEWISE_LINEAR_TREE, PERIODIC)
_ENCODERS: kinds.KindRegistry[Encoder] = kinds.KindRegistry(kinds.ENCODERS, _BUILT_IN)
_OF_COLUMNS = (categories, date_parts, missing_indicator)  # what encodes columns that are not numeric


def register_encoder(encoder: Encoder) -> None:
    """Offer a kind of encoder more: experiments may name it as `input_scaling`.

    Worker processes import the module that calls this function, so it should be called when that module is imported. A script
    or notebook that runs a sweep is not such a module.
    """
    _ENCODERS.register(encoder, kinds.registering_module())


def unregister_encoder(name: str) -> None:
    """Offer a kind no longer."""
    _ENCODERS.unregister(name)


def encoder_kind(name: str) -> Encoder:
    """The kind of encoder with this name.

    Raises:
        KeyError: No kind has this name; an experiment was checked long before.
    """
    return _ENCODERS[name]


def encoder_kinds() -> list[Encoder]:
    """Every kind of encoder."""
    return list(_ENCODERS)


def fitted_from_json(data: Mapping[str, Any]) -> FittedEncoder:
    """The fitted encoder that `FittedEncoder.to_json` described.

    Raises:
        KeyError: No encoder is served under its kind.
    """
    modules = (*(encoder.served for encoder in _ENCODERS), *_OF_COLUMNS)
    served: dict[str, ModuleType] = {served_kind(module): module for module in modules}
    if data["kind"] not in served:
        served |= {served_kind(encoder.served): encoder.served for encoder in _ENCODERS.of_packages()}
    return FittedEncoder(served[data["kind"]], {name: value for name, value in data.items() if name != "kind"})


def outputs_encoder(encoder: FittedEncoder, units: Sequence[int]) -> FittedEncoder:
    """The encoder of the targets for predictions, which have a column for each unit of a head's output.

    Args:
        encoder: As of `fit_target_encoder`.
        units: By head.
    """
    if set(units) <= {1}:
        return encoder
    return FittedEncoder(encoder.served, {part: np.repeat(values, units).tolist() for part, values in encoder.state.items()})


def fit_target_encoder(names: Sequence[str], targets: Floats) -> FittedEncoder:
    """One affine encoder of all targets, each by the kind that its head asks for.

    Args:
        names: By column, the name of an affine encoder.
        targets: `(rows, heads)` of the training rows; NaN where one is not known, which the encoder does not see.
    """
    if np.isnan(targets).any():
        known = [column[~np.isnan(column), None] for column in targets.T]
        by_column = [encoder_kind(name).fit(values, values).state for name, values in zip(names, known, strict=True)]
        return FittedEncoder(affine, {part: [state[part][0] for state in by_column] for part in ("shift", "scale")})
    fitted = {name: encoder_kind(name).fit(targets, targets) for name in dict.fromkeys(names)}
    state = {part: [fitted[name].state[part][column] for column, name in enumerate(names)] for part in ("shift", "scale")}
    return FittedEncoder(affine, state)
