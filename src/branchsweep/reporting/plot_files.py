"""The names of pictures among the files that are kept with a sweep and with its trials."""

from __future__ import annotations

PLOTS = "plots"
"""Their folder."""

PREDICTIONS = f"{PLOTS}/predicted_against_actual.png"
"""Predictions of every head: against actual values, of classes as confusion matrix and curves."""

IN_CARD = f"{PLOTS}/model_card.png"
"""The same for the test rows, in the width of a page: MLflow shows pictures of a description as large as they are."""
