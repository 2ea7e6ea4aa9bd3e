"""Figures of a sweep: open `sweep_figures` first, which lists all of them; `plot_style` sets the look, `trials` the points."""
