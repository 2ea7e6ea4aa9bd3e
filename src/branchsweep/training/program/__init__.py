"""The compiled program that trains a population.

Read `compiled_program.py` first: the loop over epochs, built from `networks.py`, the forward and backward steps of all lanes at
once, and `tensor_operations.py`. Its arrays are defined in `program_arrays.py`, their sizes in `shapes.py`; `lane_arrays.py`
writes lanes into them and reads their outcomes. `layer_schedule.py` assigns hidden layers to array positions, `layer_kinds.py`
computes them, `batches.py` prepares the batches. `optimizer_step.py` changes the weights, over the rows of `weight_rows.py`.
Hyperparameters with code of their own are in `dropout.py`, `gradient_norms.py`, `input_factors.py` and `target_noise.py`.
`program_functions.py` calls a program's functions, traced or read; `program_cache.py` keeps compiled programs on disk.
"""
