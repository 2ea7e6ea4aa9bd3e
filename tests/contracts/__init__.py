"""What every implementation of a protocol must do, as classes of tests: a test module subclasses one for each implementation.

`driver`, `tracker`, `registry`, `audit` and `comparison_tracker` hold the classes; `search_spaces`, `results`,
`tracking_records` and `comparison_results` the values that they and other tests work on.
"""
