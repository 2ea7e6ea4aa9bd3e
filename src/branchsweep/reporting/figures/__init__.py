"""Figures of a sweep: `plot_style` sets the look, `trials` draws points and legends, `sweep_figures` lists all of them."""
