"""What commands write: one JSON document on standard output, or tables for people; progress on standard error."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from deepcollapse.cli.streams import Screen, encodable, write

_WIDE = 160  # columns where the output is not a terminal: numbers must not be cut

__all__ = ["json_value", "number", "print_json", "print_lines", "print_table", "progress_bar", "progress_bars"]


def print_json(document: Mapping[str, object]) -> None:
    """Write one JSON document and nothing else; numbers without a value become null."""
    write(json.dumps(json_value(document), allow_nan=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table; numbers are right-aligned."""
    table = Table(title=encodable(title), title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(encodable(column), justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*(encodable(number(value)) for value in row))
    console = Screen()
    console.print(table, width=None if console.is_terminal else _WIDE, soft_wrap=not console.is_terminal)


def print_lines(*lines: str) -> None:
    """Write lines as they are."""
    for line in lines:
        write(line + "\n")


def number(value: object) -> str:
    """A value as people read it: 9 significant digits, em dash for none."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, all) that moves a progress bar on standard error; silent when that is not a terminal."""
    with progress_bars() as advance:
        yield lambda done, total: advance(label, done, total)


@contextmanager
def progress_bars(*, unit: str | None = None) -> Iterator[Callable[..., None]]:
    """A callback (label, done, all, note="") that moves the bar of that label, which it starts at the first call.

    Args:
        unit: of what is counted, to show how many of it are done in a second; None shows no speed.
    """
    console = Screen(error=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    note = TextColumn("{task.fields[note]}")
    speed = () if unit is None else (_Speed(unit),)
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, *speed, note, console=console, disable=not console.is_terminal, transient=True) as bar:

        def advance(label: str, done: float, total: float | None, *, note: str = "") -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(label, total=None, note="")
            bar.update(tasks[label], completed=done, total=total, note=note)

        yield advance


class _Speed(ProgressColumn):
    """How many of a unit are done in a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> str:
        """Nothing before two calls have told."""
        return f"{task.speed:.0f} {self.unit}/s" if task.speed else ""


def json_value(value: object) -> object:
    """Arrays to lists, decimals to numbers, NaN and infinities to null: JSON has no other numbers."""
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return json_value(value.tolist())  # type: ignore[attr-defined]
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
