"""Everything that people read: the terminal, HTML reports, figures, and Markdown in MLflow. Open `sweep_reporter` first.

`sweep_reporter` makes what is kept with a sweep. `terminal` shows live progress, from the numbers in `progress_state`. `text/`
renders results for the terminal, one module per kind of result; `figures/` draws a sweep with matplotlib and Plotly; `pages/`
puts the figures on HTML pages; `comparison/` does all of that for comparisons. `mlflow_descriptions` and `model_card` write
Markdown. `live_server` serves the page of a running sweep. `plot_files` names pictures, `formatting` formats single numbers,
for all of them.
"""
