"""What people read: terminal, HTML pages, figures, and the descriptions in MLflow.

`terminal.py` shows live progress. `text/` renders results for the terminal, one module per kind of result; `figures/` draws
them with matplotlib and Plotly; `pages/` puts them on HTML pages. `mlflow_descriptions.py` and `model_card.py` write
Markdown.
"""
