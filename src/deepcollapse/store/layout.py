"""Where things are in a store; a run is done if and only if its folder in ``runs`` exists."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from deepcollapse.store.identity import is_id

__all__ = [
    "CLAIMS",
    "FAILURES",
    "FOLDERS",
    "PLANS",
    "RUNS",
    "STAGING",
    "STORE_FILE",
    "TABLE",
    "WORK",
    "commit_times",
    "done_ids",
    "entries",
    "is_done",
    "numbered",
]

STORE_FILE = "store.json"
TABLE = "table.parquet"
PLANS, CLAIMS, WORK, STAGING, RUNS, FAILURES = "plans", "claims", "work", "staging", "runs", "failures"
_NUMBERED = re.compile(r"([0-9a-f]{16})(?:-([1-9][0-9]{0,5}))?\.json")

FOLDERS = (PLANS, CLAIMS, WORK, STAGING, RUNS, FAILURES)


def entries(folder: Path) -> Iterator[os.DirEntry]:
    """What a folder holds, in no order; nothing if it is missing, as in a copy that left out empty folders."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except FileNotFoundError:
        return


def numbered(folder: Path) -> Iterator[tuple[str, int]]:
    """Id and number of every file named ``<id>.json`` (number 1) or ``<id>-<number>.json``; others are left aside."""
    for entry in entries(folder):
        if found := _NUMBERED.fullmatch(entry.name):
            yield found[1], int(found[2] or 1)


def done_ids(root: Path) -> set[str]:
    """Ids of the runs that are done."""
    return {entry.name for entry in entries(root / RUNS) if is_id(entry.name) and entry.is_dir()}


def commit_times(root: Path) -> dict[str, int]:
    """When the folder of each finished run was written, in ns since 1970: a run that was done again has another."""
    times = {}
    for entry in entries(root / RUNS):
        with suppress(FileNotFoundError):  # it was removed meanwhile
            if is_id(entry.name) and entry.is_dir():
                times[entry.name] = entry.stat().st_mtime_ns
    return times


def is_done(root: Path, id: str) -> bool:
    """Whether a run is done, now: opening the folder makes network file systems look again."""
    with suppress(OSError):  # missing, or a system that does not open folders
        os.close(os.open(root / RUNS, os.O_RDONLY))
    return (root / RUNS / id).is_dir()
