"""``deepcollapse gc``: what crashed workers left in a store goes."""

from pathlib import Path

from deepcollapse.cli.opened_store import opened_store
from deepcollapse.cli.output import print_json, print_lines

__all__ = ["gc"]


def gc(*store: Path, dry_run: bool = False, unplanned: bool = False, json: bool = False) -> None:
    """Remove what crashed workers left in a store, and nothing that a living one holds.

    Args:
        store: its folder.
        dry_run: only list what would be removed.
        unplanned: remove also finished runs that no plan names.
        json: write one JSON document to standard output.
    """
    found = opened_store(*store).gc(dry_run, unplanned=unplanned).as_json()
    if json:
        print_json(found)
        return
    print_lines(*(f"{folder}/{name}" for folder, names in found.items() for name in names))
    count = sum(map(len, found.values()))
    print_lines(f"{count} would be removed" if dry_run else f"{count} removed")
