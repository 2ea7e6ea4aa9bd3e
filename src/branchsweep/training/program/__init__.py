"""The compiled program that trains a population.

Read `compiled_program.py` first: the loop over epochs, built from `networks.py`, the forward and backward steps of all lanes
at once, and `tensor_operations.py`. Its arrays are defined in `program_arrays.py`; `lane_arrays.py` writes lanes into them and
reads their outcomes. `layer_schedule.py` assigns hidden layers to array positions, `batches.py` prepares the batches.
`program_cache.py` keeps compiled programs on disk.
"""
