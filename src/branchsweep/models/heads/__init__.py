"""What a head may be: one module per task, all with the contract `head.Head`.

Read `head.py` first. `regression.py` has the squared, absolute and Huber losses. `registry.py` finds a head's kind by its
loss, as an experiment names it, and takes kinds from outside.
"""
