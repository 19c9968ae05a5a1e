"""Who does which run: claims that exactly one worker holds, without locks.

The claims of a run are files numbered 1, 2, ...: ``<id>.json``, ``<id>-2.json``, ... Each appears by hard link, so that
of all who try only one makes it; it says who that is, and its modification time is the last renewal. Whoever finds a
living claim leaves the run alone. Whoever finds all claims dead makes the next number: of several who take over a dead
claim one succeeds, even if another one slept for hours between looking and linking. A claim is dead if it was not
renewed for its lease, if its process is known to be gone, if it was given back (its time is 1970 then), or if the power
failed before it was on the disk. Numbers only grow until the run is done, or until ``gc`` has itself made the next one.
"""

import errno
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import file_clock, put_new
from deepcollapse.store.failures import failed_attempts
from deepcollapse.store.faults import writing
from deepcollapse.store.identity import is_id
from deepcollapse.store.layout import CLAIMS, STAGING, WORK, entries, is_done
from deepcollapse.store.process import is_gone, machine, process_began

__all__ = ["Claim", "ClaimState", "claim_path", "claim_run", "claim_states", "remove_claims", "time_of_store"]


_KINDS: dict[str, Any] = {"worker": str, "host": str, "pid": int, "started": str, "attempt": int, "lease": int | float}


@dataclass(frozen=True, slots=True)
class ClaimState:
    """A claim as others see it.

    Attributes:
        worker: the name that it gave itself.
        host: its machine.
        pid: its process.
        started: when it claimed the run, ISO 8601, by its own clock.
        attempt: 1 for the first worker that began the run, and so on.
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
class Claim:
    """The right to do a run, until it is released, committed, failed, or not renewed for longer than the lease.

    Attributes:
        root: of the store.
        id: of the run.
        number: of the claim among those of the run that are there.
        attempt: 1 for the first worker that began the run, and so on.
        worker: the name of whoever holds it.
        lease: seconds.
        token: that no other claim has.
    """

    root: Path
    id: str
    number: int
    attempt: int
    worker: str
    lease: float
    token: str

    @property
    def path(self) -> Path:
        """The claim's file."""
        return claim_path(self.root, self.id, self.number)

    @property
    def work(self) -> Path:
        """The run's work folder; it may hold what an earlier attempt left."""
        return self.root / WORK / self.id

    def held(self) -> bool:
        """Whether the run is this worker's, for all that can be seen; an expired claim is, if no one took it over."""
        next_one = claim_path(self.root, self.id, self.number + 1)
        return self._is_there() and not next_one.exists()

    def renew(self) -> bool:
        """Begin the lease anew; whether the claim is held. One that is lost or given back is left alone.

        Raises:
            StoreError: the disk does not let it be renewed.
        """
        with writing(f"claim of run {self.id}", self.path):
            if not self.held():
                return False
            try:
                os.utime(self.path)
            except FileNotFoundError:
                return False
        return True

    def release(self) -> None:
        """Give the run back, not done: others may claim it at once. What is in the work folder stays.

        Raises:
            StoreError: the disk does not let the claim be changed.
        """
        with writing(f"claim of run {self.id}", self.path):
            if self.work.is_dir() and not any(self.work.iterdir()):
                self.work.rmdir()
            if self._is_there():
                os.utime(self.path, (0, 0))

    def _is_there(self) -> bool:
        found = _read(self.path)
        return found is not None and found.entries.get("token") == self.token and not found.released


@dataclass(frozen=True, slots=True)
class _Found:
    """A claim's file: its entries, none if it is damaged, and its time."""

    entries: dict[str, Any]
    renewed: float

    @property
    def released(self) -> bool:
        return self.renewed == 0

    def state(self, now: float) -> ClaimState:
        """As it is at a time."""
        entries = {"worker": "?", "host": "?", "pid": 0, "started": "?", "attempt": 1, "lease": 0.0} | self.entries
        age = now - self.renewed
        gone = is_gone(pid=entries["pid"], on=entries.get("machine"), began=entries.get("began"))
        alive = not (self.released or gone or age > entries["lease"]) and bool(self.entries)
        return ClaimState(**{name: entries[name] for name in _KINDS}, age=age, released=self.released, alive=alive)


def claim_run(root: Path, id: str, *, worker: str, lease: float) -> Claim | None:
    """Claim a run; None if it is done or a living worker holds it.

    Args:
        root: of the store.
        id: of the run.
        worker: a name for people to read.
        lease: seconds that the claim may go without renewal.

    Raises:
        InvalidInputError: a lease that is not positive.
        StoreError: the disk does not let a claim be made.
    """
    if not 0 < lease < float("inf"):
        raise InvalidInputError(f"lease: expected a number of seconds > 0, but found {lease}; 120 is usual")
    dead: list[_Found] = []
    with writing(f"claim of run {id}", claim_path(root, id, 1)):
        while not is_done(root, id):
            found = _read(claim_path(root, id, len(dead) + 1))
            if found and found.state(time_of_store(root)).alive:
                return None
            if found:
                dead.append(found)
            elif claim := _made(root, id, dead, worker=worker, lease=lease):
                if not is_done(root, id) and _same(root, id, dead):
                    return claim
                claim.path.unlink(missing_ok=True)
                dead.clear()
    return None


def claim_states(root: Path) -> Iterator[tuple[str, int, ClaimState]]:
    """Id, number and state of every claim, in the order of numbers."""
    parts = (entry.name.removesuffix(".json").partition("-") for entry in entries(root / CLAIMS))
    numbered = sorted((int(number or 1), id) for id, _, number in parts if is_id(id) and (number or "1").isdigit())
    now = time_of_store(root) if numbered else 0.0
    for number, id in numbered:
        if found := _read(claim_path(root, id, number)):
            yield id, number, found.state(now)


def claim_path(root: Path, id: str, number: int) -> Path:
    """Where a claim's file is."""
    return root / CLAIMS / (f"{id}.json" if number == 1 else f"{id}-{number}.json")


def remove_claims(root: Path, id: str, *, up_to: int) -> None:
    """Remove the first claims of a run; the last of them stays until the others are gone."""
    for number in (*range(up_to - 1, 0, -1), up_to):
        claim_path(root, id, number).unlink(missing_ok=True)


def time_of_store(root: Path) -> float:
    """Seconds since 1970 by the clock of the store's disk, or of this machine where nothing may be written."""
    try:
        return file_clock(root / STAGING)
    except OSError:
        return time.time()


def _made(root: Path, id: str, dead: list[_Found], *, worker: str, lease: float) -> Claim | None:
    """The claim after the dead ones, with the run's work folder, if no one else was faster."""
    tried = [*failed_attempts(root).get(id, []), *(found.state(0.0).attempt for found in dead)]
    claim = Claim(root, id, len(dead) + 1, 1 + max(tried, default=0), worker, lease, token=secrets.token_hex(8))
    record = {
        "worker": worker,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "attempt": claim.attempt,
        "lease": lease,
        "machine": machine(),
        "began": process_began(os.getpid()),
        "token": claim.token,
    }
    content = json.dumps(record, indent=1).encode()
    if not put_new(claim.path, content, staging=root / STAGING, lasting=False):
        return None
    try:
        claim.work.mkdir(parents=True, exist_ok=True)
    except OSError:
        claim.path.unlink(missing_ok=True)
        raise
    return claim


def _same(root: Path, id: str, dead: list[_Found]) -> bool:
    """Whether the dead claims are all still there: where someone tidied up meanwhile, all begins anew."""
    now = [_read(claim_path(root, id, number)) for number in range(1, len(dead) + 1)]
    return [found and found.entries for found in now] == [found.entries for found in dead]


def _read(path: Path) -> _Found | None:
    """A claim's file; None where there is none. Opening it makes network file systems look again."""
    try:
        with path.open("rb") as stream:
            text, renewed = stream.read(), os.fstat(stream.fileno()).st_mtime
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return None
        raise
    with suppress(ValueError, TypeError, LookupError):
        found = json.loads(text)
        if all(isinstance(found[name], kind) for name, kind in _KINDS.items()):
            return _Found(found, renewed)
    return _Found({}, renewed)
