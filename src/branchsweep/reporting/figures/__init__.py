"""Figures: `plot_style` sets their look, `sweep_figures` lists those of a sweep, `comparison_figures` has a comparison's."""
