"""Compares single- with multi-output networks and estimators by 5x2 cross-validation; `compare.py` is the workflow."""
