"""Who does which run: claims that exactly one worker can hold, without locks.

The claims of a run are files numbered 1, 2, ...: ``<id>.json``, ``<id>-2.json``, ... Each is made by hard link, so that
of all who try only one makes it, and says who made it; its modification time is its last renewal. The run belongs to
the maker of the first claim that lives. A claim that does not live never comes between: whoever found all claims dead
makes the next number, and so of several who take over a dead claim only one succeeds, even if one of them slept in
between. Releasing a claim sets its time to 1970. The files go when the run is done.
"""

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import file_clock, put_new
from deepcollapse.store.failures import failed_attempts
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import CLAIMS, STAGING, WORK, entries, is_done
from deepcollapse.store.process import is_gone, machine, process_began

__all__ = ["Claim", "ClaimState", "claim_run", "claim_states", "remove_claims"]

_LEASE = 600.0  # seconds; of a claim that cannot be read


@dataclass(frozen=True, slots=True)
class ClaimState:
    """A claim as others see it.

    Attributes:
        worker: the name that it gave itself.
        host: its machine.
        pid: its process.
        started: when it claimed the run, ISO 8601, by its own clock.
        attempt: 1 for the first worker that began this run, and so on.
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
        number: of the claim among those of this run.
        attempt: 1 for the first worker that began this run, and so on.
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
    def work(self) -> Path:
        """The run's work folder; it may hold what an earlier attempt left."""
        return self.root / WORK / self.id

    @property
    def path(self) -> Path:
        """The claim's file."""
        return _path(self.root, self.id, self.number)

    def held(self) -> bool:
        """Whether the run is still this worker's, for all that can be seen."""
        found = _read(self.path)
        return (
            bool(found and found.token == self.token and found.renewed)
            and not _path(self.root, self.id, self.number + 1).exists()
        )

    def renew(self) -> bool:
        """Begin the lease anew; whether the claim is still held. A lost one is left alone.

        Raises:
            StoreError: the disk does not let the claim be renewed.
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
            found = _read(self.path)
            if found and found.token == self.token:
                os.utime(self.path, (0, 0))
            if self.work.is_dir() and not any(self.work.iterdir()):
                self.work.rmdir()


@dataclass(frozen=True, slots=True)
class _Found:
    """A claim file: its text's entries (empty if damaged) and its time."""

    entries: dict
    renewed: float

    @property
    def token(self) -> str:
        return str(self.entries.get("token", ""))

    def state(self, now: float) -> ClaimState:
        entries = self.entries
        lease, age, released = float(entries.get("lease", _LEASE)), now - self.renewed, self.renewed == 0
        pid = int(entries.get("pid", 0))
        gone = is_gone(pid=pid, on=entries.get("machine"), began=entries.get("began"))
        return ClaimState(
            worker=str(entries.get("worker", "?")),
            host=str(entries.get("host", "?")),
            pid=pid,
            started=str(entries.get("started", "?")),
            attempt=int(entries.get("attempt", 1)),
            lease=lease,
            age=age,
            released=released,
            alive=not (released or gone or age > lease),
        )


def claim_run(root: Path, id: str, *, worker: str, lease: float) -> Claim | None:
    """Claim a run; None if it is done or a living worker holds it.

    Raises:
        InvalidInputError: a lease that is not positive.
        StoreError: the disk does not let a claim be made.
    """
    if not lease > 0:
        raise InvalidInputError(f"lease: expected seconds > 0, but found {lease}; 120 is usual")
    number, passed = 1, []
    with writing(f"claim of run {id}", _path(root, id, 1)):
        while not is_done(root, id):
            found = _read(_path(root, id, number))
            if found is None:
                claim = _made(root, id, number=number, worker=worker, lease=lease, passed=passed)
                if claim and not is_done(root, id) and _unchanged(root, id, passed):
                    claim.work.mkdir(parents=True, exist_ok=True)
                    return claim
                if claim:
                    claim.path.unlink(missing_ok=True)
                    number, passed = 1, []
            elif found.state(_now(root)).alive:
                return None
            else:
                number, passed = number + 1, [*passed, found]
    return None


def claim_states(root: Path) -> Iterator[tuple[str, int, ClaimState]]:
    """Id, number and state of every claim file, in the order of numbers."""
    numbered = sorted((_parsed(entry.name) for entry in entries(root / CLAIMS)), key=lambda pair: pair[1])
    now = _now(root) if numbered else 0.0
    for id, number in numbered:
        if found := _read(_path(root, id, number)):
            yield id, number, found.state(now)


def remove_claims(root: Path, id: str) -> None:
    """Remove the claim files of a run that is done."""
    number = 1
    while (path := _path(root, id, number)).exists():
        path.unlink(missing_ok=True)
        number += 1


def _made(root: Path, id: str, *, number: int, worker: str, lease: float, passed: list[_Found]) -> Claim | None:
    """The claim of this number, if no one else was faster."""
    attempt = 1 + max([*failed_attempts(root).get(id, []), *(claim.state(0.0).attempt for claim in passed)], default=0)
    claim = Claim(root, id, number, attempt=attempt, worker=worker, lease=lease, token=secrets.token_hex(8))
    record = {
        "worker": worker,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "attempt": attempt,
        "lease": lease,
        "machine": machine(),
        "began": process_began(os.getpid()),
        "token": claim.token,
    }
    made = put_new(claim.path, json.dumps(record, indent=1).encode(), staging=root / STAGING)
    return claim if made else None


def _unchanged(root: Path, id: str, passed: list[_Found]) -> bool:
    """Whether the dead claims are still there: if not, someone tidied up, and all begins anew."""
    now = [_read(_path(root, id, number)) for number in range(1, len(passed) + 1)]
    return [found and found.token for found in now] == [found.token for found in passed]


def _path(root: Path, id: str, number: int) -> Path:
    return root / CLAIMS / (f"{id}.json" if number == 1 else f"{id}-{number}.json")


def _parsed(name: str) -> tuple[str, int]:
    id, _, number = name.removesuffix(".json").partition("-")
    return id, int(number) if number.isdigit() else 1


def _read(path: Path) -> _Found | None:
    """A claim file; None where there is none. Opening it makes network file systems look again."""
    try:
        with path.open("rb") as stream:
            text, renewed = stream.read(), os.fstat(stream.fileno()).st_mtime
    except FileNotFoundError:
        return None
    try:
        return _Found(dict(json.loads(text)), renewed)
    except (ValueError, TypeError):
        return _Found({}, renewed)


def _now(root: Path) -> float:
    """By the clock of the store's disk, or of this machine where nothing may be written."""
    try:
        return file_clock(root / STAGING)
    except OSError:
        return time.time()
