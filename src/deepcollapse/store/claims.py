"""Who does which run: claims that exactly one worker holds, without locks.

The claims of a run are files numbered 1, 2, ...: ``<id>.json``, ``<id>-2.json``, ... Each appears by hard link, so that
of all who try only one makes it; it says who that is, and its modification time is the last renewal. Whoever finds a
living claim leaves the run alone. Whoever finds all claims dead makes the next number: of several who take over a dead
claim one succeeds, even if another one slept for hours between looking and linking. A claim is dead if it was not
renewed for its lease, if its process is known to be gone, if it was given back (its time is 1970 then), or if the power
failed before it was on the disk. Numbers only grow until the run is done, or until ``gc`` has itself made the next one.
"""

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.claim_files import ClaimFile, claim_path, read_claim, time_of_store
from deepcollapse.store.disk import put_new
from deepcollapse.store.failures import failed_attempts
from deepcollapse.store.faults import ClaimLostError, writing
from deepcollapse.store.layout import STAGING, WORK, is_done
from deepcollapse.store.process import machine, process_began

__all__ = ["Claim", "claim_run"]

_PAUSE = 0.01  # seconds until a network file system shows what it said is there


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do a run, until it is released, committed, failed, or not renewed for longer than the lease.

    Attributes:
        root: of the store.
        id: of the run.
        number: of the claim among those of the run that are there.
        attempt: 1 for the first worker that began the run, one more after each that failed or died.
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

    def expect_held(self) -> None:
        """Nothing, if the run is this worker's for all that can be seen.

        Raises:
            ClaimLostError: it is another worker's by now, given back, or done.
            StoreError: the disk does not let the claim be read.
        """
        with writing(f"claim of run {self.id}", self.path):
            if not self.held():
                raise self.lost()

    def lost(self) -> ClaimLostError:
        """The error of a worker whose run is another's by now."""
        return ClaimLostError(
            f"claim: expected {self.worker} to hold run {self.id}, but found it done, given back or taken over after "
            f"{self.lease:g} s without renewal; the result is dropped, ask for a longer lease or renew more often"
        )

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
        found = read_claim(self.path)
        return found is not None and found.entries.get("token") == self.token and not found.released


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
    dead: list[ClaimFile] = []
    with writing(f"claim of run {id}", claim_path(root, id, 1)):
        while not is_done(root, id):
            found = read_claim(claim_path(root, id, len(dead) + 1))
            if found and found.state(time_of_store(root)).alive:
                return None
            if found:
                dead.append(found)
            elif claim := _made(root, id, dead, worker=worker, lease=lease):
                if not is_done(root, id) and _same(root, id, dead):
                    return claim
                claim.path.unlink(missing_ok=True)
                dead.clear()
            else:
                time.sleep(_PAUSE)
    return None


def _made(root: Path, id: str, dead: list[ClaimFile], *, worker: str, lease: float) -> Claim | None:
    """The claim after the dead ones, with the run's work folder, if no one else was faster."""
    ended = [found.state(0.0) for found in dead]
    tried = [*failed_attempts(root).get(id, []), *(state.attempt - state.released for state in ended)]
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


def _same(root: Path, id: str, dead: list[ClaimFile]) -> bool:
    """Whether the dead claims are all still there: where someone tidied up meanwhile, all begins anew."""
    now = [read_claim(claim_path(root, id, number)) for number in range(1, len(dead) + 1)]
    return [found and found.entries for found in now] == [found.entries for found in dead]
