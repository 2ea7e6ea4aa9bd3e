"""The result of a comparison in Python, with its tables and figures."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Literal, Self

from branchsweep.api.notebook import comparison_html
from branchsweep.data.files.written_table import make_dataframe
from branchsweep.errors import UserError
from branchsweep.metrics import comparison_result
from branchsweep.reporting.comparison.table import comparison_rows, scored_heads

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class ComparisonResult(comparison_result.ComparisonResult):
    """The result of a comparison: its conclusions as sentences, the contestants, and their differences to the reference."""

    __slots__ = ()

    @classmethod
    def of(cls, result: comparison_result.ComparisonResult) -> Self:
        """The same result."""
        return cls(**{field.name: getattr(result, field.name) for field in fields(result)})

    def scores_dataframe(self) -> pd.DataFrame:
        """The scores of the contestants, averaged over the halves, the best one first: one column per head, and `mean`."""
        heads = list(scored_heads(self))
        rows = comparison_rows(self)
        values = [[row.cells[head].mean if head in row.cells else float("nan") for head in heads] for row in rows]
        return make_dataframe(heads, values, [row.contestant.name for row in rows])

    def differences_dataframe(self) -> pd.DataFrame:
        """Each contestant against the reference, by head: the difference, its confidence interval, p-value and verdict."""
        names = ("contestant", "head", "difference", "low", "high", "p_adjusted", "verdict")
        return make_dataframe(names, [[getattr(difference, name) for name in names] for difference in self.differences])

    def plot(self, figure: Literal["contestants", "costs", "transfer", "sharing"] = "contestants") -> NDArray[np.object_]:
        """Draw one of the figures of the report with matplotlib's pyplot; a notebook shows it below the cell.

        Args:
            figure: Its name.

        Returns:
            `(panels,)` its `matplotlib.axes.Axes`.

        Raises:
            UserError: There is no such figure, or it was not measured.
        """
        from branchsweep.reporting.comparison import figures  # noqa: PLC0415  # matplotlib takes a second
        from branchsweep.reporting.figures.shown import named_figure, panels_in_pyplot  # noqa: PLC0415  # likewise

        draw = named_figure(figure, (figures.contestants, figures.costs, figures.transfer, figures.sharing))
        if figure in {"transfer", "sharing"} and not getattr(self, figure):
            raise UserError(f"the comparison has not measured {figure}: there is nothing to draw", "figure")
        return panels_in_pyplot(draw(self))

    def _repr_html_(self) -> str:
        return comparison_html(self)
