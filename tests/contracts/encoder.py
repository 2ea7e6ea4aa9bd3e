"""What every kind of encoder must do."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

from branchsweep.config import kinds
from branchsweep.data.encoders.encoder import Encoder
from branchsweep.data.encoders.registry import fitted_from_json
from branchsweep.types import Floats

COLUMNS = 3


class EncoderContract:
    """A subclass has a fixture `encoder`."""

    @pytest.fixture
    def encoder(self) -> Encoder:
        raise NotImplementedError

    @pytest.fixture
    def values(self) -> Floats:
        return np.random.default_rng(0).normal([0.0, 1013.0, 5.0], [1.0, 6.0, 0.1], (200, COLUMNS))

    @pytest.fixture
    def targets(self, values: Floats) -> Floats:
        return values @ np.ones((COLUMNS, 2))

    def test_its_name_is_one_that_an_experiment_may_use(self, encoder: Encoder) -> None:
        assert encoder.name in kinds.ENCODERS
        assert encoder.is_invertible or encoder.name not in kinds.TARGET_ENCODERS

    def test_its_width_is_that_of_the_encoded_values(self, encoder: Encoder, values: Floats, targets: Floats) -> None:
        encoded = encoder.fit(values, targets).transform(values[:7])
        assert encoded.shape == (7, encoder.width(COLUMNS))
        assert np.isfinite(encoded).all()

    def test_rows_are_encoded_one_by_one(self, encoder: Encoder, values: Floats, targets: Floats) -> None:
        fitted = encoder.fit(values, targets)
        np.testing.assert_array_equal(fitted.transform(values)[5:9], fitted.transform(values[5:9]))

    def test_a_fitted_encoder_is_read_back_from_json(self, encoder: Encoder, values: Floats, targets: Floats) -> None:
        fitted = encoder.fit(values, targets)
        again = fitted_from_json(json.loads(json.dumps(fitted.to_json())))
        np.testing.assert_array_equal(again.transform(values), fitted.transform(values))

    def test_a_fitted_encoder_reaches_another_process(self, encoder: Encoder, values: Floats, targets: Floats) -> None:
        fitted = encoder.fit(values, targets)
        again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
        np.testing.assert_array_equal(again.transform(values), fitted.transform(values))

    def test_its_source_encodes_alike_but_for_columns_of_zeros(self, encoder: Encoder, values: Floats, targets: Floats) -> None:
        if encoder.source is None:  # values as they are
            np.testing.assert_array_equal(encoder.fit(values, targets).transform(values), values)
            return
        calls = [call for call in (encoder.source, *encoder.source.uses) if call.module]
        imports = [f"from {call.module} import {call.name}" for call in calls]
        code = "\n".join(["import numpy as np", *imports, encoder.source.definition])
        names: dict[str, Any] = {"train": values}
        exec(code, names)  # noqa: S102
        transformer = eval(f"{encoder.source.name}({', '.join(encoder.source.arguments)})", names)  # noqa: S307
        encoded = encoder.fit(values, targets).transform(values)
        found = transformer.fit(values, targets).transform(values)
        np.testing.assert_allclose(found, encoded[:, encoded.any(axis=0)], atol=1e-9)

    def test_an_invertible_encoder_restores_the_values(self, encoder: Encoder, values: Floats, targets: Floats) -> None:
        fitted = encoder.fit(values, targets)
        if encoder.is_invertible:
            np.testing.assert_allclose(fitted.inverse(fitted.transform(values)), values, rtol=1e-9)

    def test_its_serving_source_needs_no_other_module(self, encoder: Encoder, values: Floats, targets: Floats) -> None:
        fitted = encoder.fit(values, targets)
        assert "branchsweep" not in fitted.serving_source()
        alone: dict[str, object] = {"__name__": "alone"}
        exec(fitted.serving_source(), alone)  # noqa: S102
        transform = alone["transform"]
        assert callable(transform)
        np.testing.assert_array_equal(transform(json.loads(json.dumps(fitted.to_json())), values), fitted.transform(values))
