"""The parts of a report page: plain data, no markup."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

__all__ = ["Picture", "Report", "Section", "Table"]

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    r"""Named columns of equal length.

    Attributes:
        columns: heading -> cells from top to bottom. None is a value that does not exist.
        caption: a sentence above the table; empty where the table is only for download.

    >>> Table({"rank": [9, 5]}).csv
    'rank\r\n9\r\n5\r\n'
    """

    columns: Mapping[str, Sequence[Cell]]
    caption: str = ""

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The cells row by row."""
        return list(zip(*self.columns.values(), strict=True))

    @property
    def numeric(self) -> list[bool]:
        """For each column, whether it holds numbers and no text or truth values."""
        present = [[cell for cell in cells if cell is not None] for cells in self.columns.values()]
        return [bool(cells) and not any(isinstance(cell, str | bool) for cell in cells) for cells in present]

    @property
    def csv(self) -> str:
        """The table as RFC 4180 text, numbers in full precision, nothing for None."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with what a reader needs beside it.

    Attributes:
        figure: the drawing.
        caption: what it says, in words.
        description: what it looks like, for readers who cannot see it.
        data: the numbers drawn, offered for download.
    """

    figure: Figure
    caption: str
    description: str
    data: Table | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with paragraphs, figures and tables under it, in this order."""

    heading: str
    prose: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One page: title, paragraphs that lead in, sections."""

    title: str
    lead: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())
