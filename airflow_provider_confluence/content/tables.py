"""The grid of a table: which field every cell fills, when cells span rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from airflow_provider_confluence.content.model import Block, Cell, Table
from airflow_provider_confluence.content.plain import block_text

# A cell that claims more is a mistake or an attack: the longest span seen in real tables is a fraction of this.
MAX_COLUMN_SPAN = 100
MAX_ROW_SPAN = 1_000


class SpanningCell(NamedTuple):
    """A cell as written down, before it takes its place."""

    cell: Cell
    columns: int = 1
    rows: int = 1


def span(value: str | None, most: int) -> int:
    """Return a ``colspan`` or ``rowspan`` as a number from 1 to ``most``; nonsense is 1."""
    if value is None:
        return 1
    text = value.strip()
    return max(1, min(int(text), most)) if text.isascii() and text.isdigit() and len(text) < 10 else 1


def grid(rows: Sequence[Sequence[SpanningCell]]) -> tuple[tuple[Cell, ...], ...]:
    """Return the rows with an empty cell in every field that a spanning cell covers.

    The empty cells are bounded by the real ones, so that spans cannot blow up a small body.
    """
    if not any(spanning.columns > 1 or spanning.rows > 1 for row in rows for spanning in row):
        return tuple(tuple(spanning.cell for spanning in row) for row in rows)
    budget = 50_000 + 4 * sum(len(row) for row in rows)
    covered_until: dict[int, int] = {}
    found = []
    for index, row in enumerate(rows):
        fields: list[Cell] = []
        for spanning in row:
            while budget > 0 and covered_until.get(len(fields), 0) > index:
                fields.append(Cell())
                budget -= 1
            column = len(fields)
            empty = max(0, min(spanning.columns - 1, budget))
            budget -= empty
            fields.append(spanning.cell)
            fields.extend([Cell(header=spanning.cell.header)] * empty)
            if spanning.rows > 1:
                for covered in range(column, column + 1 + empty):
                    covered_until[covered] = index + spanning.rows
        while budget > 0 and covered_until.get(len(fields), 0) > index:
            fields.append(Cell())
            budget -= 1
        found.append(tuple(fields))
    return tuple(found)


def header_rows(rows: Sequence[Sequence[SpanningCell]]) -> int:
    """Return how many rows at the top hold nothing but header cells; a table is never all headers, save of one row."""
    return headed([[spanning.cell for spanning in row] for row in rows])


def headed(rows: Sequence[Sequence[Cell]]) -> int:
    """Return the same of rows whose cells span nothing."""
    count = 0
    for row in rows:
        if not row or not all(cell.header for cell in row):
            break
        count += 1
    return count if count < len(rows) else min(count, 1)


def key_values(table: Table) -> Mapping[str, tuple[Block, ...]]:
    """Return a table of page properties as name → value.

    Names stand in the first column, or in the one header row above one row of values; a header row over two columns of names and
    values ("Key", "Value") is skipped.
    """
    found: dict[str, tuple[Block, ...]] = {}
    rows = table.rows
    width = max((len(row) for row in rows), default=0)
    body = rows[table.header_rows :]
    upright = not any(row and row[0].header for row in body)
    if table.header_rows == 1 and body and upright and (len(body) == 1 or width > 2):
        for column, heading in enumerate(rows[0]):
            name = block_text(heading.blocks)
            value = tuple(block for row in body if column < len(row) for block in row[column].blocks)
            if name:
                found.setdefault(name, value)
        return found
    for row in body:
        name = block_text(row[0].blocks) if row else ""
        if name:
            found.setdefault(name, tuple(block for cell in row[1:] for block in cell.blocks))
    return found
