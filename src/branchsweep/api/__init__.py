"""The Python API: run a sweep on a table or a DataFrame, look at its trials, predict with its best model.

    import branchsweep

    sweep = branchsweep.sweep(branchsweep.Experiment.from_yaml("experiments/quickstart.yaml"))
    sweep.trials_dataframe()   # the best trial first
    sweep.plot("pareto_front")
    sweep.best_model.predict(df)

Everything is recorded in MLflow, as by the command line: a sweep that was stopped is resumed by the same call.

`running.py` runs sweeps and comparisons, the other modules are what it returns. `notebook.py` is what Jupyter shows of them.
"""
