"""``deepcollapse status``: what of a store is done, running, failed, and how long the rest takes."""

from pathlib import Path

from rich.markup import escape

from deepcollapse.cli.opened_store import opened_store
from deepcollapse.cli.output import print_json, print_lines, print_table
from deepcollapse.store import Status, Store
from deepcollapse.sweep import Ends, ends

__all__ = ["print_ends", "status"]

_COUNTS = ("total", "done", "running", "failed", "pending")


def status(*store: Path, plan: str | None = None, json: bool = False) -> None:
    """What of a store is done, running, failed, and how long the rest takes.

    Args:
        store: its folder.
        plan: count the runs of this plan only.
        json: write one JSON document to standard output.
    """
    opened = opened_store(*store)
    if json:
        print_json(opened.status(plan).as_json() | {"ends": _ends(opened, plan).as_json()})
        return
    *plans, whole = opened.statuses() if plan is None else (opened.status(plan),)
    shown = [*plans, whole] if len(plans) > 1 else [whole]
    print_table(
        f"Runs in {escape(str(opened.path))}", ["plan", *_COUNTS, "time left"], [_row(found) for found in shown]
    )
    if whole.errors:
        print_table("Failed", ["run", "error"], [[id, escape(error)] for id, error in whole.errors])
    elif whole.total == whole.done:
        print_lines("All runs are done.")
    print_ends(_ends(opened, plan))


def print_ends(found: Ends) -> None:
    """How seeds and networks ended, and what to change where they did not."""
    if found.total:
        print_lines(found.sentence(), *found.advice())


def _ends(opened: Store, plan: str | None) -> Ends:
    return ends(opened, None if plan is None else {run.id for run in opened.plan(plan).runs})


def _row(found: Status) -> list[object]:
    counts = [getattr(found, name) for name in _COUNTS]
    return ["(all)" if found.plan is None else escape(found.plan), *counts, _duration(found.eta_seconds)]


def _duration(seconds: float | None) -> str | None:
    """As people say it."""
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
