"""Every kind of encoder keeps the contract, and targets are encoded head by head."""

from __future__ import annotations

import numpy as np
import pytest

from branchsweep.config import kinds
from branchsweep.data.encoders.registry import encoder_kinds, fit_target_encoder
from contracts.encoder import EncoderContract


@pytest.mark.parametrize("encoder", encoder_kinds(), ids=lambda encoder: encoder.name)
class TestEncoders(EncoderContract):
    """All of them."""


def test_every_name_that_an_experiment_may_use_has_a_kind() -> None:
    assert [encoder.name for encoder in encoder_kinds()] == list(kinds.ENCODERS)


def test_each_head_has_its_own_target_encoder() -> None:
    targets = np.random.default_rng(0).normal(50.0, 7.0, (100, 2))
    fitted = fit_target_encoder(["none", "standard"], targets)
    encoded = fitted.transform(targets)
    np.testing.assert_array_equal(encoded[:, 0], targets[:, 0])
    assert encoded[:, 1].mean() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(fitted.inverse(encoded), targets)
