"""What crashed workers left, and how it is removed."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Removed", "remove_garbage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed, or would be.

    Attributes:
        claims: names of stale claim files.
        staging: names of leftovers of results that were never finished.
        work: ids of runs whose work folders were removed.
        runs: ids of runs that no plan names.
    """

    claims: tuple[str, ...] = ()
    staging: tuple[str, ...] = ()
    work: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


def remove_garbage(root: Path, *, dry: bool, unplanned: bool) -> Removed:
    """Remove it."""
    raise NotImplementedError(root, dry, unplanned)
