"""Compares single- with multi-output networks and estimators by 5x2 cross-validation.

Read `compare.py` first, which is the workflow. `protocol.py` cuts the rows and describes how it is done, `nested_search.py`
tunes, `fits.py` trains networks on every half, `contestants.py`, `estimators.py` and `sharing.py` evaluate what is compared.
"""
