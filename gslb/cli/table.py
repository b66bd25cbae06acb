"""Lines in columns, and sections behind a title: the same on a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from gslb.cli.output import Styled, styled

GAP = 2

Row = Sequence[Styled]


def section(title: str, lines: Sequence[Styled]) -> Iterator[Text]:
    """Lines behind their title, which stands before the first of them only."""
    for index, line in enumerate(lines):
        yield styled((f"  {'' if index else title:<10} ", "cyan"), line)


def align(rows: Sequence[Row], *, indent: int = 2) -> Iterator[Text]:
    """Rows as lines whose columns stand below each other; the last column is not filled up."""
    widths = column_widths(rows)
    for row in rows:
        parts: list[Styled] = [" " * indent]
        for index, cell in enumerate(row):
            is_last = index == len(row) - 1
            gap = 0 if is_last else widths[index] - width_of(cell) + GAP
            parts += [cell, " " * gap]
        line = styled(*parts)
        line.rstrip()
        yield line


def column_widths(rows: Sequence[Row]) -> list[int]:
    """The width of each column in cells of a terminal."""
    columns = max(map(len, rows), default=0)
    return [max(width_of(row[at]) for row in rows if at < len(row)) for at in range(columns)]


def width_of(cell: Styled) -> int:
    """How many cells of a terminal a text takes."""
    return cell_len(cell if isinstance(cell, str) else cell[0])
