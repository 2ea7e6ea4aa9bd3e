"""Messages: where, what, and the nearest valid word."""

from __future__ import annotations

import pytest

from branchsweep import errors


def test_a_message_names_its_place() -> None:
    assert str(errors.ConfigError("got 3, expected 4", where="x.yaml:2")) == "x.yaml:2: got 3, expected 4"
    assert str(errors.DataError("no rows")) == "no rows"


@pytest.mark.parametrize(
    ("given", "valid", "near"),
    [
        ("mea", ("mse", "mae", "huber"), "mae"),
        ("EP", ("AT", "V", "AP", "RH", "PE"), "PE"),
        ("pe", ("V", "PE"), "PE"),
        ("trunk.dpeth", ("branch.depth", "trunk.width", "trunk.depth"), "trunk.depth"),
        ("adm", ("adam", "sgd"), "adam"),
        ("epoch", ("epochs", "keep"), "epochs"),
        ("quantile", ("mse", "mae"), ""),
        ("x", (), ""),
    ],
)
def test_the_nearest_word(given: str, valid: tuple[str, ...], near: str) -> None:
    assert errors.nearest(given, valid) == near
    assert errors.did_you_mean(given, valid) == (f"; did you mean '{near}'?" if near else "")


def test_every_error_of_ours_is_the_users_to_mend() -> None:
    classes = [it for it in vars(errors).values() if isinstance(it, type) and it.__module__ == errors.__name__]
    assert len(classes) > 1
    assert all(issubclass(it, errors.UserError) for it in classes)
    for name in (it.__name__ for it in classes):
        assert name in str(errors.__doc__), f"{name} is missing in the drawing of the tree"
