"""Claims as they lie on the disk: who made them, and whether that worker lives."""

import errno
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import file_clock
from deepcollapse.store.layout import CLAIMS, STAGING, numbered
from deepcollapse.store.process import is_gone

__all__ = ["ClaimFile", "ClaimState", "claim_path", "claim_states", "read_claim", "remove_claims", "time_of_store"]

_KINDS: dict[str, Any] = {"worker": str, "host": str, "pid": int, "started": str, "attempt": int, "lease": int | float}


@dataclass(frozen=True, slots=True)
class ClaimState:
    """A claim as others see it.

    Attributes:
        worker: the name that it gave itself.
        host: its machine.
        pid: its process.
        started: when it claimed the run, ISO 8601, by its own clock.
        attempt: 1 for the first worker that began the run, one more after each that failed or died.
        lease: seconds that it may go without renewal.
        age: seconds since its last renewal, by the clock of the store's disk.
        released: whether it was given back.
        alive: whether its holder may still be at work.
    """

    worker: str
    host: str
    pid: int
    started: str
    attempt: int
    lease: float
    age: float
    released: bool
    alive: bool


@dataclass(frozen=True, slots=True)
class ClaimFile:
    """What a claim's file says.

    Attributes:
        entries: of its text; none if it is damaged.
        renewed: its time, seconds since 1970.
    """

    entries: dict[str, Any]
    renewed: float

    @property
    def released(self) -> bool:
        """Whether it was given back."""
        return self.renewed == 0

    def state(self, now: float) -> ClaimState:
        """As it is at a time."""
        entries = {"worker": "?", "host": "?", "pid": 0, "started": "?", "attempt": 1, "lease": 0.0} | self.entries
        age = now - self.renewed
        gone = is_gone(pid=entries["pid"], on=entries.get("machine"), began=entries.get("began"))
        alive = not (self.released or gone or age > entries["lease"]) and bool(self.entries)
        return ClaimState(**{name: entries[name] for name in _KINDS}, age=age, released=self.released, alive=alive)


def claim_path(root: Path, id: str, number: int) -> Path:
    """Where a claim's file is."""
    return root / CLAIMS / (f"{id}.json" if number == 1 else f"{id}-{number}.json")


def claim_states(root: Path) -> Iterator[tuple[str, int, ClaimState]]:
    """Id, number and state of every claim, in the order of numbers."""
    names = sorted((number, id) for id, number in numbered(root / CLAIMS))
    now = time_of_store(root) if names else 0.0
    for number, id in names:
        if found := read_claim(claim_path(root, id, number)):
            yield id, number, found.state(now)


def read_claim(path: Path) -> ClaimFile | None:
    """A claim's file; None where there is none. Opening it makes network file systems look again."""
    try:
        with path.open("rb") as stream:
            text, renewed = stream.read(), os.fstat(stream.fileno()).st_mtime
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return None
        raise
    try:
        return ClaimFile(json_object(text, _KINDS), renewed)
    except InvalidInputError:
        return ClaimFile({}, renewed)


def remove_claims(root: Path, id: str, numbers: Iterable[int], *, last: int) -> None:
    """Remove claims of a run; one of them stays until the others are gone."""
    for number in (*sorted({*numbers} - {last}, reverse=True), last):
        claim_path(root, id, number).unlink(missing_ok=True)


def time_of_store(root: Path) -> float:
    """Seconds since 1970 by the clock of the store's disk, or of this machine where nothing may be written."""
    try:
        return file_clock(root / STAGING)
    except OSError:
        return time.time()
